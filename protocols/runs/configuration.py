"""Parameter files: TOML, validated against the signatures of what they configure.

A file has four sections. ``[circuit]`` holds the parameters of the circuit that its `model` names, ``[protocol]``
those of its `form`: for CorInfoMax ``"contrastive"``, the published free and nudge phase, or ``"phases"``, any phases
whatever, each a table ``[[protocol.phases]]``; models without dynamics have no such section. ``[stimuli]`` and
``[training]`` are those of `sections`. No key stands in two sections, so that ``--set epochs=5`` needs no section.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
from pydantic import ValidationError

from ...errors import ParameterError, nearest
from ...networks.trainable import Trainable
from ...parameters import AUTO, SIZES, describe, played_by
from ...progress import progress_bar
from ...stimuli.stimuli import Stimuli
from ..clockwork.provenance import Provenance, note_provenance
from ..linear_algebra import fastest_threads
from ..memory import check_weights
from ..systems import Learner, Model, model_named
from . import completion, paths, reading
from .fitting import fitting_stimuli
from .loading import KEPT, StimulusSource
from .sections import CHOICES, IMMATERIAL, StimuliSection, TrainingSection, choices, schemas
from .trust import check_trusted, is_run_folder

if TYPE_CHECKING:
    from ..clockwork.protocol import Protocol


class Configuration:
    """A complete, validated set of parameters.

    Parameters
    ----------
    values : dict of str to dict
        Sections of keys; what is missing takes its default.
    source : str
        What error messages name: a file or a preset.
    loaded_from : StimulusSource, optional
        What the stimuli are loaded from; that of another configuration, so that they are not loaded twice.

    Attributes
    ----------
    stimuli : StimuliSection
    training : TrainingSection
    model : str
        Which circuit; `entry` is what the registry has of it.
    form : str or None
        Which form of protocol, if the model has protocols.
    circuit, protocol : BaseModel
        Sections built from the signatures of that circuit and that form; without protocols there is no second.
    choices : tuple of str
        A line for each thing that a file left to the stimuli.

    Raises
    ------
    ParameterError
        In one line, for the first key that is unknown, mistyped or out of range.
    """

    def __init__(
        self,
        values: dict[str, dict[str, Any]],
        source: str = "configuration",
        loaded_from: StimulusSource | None = None,
    ):
        self.source, self.choices = source, ()
        self.loaded_from = StimulusSource() if loaded_from is None else loaded_from
        values = {section: dict(keys) for section, keys in values.items()}
        self.model, self.form = choices(values, source)
        self._schemas = schemas(self.model, self.form)
        for section, key in CHOICES:
            if section in self._schemas:
                values.get(section, {}).pop(key, None)
        for section in values:
            if section not in self._schemas:
                raise ParameterError(f"{source}: unknown section [{section}]; allowed: {', '.join(self._schemas)}")
        checked = {}
        for section, schema in self._schemas.items():
            keys = values.get(section, {})
            for key in keys:
                if key not in schema.model_fields:
                    raise ParameterError(
                        f"{source}: unknown key {key!r} in [{section}]; {nearest(key, schema.model_fields)}"
                    )
            try:
                checked[section] = schema(**keys)
            except ValidationError as error:
                raise ParameterError(describe(error, f"{source}, [{section}]")) from None
        self.stimuli: StimuliSection = checked["stimuli"]
        self.training: TrainingSection = checked["training"]
        self.circuit, self.protocol = checked["circuit"], checked.get("protocol")
        try:
            self.to_toml().encode()
        except UnicodeEncodeError as error:
            raise ParameterError(f"{source}: {error.object[error.start - 20 : error.end + 20]!r} is no text") from None
        self.build_protocol()  # only the protocol itself can tell whether its keys fit each other

    @classmethod
    def read(
        cls,
        source: str | Path | None = None,
        settings: Sequence[str] | Mapping[str, Any] = (),
        trust: bool = False,
        folder: Path | None = None,
    ) -> Configuration:
        """Read a preset or a TOML file, with single keys set otherwise; what they leave to the stimuli is chosen.

        Parameters
        ----------
        source : str or Path, optional
            Name of a preset, or path of a file that ends in ``.toml``. By default "digits"; where the stimuli are set
            to those of an ``.npz`` file, "own".
        settings : sequence of str, or mapping of str to object
            ``key=value`` or ``section.key=value``, the value as in TOML; bare words are strings, and numbers may
            begin or end with their point, ``.3``, ``[1., .5]``. Or values by key, as in Python.
        trust : bool, default False
            Whether code in run folders may be imported.
        folder : Path, optional
            Run folder that the file is the configuration of: without trust it names no files with code at all.

        Raises
        ------
        RunError
            For code that is not trusted, before it is imported.
        """
        pairs = reading.settings_of(settings)
        source, _ = reading.preset_of(source, pairs)
        values = reading.read(source)
        how = "settings" if isinstance(settings, Mapping) else "--set"
        name = f"{source} with {how}" if settings else str(source)
        owner = {key: section for section, key in CHOICES}
        reading.apply((pair for pair in pairs if pair[0].rpartition(".")[2] in owner), owner, values)
        for place in (Path(source).parent, Path.cwd()):
            paths.make_model_absolute(values, place)
        if not trust:
            check_trusted(filter(_is_reference, [values.get("circuit", {}).get("model")]), name, folder)
        model, form = choices(values, name)
        found = schemas(model, form)
        paths.make_absolute(values, found, Path(source).parent)
        owner |= {key: section for section, schema in found.items() for key in schema.model_fields}
        reading.apply(pairs, owner, values)
        paths.make_absolute(values, found, Path.cwd())
        given = {key.rpartition(".")[2] for key, _, _ in pairs}
        if source == reading.OWN_PRESET:
            completion.spread_over_depth(values["circuit"], given)
        lines = completion.take_scale_anew(values.get("stimuli", {}), given, str(source)) if folder is None else []
        if not trust:
            check_trusted(paths.references(values, found), name, folder)
        loaded_from = _named_as_kept(values, Path(source).parent, folder)
        # What a run was made of does not change.
        if folder is not None:
            configuration, configuration.choices = cls._with_threads(values, name, loaded_from)
            return configuration
        configuration = cls._completed(values, found, model, name, loaded_from)
        configuration.choices = (*lines, *configuration.choices)
        return configuration

    @classmethod
    def _completed(
        cls, values: paths.Sections, found: paths.Schemas, model: str, name: str, loaded_from: StimulusSource
    ) -> Configuration:
        """Enter what the stimuli decide; see `completion`."""
        try:
            lines = completion.complete(values, found, model, loaded_from)
        except ParameterError as error:
            raise ParameterError(f"{name}: {error}") from None
        entry = model_named(model)
        left_open = completion.take_provisional(values["circuit"], entry.choices)
        configuration, told = cls._with_threads(values, name, loaded_from)
        lines += told
        for key, value in left_open.items():
            stimuli, circuit = configuration.load_stimuli(), configuration.build_circuit()
            with progress_bar(show=False):
                values["circuit"][key] = entry.choices[key](circuit, configuration.build_protocol(), stimuli, value)
            configuration = cls(values, name, loaded_from)
            lines.append(f"{key} = {values['circuit'][key]}: chosen by the stimuli.")
        configuration.choices = tuple(lines)
        return configuration

    @classmethod
    def _with_threads(
        cls, values: paths.Sections, name: str, loaded_from: StimulusSource
    ) -> tuple[Configuration, tuple[str, ...]]:
        """Choose the threads of the linear algebra where the file leaves it to the machine, and say which."""
        training = values.get("training", {})
        if training.get("blas_threads") != AUTO:
            return cls(values, name, loaded_from), ()
        training["blas_threads"] = 1
        configuration = cls(values, name, loaded_from)
        circuit = configuration.build_circuit()
        circuit.astype(configuration.training.dtype)
        weights = (array for arrays in circuit.weights.values() for array in arrays.values())
        training["blas_threads"] = fastest_threads(weights, configuration.training.batch_size)
        line = f"blas_threads = {training['blas_threads']}: chosen by the time that products take on this machine."
        return cls(values, name, loaded_from), (line,)

    def __reduce__(self):
        return Configuration.from_toml, (self.to_toml(), self.source, self.loaded_from)

    @classmethod
    def from_toml(
        cls, text: str, source: str = "configuration", loaded_from: StimulusSource | None = None
    ) -> Configuration:
        """Read what `to_toml` gave."""
        return cls(reading.sections(text, source), source, loaded_from)

    def with_seed(self, seed: int) -> Configuration:
        """Return the same configuration with another seed, and the same stimuli in memory."""
        values = self.to_dict()
        values["training"]["seed"] = seed
        return Configuration(values, self.source, self.loaded_from)

    @property
    def entry(self) -> Model:
        """What the registry has of the model."""
        return model_named(self.model)

    def check_dynamics(self, purpose: str):
        """Raise a `ParameterError` if nothing moves in this model, so that there is nothing to record or perturb."""
        if not self.entry.protocols:
            raise ParameterError(f"{self.source}: {self.model} has no cells in time to {purpose}")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return all sections with every key resolved; what is None is left out."""
        chosen = {"circuit": {"model": self.model}, "protocol": {"form": self.form}}
        return {
            section: {**chosen.get(section, {}), **getattr(self, section).model_dump(exclude_none=True)}
            for section in self._schemas
        }

    def difference(self, other: Configuration) -> tuple[str, Any, Any] | None:
        """Find the first key that another configuration has another value of: key, own and other value.

        Keys that do not decide about results are passed over (`sections.IMMATERIAL`); None if nothing differs.
        """
        own, theirs = self.beside_modules(), other.beside_modules()
        for section, keys in own.items():
            there = theirs.get(section, {})
            for key in dict.fromkeys((*keys, *there)):
                if key not in IMMATERIAL and keys.get(key) != there.get(key):
                    return key, keys.get(key), there.get(key)
        return None

    def to_toml(self) -> str:
        """Return the resolved configuration as a parameter file."""
        return tomli_w.dumps(self.to_dict())

    @property
    def references(self) -> list[str]:
        """Code of one's own, ``"path/module.py:NAME"`` or ``"module:NAME"``, the model's among it."""
        return paths.references(self.to_dict(), self._schemas)

    @property
    def modules(self) -> list[Path]:
        """Files of the modules with code of one's own."""
        return paths.modules(self.to_dict(), self._schemas)

    def beside_modules(self) -> dict[str, dict[str, Any]]:
        """Return all sections for a folder that the `modules` lie in, too: these are named without their folders."""
        return paths.by_name(self.to_dict(), self._schemas)

    def load_stimuli(self) -> Stimuli:
        """Load the stimuli, normalise and split them if asked to, and check that they fit the model.

        They are loaded once, by this configuration and by those that it is made of.
        """
        section, dtype = self.stimuli, self.training.dtype
        sizes = [getattr(self.circuit, key) for key in played_by(type(self.circuit), SIZES)]
        return self.loaded_from.fitted(
            (section.model_dump_json(), self.model, str(sizes), dtype),
            lambda: fitting_stimuli(section, self.model, self.circuit, dtype, self.source, self.loaded_from),
        )

    def build_circuit(self) -> Trainable:
        """Build the circuit, with its initial weights."""
        given = {**self.circuit.model_dump(), "seed": self.training.seed}
        if "dtype" in inspect.signature(self.entry.trainable).parameters:
            given["dtype"] = self.training.dtype
        try:
            for key in played_by(type(self.circuit), SIZES):
                check_weights(
                    lambda small, key=key: self.entry.trainable(**given | {key: small}), given[key] or (), key
                )
            circuit = self.entry.trainable(**given)
        except ParameterError as error:
            raise ParameterError(f"{self.source}, [circuit]: {error}") from None
        except (MemoryError, ValueError) as error:  # NumPy's, for layers that no memory holds
            raise ParameterError(f"{self.source}, [circuit]: cannot be built ({error})") from None
        note_provenance(circuit, Provenance(parameters=self.to_toml()))
        return circuit

    def build_protocol(self) -> Protocol | None:
        """Build the protocol of one presentation; None of a model without protocols."""
        if self.form is None:
            return None
        try:
            return self.entry.protocols[self.form](**self.protocol.model_dump())
        except ParameterError as error:
            raise ParameterError(f"{self.source}, [protocol]: {error}") from None

    def build_learner(
        self, circuit: Trainable, replicas: int, protocol: Protocol | None, train: bool = False
    ) -> Learner:
        """Mount a circuit of this configuration: what experiments, or a training run, present stimuli to."""
        training = self.training
        return self.entry.mount(
            circuit,
            replicas,
            protocol=protocol,
            dtype=np.dtype(training.dtype),
            target=training.target,
            blas_threads=training.blas_threads,
            training=train,
        )


def _named_as_kept(values: paths.Sections, beside: Path, folder: Path | None) -> StimulusSource:
    """Name stimuli that are in memory, or in the run folder of the configuration, as such a folder keeps them."""
    section = values.get("stimuli", {})
    found = section.get("stimuli")
    if isinstance(found, str):
        in_run = found == os.path.abspath(beside / KEPT) and (folder is not None or is_run_folder(beside))
        found = Path(found) if in_run else None
    if not isinstance(found, Stimuli | Path):
        return StimulusSource()
    section["stimuli"] = KEPT
    return StimulusSource(found)


def _is_reference(model: Any) -> bool:
    return isinstance(model, str) and ":" in model
