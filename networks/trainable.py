"""What every learner has: weights by layer, and the plasticity that moves them. It knows no time and no data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DivergenceError, ParameterError
from ..summary import Summarised, Summary, Table, shape_of
from .initial import Fresh
from .plasticity import Change, DenseChange, OuterProducts, Plasticity, Readout, Weights
from .schedules import Progress
from .states import Layers, PhaseEnd


class Trainable(Summarised):
    """Weights by layer, and the rules by which they learn.

    Parameters
    ----------
    weights : dict of str to dict of int to ndarray
        By name and number, as in the papers: ``W_ff[k]`` and ``W_fb[k]`` belong to the pair of layers k and k + 1;
        ``B[k]``, ``D[k]``, ``O[k]``, ``M[k]`` and biases ``b[k]`` to layer k ≥ 1.
    sizes : sequence of int
        Numbers of units of the layers 0 (the stimulus), …, P (the output).
    plasticity : sequence of Plasticity
        Several rules may move the same weights.
    double_precision : sequence of str
        Weights that stay in float64 whatever the activity's type.
    derived : sequence of str
        Weights that `refresh` computes from others, and that a checkpoint therefore leaves out.

    Attributes
    ----------
    dtype, made_in : dtype
        Floating-point type of the weights, and that in which they were made.
    progress : Progress
        Epochs and presentations that are done; learning rates follow it.
    prediction : str, default "r"
        Variable of the output layer that is its prediction.
    frozen : set of (str, int)
        Weights whose rule rests for now, such as ``("W_fb", 1)``.
    lesions : dict of (str, int) to ndarray of bool
        Synapses that are no more, as masks of the weights' shape: `renew` keeps them at 0.
    rounded : dict of (str, int) to callable
        Weights that have few values: `renew` calls ``round(weights, progress)``, which rounds them in place.
    provenance : object or None
        Where the weights come from, as whoever made them notes it; nothing here reads it.
    changes : dict of (str, int) to Change
        ΔW that the rules found last, before the optimisers applied it, by the weights they move; 0 of those that were
        frozen. None of rules that were interrupted while they looked for it.
    """

    prediction = "r"

    def __init__(
        self,
        *,
        weights: Weights,
        sizes: Sequence[int],
        plasticity: Sequence[Plasticity] = (),
        double_precision: Sequence[str] = (),
        derived: Sequence[str] = (),
    ):
        self.weights = _owned(weights)
        self.sizes = tuple(int(size) for size in sizes)
        self.plasticity = tuple(plasticity)
        self.double_precision, self.derived = tuple(double_precision), tuple(derived)
        self.made_in = weights.dtype if isinstance(weights, Fresh) else np.dtype(np.float64)
        self.dtype = self.made_in
        self._shapes = {key: {k: array.shape for k, array in arrays.items()} for key, arrays in self.weights.items()}
        for rule in self.plasticity:
            key, k = rule.target
            if k not in self.weights.get(key, {}):
                there = ", ".join(f"{name}[{n}]" for name, n in self.learnt)
                raise ParameterError(f"{rule}: there are no such weights; there are {there}")
        self.progress = Progress()
        self.provenance: object = None
        self.frozen: set[tuple[str, int]] = set()
        self.lesions: dict[tuple[str, int], np.ndarray] = {}
        self.rounded: dict[tuple[str, int], Callable[[np.ndarray, Progress], None]] = {}
        self.changes: dict[tuple[str, int], Change] = {}

    def __setstate__(self, state):
        """Take up a copy or a pickle; arrays that lie in a file, read-only, are copied, for learning writes to them."""
        self.__dict__.update(state)
        for arrays in (*self.weights.values(), *(vars(each.optimiser) for each in self.plasticity)):
            for name, array in arrays.items():
                if isinstance(array, np.ndarray) and not array.flags.writeable:
                    arrays[name] = np.array(array, order="K")

    def _summary(self) -> Summary:
        """Show sizes, weights and the rules that move them."""
        return Summary(self._heading(), [self._weight_table()])

    def _heading(self) -> str:
        number = sum(self.weights[key][k].size for key, k in self.learnt)
        return f"{type(self).__name__} {'-'.join(map(str, self.sizes))}: {number:,} weights, {self.dtype}"

    def _weight_table(self) -> Table:
        rules: dict[tuple[str, int], list[str]] = {}
        for each in self.plasticity:
            name = getattr(each.rule, "__qualname__", type(each.rule).__name__).rpartition(".")[2]
            rules.setdefault(each.target, []).append(name.lstrip("_"))
        rows = [
            (f"{key}[{k}]", shape_of(array), array.dtype, self._moved_by(key, k, rules))
            for key, arrays in self.weights.items()
            for k, array in arrays.items()
        ]
        return Table(("weights", "shape", "type", "moved by"), rows)

    def _moved_by(self, key: str, k: int, rules: Mapping[tuple[str, int], list[str]]) -> str:
        if key in self.derived:
            return "follow from others"
        frozen = " (frozen)" if (key, k) in self.frozen else ""
        lesioned = f" ({self.lesions[key, k].sum()} lesioned)" if (key, k) in self.lesions else ""
        return ", ".join(rules.get((key, k), ["nothing"])) + frozen + lesioned

    @property
    def output(self) -> int:
        """Index P of the output layer."""
        return len(self.sizes) - 1

    def predicted(self, states: Layers) -> np.ndarray:
        """What the output layer predicts in such states, (stimuli, outputs)."""
        return states.variables[self.prediction][self.output]

    @property
    def epoch(self) -> int:
        """Epochs that are done; whoever trains sets it."""
        return self.progress.epoch

    @epoch.setter
    def epoch(self, value: int):
        self.progress = replace(self.progress, epoch=int(value))

    @property
    def learnt(self) -> list[tuple[str, int]]:
        """Names and numbers of all weights but those that follow from others."""
        return [(key, k) for key, arrays in self.weights.items() if key not in self.derived for k in arrays]

    @property
    def targets(self) -> list[tuple[str, int]]:
        """Names and numbers of the weights that rules move."""
        return [plasticity.target for plasticity in self.plasticity]

    @np.errstate(over="ignore")  # a presentation reports, by name, what is not finite
    def astype(self, dtype):
        """Keep all weights in `dtype` from now on, but for those declared to be `double_precision`."""
        self.dtype = np.dtype(dtype)
        for key, arrays in self.weights.items():
            for k, array in arrays.items():
                kept = np.float64 if key in self.double_precision else dtype
                arrays[k] = np.asfortranarray(array, dtype=kept)
        self.renew()

    def exchange_plasticity(self, target: tuple[str, int], plasticity: Plasticity):
        """Let weights learn by another rule.

        Parameters
        ----------
        target : (str, int)
            The weights, such as ``("W_fb", 1)``.
        plasticity : Plasticity

        Raises
        ------
        ParameterError
            If no rule moves these weights now, the new one moves others, or is no `Plasticity`.
        """
        if not isinstance(plasticity, Plasticity):
            raise ParameterError(f"{target}: {plasticity!r} is no Plasticity, which has a rule and its optimiser")
        if target not in self.targets:
            raise ParameterError(f"no rule moves {target}; rules move {', '.join(map(str, self.targets))}")
        if plasticity.target != target:
            raise ParameterError(f"the optimiser of the rule for {target} moves {plasticity.target}")
        self.plasticity = tuple(plasticity if each.target == target else each for each in self.plasticity)

    def learn(
        self, states: Callable[[Readout], PhaseEnd], rules: Iterable[Plasticity] | None = None, duration: float = 1.0
    ):
        """Apply plasticity rules to what they read; every rule sees the old weights.

        Parameters
        ----------
        states : callable
            ``states(readout) -> PhaseEnd``.
        rules : iterable of Plasticity, optional
            Which of `plasticity`; all by default.
        duration : float, default 1
            Of what the rules act for: 1 for a presentation or phase, the step Δs for rules that act in every step.
        """
        rules = self.plasticity if rules is None else tuple(rules)
        moving = [rule for rule in rules if rule.target not in self.frozen]
        for rule in rules:
            self.changes.pop(rule.target, None)  # as large as the next one, which takes its place in memory
        changes = [rule.change(self.weights, *map(states, rule.readouts)) for rule in moving]
        for rule, change in zip(moving, changes, strict=True):
            rule.optimiser.step(self.weights, change, self.progress, duration)
        self.changes |= {rule.target: self._no_change(*rule.target) for rule in rules if rule.target in self.frozen}
        self.changes |= {rule.target: change for rule, change in zip(moving, changes, strict=True)}
        self.renew()

    def count_presentation(self):
        """Count a minibatch that has been learnt from."""
        self.progress = Progress(self.progress.epoch, self.progress.presentation + 1)

    def _no_change(self, key: str, k: int) -> Change:
        """ΔW = 0 of these weights, of matrices as the sum over no events."""
        W = self.weights[key][k]
        if W.ndim != 2:
            return DenseChange(np.zeros_like(W))
        return OuterProducts(*(np.empty((0, cells), W.dtype) for cells in W.shape))

    def refresh(self):
        """Compute weights that follow from others."""

    def renew(self):
        """Let weights be rounded or follow from others, and lesioned synapses be 0; after learning and before a run."""
        for (key, k), rounded in self.rounded.items():
            rounded(self.weights[key][k], self.progress)
        self._lesion()
        self.refresh()
        self._lesion()

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if there is no such system without these synapses, masks as of `lesions`."""

    def _lesion(self):
        for (key, k), mask in self.lesions.items():
            self.weights[key][k][mask] = 0

    def check_targets(self, y: np.ndarray):
        """Raise a `StimulusError` for targets (n, N_P) that cannot be learnt; all can by default."""

    def check_weights(self):
        """Raise a `ParameterError` that names weights which are missing or have got another shape or type."""
        for key, shapes in self._shapes.items():
            for k, shape in shapes.items():
                array = self.weights.get(key, {}).get(k)
                wanted = np.dtype(np.float64 if key in self.double_precision else self.dtype)
                if np.shape(array) != shape or getattr(array, "dtype", None) != wanted:
                    found = f"{getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}"
                    raise ParameterError(f"weights {key}[{k}] are {found}; must be {wanted} of shape {shape}")

    def check_finite(self):
        """Raise a `DivergenceError` that names the first weights with NaN or infinity."""
        for key, k in self.learnt:
            flat = self.weights[key][k].ravel(order="K")
            if not np.isfinite(np.dot(flat, flat)):
                raise DivergenceError(f"weights {key}[{k}] are not finite")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of everything that learning has changed, flat: ``weights/W_ff/0``, ``optimiser/B/1/accumulated``, …"""
        state = {f"weights/{key}/{k}": self.weights[key][k].copy(order="K") for key, k in self.learnt}
        for place, plasticity in self._places():
            for name, value in plasticity.optimiser.state_dict().items():
                state[place + name] = np.asarray(value)
        return state

    def _places(self) -> Iterator[tuple[str, Plasticity]]:
        """Where optimisers' states are kept; a second rule of the same weights has a place of its own."""
        for number, plasticity in enumerate(self.plasticity):
            key, k = plasticity.target
            before = self.targets[:number].count(plasticity.target)
            yield f"optimiser/{key}/{k}/" + (f"rule_{before + 1}/" if before else ""), plasticity

    def load_state_dict(self, state: Mapping[str, np.ndarray]):
        """Restore what `state_dict` gave.

        Raises
        ------
        ParameterError
            If an array is missing, of another shape or kind, or a count is negative.
        """
        for name, own in self.state_dict().items():
            found, counts = state.get(name), own.dtype.kind in "iu"
            kinds = "iu" if counts else own.dtype.kind
            if found is None or found.shape != own.shape or found.dtype.kind not in kinds:
                problem = "missing" if found is None else f"{found.dtype} of shape {found.shape}"
                raise ParameterError(f"{name} is {problem}; must be {own.dtype} of shape {own.shape}")
            if counts and (found < 0).any():
                raise ParameterError(f"{name} is {found.min()}; must not be negative")
        for key, k in self.learnt:
            self.weights[key][k][...] = state[f"weights/{key}/{k}"]
        for place, plasticity in self._places():
            names = plasticity.optimiser.state_dict()
            plasticity.optimiser.load_state_dict({name: state[place + name] for name in names})
        self.renew()


def _owned(weights: Weights) -> Weights:
    """Weights in double precision, in arrays of their own, or in those that were made for this learner, in their type.

    They are in Fortran order, so that BLAS reads Wᵀ of each drive r Wᵀ in its own order: 1.1 to 1.2 × faster.
    """
    if not isinstance(weights, Fresh):
        return {
            key: {k: np.array(W, dtype=np.float64, order="F") for k, W in Ws.items()} for key, Ws in weights.items()
        }
    # Each is let go of before the next one is brought in order.
    return {key: {k: np.asfortranarray(Ws.pop(k), weights.dtype) for k in list(Ws)} for key, Ws in weights.items()}
