"""The list of experiments, and where their runs lie."""

from dataclasses import dataclass, field
from pathlib import Path

from corinfomax.toml import loads

HERE = Path(__file__).parent
LIST, PUBLISHED = HERE / "experiments.toml", HERE / "published.toml"
#: What is kept of `corinfomax compare`.
COMPARISONS = HERE / "comparisons"

#: What is kept of runs, under version control; and where they work, with checkpoints, which is not.
KEPT, WORKING = HERE / "runs", HERE.parent / "runs" / "results"

#: Beside the files of a run that are kept: why it failed, if it did.
FAILURE = "failed.txt"


@dataclass(frozen=True)
class Run:
    """One training run: an experiment and a seed.

    Parameters
    ----------
    experiment, preset : str
        Name of the experiment; preset, or parameter file in this folder, that it starts from.
    seed, epochs : int
    settings : tuple of str
        As for ``corinfomax train --set``, without seed and epochs.
    diverges : bool
        Whether divergence is the expected result.
    """

    experiment: str
    preset: str
    seed: int
    epochs: int
    settings: tuple[str, ...] = ()
    diverges: bool = False

    @property
    def name(self) -> str:
        """What one calls it on the command line."""
        return f"{self.experiment}_seed{self.seed}"

    @property
    def all_settings(self) -> list[str]:
        """Settings, with seed and epochs."""
        return [*self.settings, f"seed={self.seed}", f"epochs={self.epochs}"]

    def kept(self, root: Path = KEPT) -> Path:
        """Folder of what is kept of it."""
        return root / self.experiment / f"seed_{self.seed}"


@dataclass(frozen=True)
class Experiment:
    """Runs that differ in nothing but the seed, and perhaps in length.

    Parameters
    ----------
    name, title : str
    runs : tuple of Run
    published : str, optional
        Task of ``published.toml`` to compare it with.
    note : str
        Stands below its table.
    notes : dict of int to str
        Epoch → explanation of that row.
    comparison : str, optional
        Folder in ``comparisons/`` that has the courses of these runs, which `corinfomax compare` has trained.
    """

    name: str
    title: str
    runs: tuple[Run, ...]
    published: str | None = None
    note: str = ""
    notes: dict[int, str] = field(default_factory=dict)
    comparison: str | None = None


@dataclass(frozen=True)
class Ablation:
    """Experiments that differ in one quantity.

    Parameters
    ----------
    name, title, quantity : str
    points : dict of float to Experiment
        By the quantity's value.
    epochs : int
        After which they are compared.
    published : tuple of str
        Ablations of ``published.toml`` that stand beside it.
    note : str
    """

    name: str
    title: str
    quantity: str
    points: dict[float, Experiment]
    epochs: int
    published: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Experiments:
    """All of them: those that stand alone, and ablations.

    Parameters
    ----------
    alone : dict of str to Experiment
    ablations : dict of str to Ablation
    """

    alone: dict[str, Experiment]
    ablations: dict[str, Ablation]

    @property
    def runs(self) -> list[Run]:
        """Every run once, in the order of the list."""
        experiments = [each for each in self.alone.values() if each.comparison is None]
        experiments += [point for ablation in self.ablations.values() for point in ablation.points.values()]
        return list(dict.fromkeys(run for experiment in experiments for run in experiment.runs))


def read_experiments(path: Path = LIST) -> Experiments:
    """Read the list of experiments.

    Parameters
    ----------
    path : Path
        A file as ``experiments.toml``.

    Raises
    ------
    KeyError
        A point names a run that the file does not have, or a needed key is missing.
    """
    values = read_toml(path)
    alone = {name: _experiment(name, keys) for name, keys in values.get("experiments", {}).items()}
    ablations = {}
    for name, keys in values.get("ablations", {}).items():
        points = {}
        for point in keys["points"]:
            x = point["x"]
            shared = {key: keys[key] for key in ("preset", "seeds", "epochs")}
            named = alone[point["run"]] if "run" in point else _experiment(f"{name}_{x:g}", {**shared, **point})
            points[x] = named
        ablations[name] = Ablation(
            name,
            keys.get("title", name),
            keys["quantity"],
            points,
            keys["epochs"],
            tuple(keys.get("published", ())),
            keys.get("note", ""),
        )
    return Experiments(alone, ablations)


def read_toml(path: Path) -> dict:
    """Read a TOML file."""
    return loads(path.read_text(encoding="utf-8"))


def _experiment(name: str, keys: dict) -> Experiment:
    longer = {int(seed): epochs for seed, epochs in keys.get("longer", {}).items()}
    settings, diverges = tuple(keys.get("settings", ())), keys.get("diverges", False)
    preset = str(HERE / keys["preset"]) if keys["preset"].endswith(".toml") else keys["preset"]
    runs = tuple(
        Run(name, preset, seed, longer.get(seed, keys["epochs"]), settings, diverges) for seed in keys["seeds"]
    )
    notes = {int(epoch): text for epoch, text in keys.get("notes", {}).items()}
    return Experiment(
        name,
        keys.get("title", name),
        runs,
        keys.get("published"),
        keys.get("note", ""),
        notes,
        keys.get("comparison"),
    )
