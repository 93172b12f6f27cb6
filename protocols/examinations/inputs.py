"""Whether a circuit can tell its inputs apart: their scale, and the thresholds of the cells that see them."""

from collections.abc import Iterator

from ...analysis import Finding
from ...networks.trainable import Trainable
from ...stimuli import Stimuli
from ...stimuli.scale import off_the_scale

#: So few inputs, none of them negative, are not told apart by cells without a bias, whose thresholds are all 0.
_FEW = 20
#: What helps there.
BIAS = "take bias = true where the model has it, or inputs x and 1 - x"


def lacks_bias(circuit: Trainable, stimuli: Stimuli) -> bool:
    """Whether there is no bias where few inputs, none of them negative, make one needed."""
    few = stimuli.inputs <= _FEW and stimuli.task != "none" and stimuli.x_train.min() >= 0
    return few and "b" not in circuit.weights


def inputs(circuit: Trainable, stimuli: Stimuli) -> Iterator[Finding]:
    """Look at the scale of the inputs, and at the biases of the cells.

    Parameters
    ----------
    circuit : Trainable
    stimuli : Stimuli
        As they are presented.
    """
    if stimuli.task == "none":
        return
    x = stimuli.x_train
    advice = 'scale = "auto" brings them to the scale of rates' if off_the_scale(x) else ""
    yield Finding("Range of the inputs", f"{x.min():.3g} to {x.max():.3g}", "0 to 1", advice)
    found = f"{'with' if 'b' in circuit.weights else 'without'} bias, {stimuli.inputs} inputs"
    advice = f"all thresholds are 0, and no input is negative: {BIAS}" if lacks_bias(circuit, stimuli) else ""
    yield Finding("Thresholds of the cells", found, f"bias where there are at most {_FEW} inputs from 0", advice)
