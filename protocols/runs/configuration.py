"""Parameter files: TOML, validated against the signatures of what they configure.

A file has four sections. ``[circuit]`` holds the parameters of the circuit that its `model` names, ``[protocol]``
those of its `form`: ``"contrastive"``, the published free and nudge phase, or ``"phases"``, any phases whatever, each a
table ``[[protocol.phases]]``. ``[stimuli]`` and ``[training]`` hold those below. No key stands in two sections, so
that ``--set epochs=5`` needs no section.
"""

import ast
import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import ParameterError
from ...networks import Circuit
from ...networks.custom_cells import module_file
from ...parameters import Count, Finite, Positive, Seed, describe, model_of
from ...stimuli import Stimuli, load_stimuli
from ..clockwork.protocol import Protocol
from ..clockwork.provenance import Provenance, note_provenance
from .learner import Learner
from .models import MODELS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PRESET = "digits"


class StimuliSection(BaseModel):
    """``[stimuli]``: what is presented.

    Parameters
    ----------
    stimuli : str
        A built-in or registered set, or a path to an ``.npz`` file, in a parameter file relative to that file.
    data : str, optional
        Folder with data files; by default the environment variable CORINFOMAX_DATA.
    mean, std : float or list of float, optional
        The inputs are presented as (x - mean)/std: a number, one for each channel of an image, or one for each input.
    """

    model_config = ConfigDict(extra="forbid")
    stimuli: str = "digits"
    data: str | None = None
    mean: Finite | list[Finite] | None = None
    std: Positive | list[Positive] | None = None


class TrainingSection(BaseModel):
    """``[training]``: how long and how.

    Parameters
    ----------
    epochs : int, default 50
    batch_size : int, default 20
        Stimuli of one minibatch, each in a replica of its own (A1).
    seed : int, default 0
        Of initial weights, order of stimuli and signs of β, each with a stream of its own.
    dtype : {"float32", "float64"}
    target : {"auto", "cython", "numpy"}
        Brian2's code generation target.
    blas_threads : int, default 1
        Threads of the linear algebra; see `Preparation`.
    test_replicas : int, default 100
        Replicas of the preparation that test stimuli are presented to.
    """

    model_config = ConfigDict(extra="forbid")
    epochs: Count = 50
    batch_size: Count = 20
    seed: Seed = 0
    dtype: Literal["float32", "float64"] = "float32"
    target: Literal["auto", "cython", "numpy"] = "auto"
    blas_threads: Count = 1
    test_replicas: Count = 100


class Configuration:
    """A complete, validated set of parameters.

    Parameters
    ----------
    values : dict of str to dict
        Sections of keys; what is missing takes its default.
    source : str
        What error messages name: a file or a preset.

    Attributes
    ----------
    stimuli : StimuliSection
    training : TrainingSection
    model, form : str
        Which circuit, and which form of protocol.
    circuit, protocol : BaseModel
        Sections built from the signatures of that circuit and that form.

    Raises
    ------
    ParameterError
        In one line, for the first key that is unknown, mistyped or out of range.
    """

    def __init__(self, values: dict[str, dict[str, Any]], source: str = "configuration"):
        self.source = source
        values = {section: dict(keys) for section, keys in values.items()}
        self.model, self.form = _choices(values, source)
        for section, key in _CHOICES:
            values.get(section, {}).pop(key, None)
        sections = _sections(self.model, self.form)
        for section in values:
            if section not in sections:
                raise ParameterError(f"{source}: unknown section [{section}]; allowed: {', '.join(sections)}")
        checked = {}
        for section, schema in sections.items():
            keys = values.get(section, {})
            for key in keys:
                if key not in schema.model_fields:
                    raise ParameterError(
                        f"{source}: unknown key {key!r} in [{section}]; {_nearest(key, schema.model_fields)}"
                    )
            try:
                checked[section] = schema(**keys)
            except ValidationError as error:
                raise ParameterError(describe(error, f"{source}, [{section}]")) from None
        self.stimuli: StimuliSection = checked["stimuli"]
        self.training: TrainingSection = checked["training"]
        self.circuit, self.protocol = checked["circuit"], checked["protocol"]
        try:
            self.to_toml().encode()
        except UnicodeEncodeError as error:
            raise ParameterError(f"{source}: {error.object[error.start - 20 : error.end + 20]!r} is no text") from None
        self.build_protocol()  # only the protocol itself can tell whether its keys fit each other

    @classmethod
    def read(cls, source: str | Path = DEFAULT_PRESET, settings: Sequence[str] = ()) -> "Configuration":
        """Read a preset or a TOML file, with single keys set otherwise.

        Parameters
        ----------
        source : str or Path
            Name of a preset, or path of a file that ends in ``.toml``.
        settings : sequence of str
            ``key=value`` or ``section.key=value``, the value as in TOML; bare words are strings, and numbers may
            begin or end with their point, ``.3``, ``[1., .5]``.
        """
        values = _parse(source)
        _make_paths_absolute(values, Path(source).parent)
        name = f"{source} with --set" if settings else str(source)
        owner = {key: section for section, key in _CHOICES}
        pairs = [_setting(text) for text in settings]
        _apply((pair for pair in pairs if pair[0].rpartition(".")[2] in owner), owner, values)
        schemas = _sections(*_choices(values, name))
        owner |= {key: section for section, schema in schemas.items() for key in schema.model_fields}
        _apply(pairs, owner, values)
        _make_paths_absolute(values, Path.cwd())
        return cls(values, source=name)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return all sections with every key resolved; what is None is left out."""
        return {
            "stimuli": self.stimuli.model_dump(exclude_none=True),
            "circuit": {"model": self.model, **self.circuit.model_dump(exclude_none=True)},
            "protocol": {"form": self.form, **self.protocol.model_dump(exclude_none=True)},
            "training": self.training.model_dump(exclude_none=True),
        }

    def to_toml(self) -> str:
        """Return the resolved configuration as a parameter file."""
        return tomli_w.dumps(self.to_dict())

    @property
    def modules(self) -> list[Path]:
        """Files of the modules with custom cells."""
        cells = getattr(self.circuit, "cell", None) or {}
        references = cells.values() if isinstance(cells, Mapping) else [cells]
        return list(dict.fromkeys(path for path in map(module_file, references) if path is not None))

    def beside_modules(self) -> str:
        """Return the parameter file for a folder that the `modules` lie in, too."""
        values = self.to_dict()
        if "cell" in values["circuit"]:
            values["circuit"]["cell"] = by_name(values["circuit"]["cell"])
        return tomli_w.dumps(values)

    @classmethod
    def from_toml(cls, text: str, source: str = "configuration") -> "Configuration":
        """Read what `to_toml` gave."""
        return cls(_tables(text, source), source)

    def load_stimuli(self) -> Stimuli:
        """Load the stimuli, normalise them if asked to, and check that the architecture fits them."""
        stimuli = load_stimuli(self.stimuli.stimuli, data=self.stimuli.data)
        if self.stimuli.mean is not None or self.stimuli.std is not None:
            try:
                stimuli = stimuli.normalised(self.stimuli.mean, self.stimuli.std)
            except ParameterError as error:
                raise ParameterError(f"{self.source}, [stimuli]: {error}") from None
        architecture = getattr(self.circuit, "architecture", None)
        if architecture is not None and (architecture[0], architecture[-1]) != (stimuli.inputs, stimuli.outputs):
            raise ParameterError(
                f"{self.source}: architecture = {list(architecture)}: the stimuli {stimuli.name!r} have "
                f"{stimuli.inputs} inputs and {stimuli.outputs} outputs"
            )
        limit = np.finfo(self.training.dtype).max
        for name in ("x_train", "y_train", "x_test", "y_test"):
            array = getattr(stimuli, name)
            if (largest := max(array.max(), -array.min())) > limit:
                raise ParameterError(
                    f"{self.source}: dtype = {self.training.dtype} ends at {limit:.3g}; {name} of {stimuli.name!r} "
                    f"reaches {largest:.3g}"
                )
        return stimuli

    def build_circuit(self) -> Circuit:
        """Build the circuit, with its initial weights."""
        try:
            circuit = MODELS[self.model].circuit(**self.circuit.model_dump(), seed=self.training.seed)
        except ParameterError as error:
            raise ParameterError(f"{self.source}, [circuit]: {error}") from None
        except (MemoryError, ValueError) as error:  # NumPy's, for layers that no memory holds
            raise ParameterError(f"{self.source}, [circuit]: cannot be built ({error})") from None
        note_provenance(circuit, Provenance(parameters=self.to_toml()))
        return circuit

    def build_protocol(self) -> Protocol:
        """Build the protocol of one presentation."""
        try:
            return MODELS[self.model].protocols[self.form](**self.protocol.model_dump())
        except ParameterError as error:
            raise ParameterError(f"{self.source}, [protocol]: {error}") from None

    def build_learner(self, circuit: Circuit, replicas: int, protocol: Protocol) -> Learner:
        """Mount a circuit of this configuration: what training and evaluation present stimuli to."""
        training = self.training
        return MODELS[self.model].learner(
            circuit,
            replicas,
            protocol=protocol,
            dtype=np.dtype(training.dtype),
            target=training.target,
            blas_threads=training.blas_threads,
        )


#: Keys that decide which other keys their sections have.
_CHOICES = (("circuit", "model"), ("protocol", "form"))


def _choices(values: dict[str, dict[str, Any]], source: str) -> tuple[str, str]:
    """Read off model and form, the first of each by default."""

    def choose(section, key, allowed):
        chosen = values.get(section, {}).get(key, next(iter(allowed)))
        if not isinstance(chosen, str) or chosen not in allowed:
            raise ParameterError(f"{source}: {section}.{key} = {chosen!r}: must be one of {', '.join(allowed)}")
        return chosen

    model = choose("circuit", "model", MODELS)
    return model, choose("protocol", "form", MODELS[model].protocols)


def _sections(model: str, form: str) -> dict[str, type[BaseModel]]:
    return {
        "stimuli": StimuliSection,
        "circuit": model_of(MODELS[model].circuit, leave_out=("seed", "weights")),
        "protocol": model_of(MODELS[model].protocols[form]),
        "training": TrainingSection,
    }


def presets() -> dict[str, Path]:
    """Presets by name: the parameter files that come with the package."""
    folder = resources.files(__package__.rpartition(".")[0]) / "presets"
    return {Path(entry.name).stem: Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")}


def _parse(source: str | Path) -> dict[str, dict]:
    path = Path(source)
    if path.suffix != ".toml":
        known = presets()
        if str(source) not in known:
            raise ParameterError(
                f"{source}: no such preset; {_nearest(str(source), known)} (parameter files end in .toml)"
            )
        path = known[str(source)]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ParameterError(f"{source}: no such file") from None
    except OSError as error:
        raise ParameterError(f"{source}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ParameterError(f"{source}: not a text file in UTF-8 ({error})") from None
    return _tables(text, source)


def _tables(text: str, source: str | Path) -> dict[str, dict]:
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{source}: not a readable TOML file ({error})") from None
    for key, value in values.items():
        if not isinstance(value, dict):
            raise ParameterError(f"{source}: {key!r} is no section; keys stand in [stimuli], [circuit], …")
    return values


def _setting(text: str) -> tuple[str, str, str]:
    """Take ``key=value`` apart, and keep it whole for messages."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set {text}: must be key=value")
    return key.strip(), value.strip(), text


def _apply(settings: Iterable[tuple[str, str, str]], owner: dict[str, str], values: dict[str, dict]):
    """Enter settings into the sections that own their keys."""
    for key, value, text in settings:
        section, _, bare = key.rpartition(".")
        if bare not in owner:
            raise ParameterError(f"--set {text}: unknown key {key!r}; {_nearest(bare, owner)}")
        if section not in ("", owner[bare]):
            raise ParameterError(f"--set {text}: {bare!r} is a key of [{owner[bare]}], not of [{section}]")
        values.setdefault(owner[bare], {})[bare] = _value(value)


def _make_paths_absolute(values: dict[str, dict], folder: Path):
    """Let a run find its stimuli, and custom cells, from wherever it is taken up again."""
    section = values.get("stimuli", {})
    for key, value in section.items():
        if isinstance(value, str) and (key == "data" or value.endswith(".npz")):
            section[key] = os.path.abspath(folder / os.path.expanduser(value))
    circuit = values.get("circuit", {})
    if isinstance(cells := circuit.get("cell"), dict):
        circuit["cell"] = {population: _beside(reference, folder) for population, reference in cells.items()}
    elif cells is not None:
        circuit["cell"] = _beside(cells, folder)


def _beside(reference: Any, folder: Path) -> Any:
    """``module:Class`` with the path of the module, if its file stands in the folder; what is installed stays."""
    module, colon, name = str(reference).rpartition(":")
    file = module if module.endswith(".py") else f"{module}.py"
    path = Path(os.path.abspath(folder / os.path.expanduser(file)))
    return f"{path}{colon}{name}" if path.is_file() else reference


def by_name(cell: Any) -> Any:
    """Custom cells with the names of their modules' files, and not their folders."""
    if isinstance(cell, Mapping):
        return {population: by_name(reference) for population, reference in cell.items()}
    if isinstance(cell, str) and (path := module_file(cell)) is not None:
        return f"{path.name}:{cell.rpartition(':')[2]}"
    return cell


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return _numbers(text)
    return parsed["value"] if len(parsed) == 1 else text  # a line break may have begun another key


def _numbers(text: str) -> Any:
    """Read numbers and lists of them that Python can read and TOML cannot, as .3; anything else stays as it is."""
    if not re.fullmatch(r"[\d.eE+\-,\[\]\s]+", text):
        return text
    try:
        parsed = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    return text if isinstance(parsed, tuple) else parsed


def _nearest(word: str, allowed) -> str:
    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(sorted(allowed))}"
