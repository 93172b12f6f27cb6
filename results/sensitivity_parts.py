"""Parts of the sensitivity analysis: runs whose rows are missing are computed, and kept as they end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from sensitivity_designs import effects, morris_rows, next_trial, sobol_design, values_at
from sensitivity_factors import Value
from sensitivity_trials import Trials, digits, mnist

from corinfomax.analysis.files import replacing
from corinfomax.errors import RunError

HERE = Path(__file__).parent
#: Epochs of a run of the Morris designs, and of MNIST.
EPOCHS, MNIST_EPOCHS = 5, 2
#: Factors of MNIST: those that matter most on digits.
MNIST_FACTORS = 5
#: Tuning: trials, factors, epochs, the last epochs whose mean accuracy is the score, and seeds.
TRIALS, TUNED, TUNING_EPOCHS, LAST, TUNING_SEEDS = 30, 6, 8, 3, (0, 1)
#: Presets that settings which are tuned are compared with: their own, and others.
COMPARED = {"digits": ("digits", "digits_published"), "digits_ep": ("digits_ep",)}
#: Left to the preset in tuning, for they decide what a run costs; and the seed, which is no parameter.
COSTS = ("hidden", "batch_size", "free_steps", "nudge_steps", "seed")
#: Epochs of the final test; and its seeds, on which nothing was chosen.
TEST_EPOCHS = 20
TEST_SEEDS = (10, 11, 12, 13, 14)

#: A row's place, and what computes the rest of it.
Job = tuple[dict[str, Any], Callable[[], dict[str, Any]]]


def file_of(part: str, root: Path) -> Path:
    """Where the rows of a part are kept."""
    return root / f"sensitivity_{part}.csv"


def read(part: str, root: Path = HERE) -> pd.DataFrame:
    """All rows that are kept of a part."""
    path = file_of(part, root)
    return pd.read_csv(path, dtype={"levels": str}) if path.exists() else pd.DataFrame()


def keep(part: str, row: dict[str, Any], root: Path):
    """Add a row."""
    kept = read(part, root)
    kept = pd.concat([kept, pd.DataFrame([row])]) if len(kept) else pd.DataFrame([row])
    with replacing(file_of(part, root)) as file:
        file.write(kept.to_csv(index=False, float_format="%.6g").encode())


def is_kept(kept: pd.DataFrame, place: dict[str, Any]) -> bool:
    """Whether the row of this place is there."""
    if not len(kept):
        return False
    same = pd.Series(True, kept.index)
    for column, value in place.items():
        same &= kept[column] == value
    return bool(same.any())


def screening(preset: str, root: Path) -> Iterator[Job]:
    """Runs of the Morris design around a preset."""
    trials = digits(preset)
    for place, values in morris_rows(trials.space.with_seed, trials.centre):
        yield place, lambda values=values: {**values, **trials.run(values, EPOCHS)}


def most_important(trials: Trials, number: int, root: Path, without: tuple[str, ...]) -> list[str]:
    """Names of the factors of the largest μ*."""
    rows = read(trials.preset, root)
    if not len(rows):
        raise RunError(f"{file_of(trials.preset, root)}: is missing; compute the part {trials.preset} first")
    ranked = effects(rows, trials.space.with_seed).index
    return [name for name in ranked if name not in without][:number]


def tuning(preset: str, root: Path) -> Iterator[Job]:
    """Trials of the search, over the factors that matter most but for those that decide what a run costs."""
    trials, part = digits(preset), f"tuning_{preset}"
    kept = read(part, root)
    names = [name for name in kept.columns if name in trials.centre] if len(kept) else []
    names = names or most_important(trials, TUNED, root, COSTS)
    factors = trials.space.named(names)
    for number in range(TRIALS):
        yield {"trial": number}, lambda: _tried(trials, factors, read(part, root))


def _tried(trials: Trials, factors, kept: pd.DataFrame) -> dict[str, Any]:
    names = [factor.name for factor in factors]
    scored = [(dict(zip(names, row, strict=True)), score) for *row, score in _tuples(kept, [*names, "accuracy"])]
    values = next_trial(factors, trials.centre, scored)
    runs = [trials.run({**values, "seed": seed}, TUNING_EPOCHS, LAST) for seed in TUNING_SEEDS]
    found = pd.DataFrame(runs)
    status = next((each for each in found["status"] if each != "finished"), "finished")
    beyond = bool(found["beyond_bounds"].any())
    totals = {"accuracy": found["accuracy"].mean(), "status": status, "beyond_bounds": beyond}
    return {**values, **totals, "seconds": found["seconds"].sum()}


def _tuples(rows: pd.DataFrame, names: list[str]) -> list[tuple]:
    return [] if not len(rows) else list(rows[names].itertuples(index=False, name=None))


def best(preset: str, root: Path) -> dict[str, Value]:
    """Values of the best trial of a search that is over."""
    rows = read(f"tuning_{preset}", root)
    if len(rows) < TRIALS:
        raise RunError(f"{file_of(f'tuning_{preset}', root)}: has {len(rows)} of {TRIALS} trials; compute them first")
    names = [name for name in rows.columns if name in digits(preset).centre]
    return rows.loc[rows["accuracy"].idxmax(), names].to_dict()


def tests(tuned_preset: str, root: Path) -> Iterator[Job]:
    """Tuned settings beside those of presets, on test stimuli, with all training stimuli."""
    settings = [(preset, {}) for preset in COMPARED[tuned_preset]] + [(tuned_preset, best(tuned_preset, root))]
    for preset, chosen in settings:
        trials = digits(preset, test=True)
        for seed in TEST_SEEDS:
            values = {**chosen, "seed": seed}
            place = {"preset": preset, "tuned": bool(chosen), "seed": seed}
            yield place, lambda trials=trials, values=values: trials.run(values, TEST_EPOCHS)


def filling(preset: str, root: Path, data: Path | None) -> Iterator[Job]:
    """Runs of MNIST over the factors that matter most on digits, each with a seed of its own."""
    trials = mnist(preset, data)
    names = most_important(digits(preset.replace("mnist", "digits")), MNIST_FACTORS, root, ("seed",))
    factors = trials.space.named(names)
    for number, places in enumerate(sobol_design(factors)):
        values = {**values_at(factors, places, trials.centre), "seed": number}
        yield {"number": number}, lambda values=values: {**values, **trials.run(values, MNIST_EPOCHS)}


PARTS: dict[str, Callable[[Path, Path | None], Iterator[Job]]] = {
    "digits": lambda root, data: screening("digits", root),
    "digits_ep": lambda root, data: screening("digits_ep", root),
    "tuning_digits": lambda root, data: tuning("digits", root),
    "tests_digits": lambda root, data: tests("digits", root),
    "tuning_digits_ep": lambda root, data: tuning("digits_ep", root),
    "tests_digits_ep": lambda root, data: tests("digits_ep", root),
    "mnist": lambda root, data: filling("mnist", root, data),
    "mnist_ep": lambda root, data: filling("mnist_ep", root, data),
}


def compute(part: str, root: Path = HERE, data: Path | None = None):
    """Compute the rows of a part that are missing, and keep each as it ends."""
    for place, run in PARTS[part](root, data):
        if is_kept(read(part, root), place):
            continue
        row = {**place, **run()}
        keep(part, row, root)
        typer.echo(" ".join(f"{key}={value}" for key, value in row.items()))
