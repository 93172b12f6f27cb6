"""What a parameter file can name: circuits, the protocols that suit each, and what presents stimuli to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...networks import Circuit, CorInfoMax
from ..clockwork import Preparation, Protocol, contrastive
from .learner import Learner


@dataclass(frozen=True)
class Model:
    """A circuit and what goes with it.

    Parameters
    ----------
    circuit : type of Circuit
        Its annotated signature is the section ``[circuit]`` of a parameter file.
    protocols : mapping of str to callable
        By the name that ``[protocol]`` gives as `form`, the default first: the annotated signature is the rest of
        that section, the call returns a `Protocol`.
    learner : callable, default `Preparation`
        ``learner(circuit, replicas, protocol=…, dtype=…, target=…, blas_threads=…) -> Learner``.
    """

    circuit: type[Circuit]
    protocols: Mapping[str, Callable[..., Protocol]]
    learner: Callable[..., Learner] = Preparation


#: Models by the name that ``[circuit]`` gives as `model`, the default first.
MODELS = {"corinfomax": Model(CorInfoMax, {"contrastive": contrastive, "phases": Protocol})}
