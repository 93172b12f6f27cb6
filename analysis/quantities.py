"""What the columns of the history measure, and in which units."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """What a number is.

    Parameters
    ----------
    unit : str
        "1" for dimensionless numbers, fractions among them; "" where it is not known.
    meaning : str
        In words, with ``{k}`` for the number at the end of a column's name, ``{above}`` for the next one, and
        ``{part}`` for the stimuli that it is of: "train", "validation" or "test".
    """

    unit: str
    meaning: str


#: By the column's name, without the part of the set that it begins with and the number that it ends with.
QUANTITIES: dict[str, Quantity] = {
    "epoch": Quantity("1", "passes through the training stimuli"),
    "seconds": Quantity("s", "time that the epoch's training took"),
    "evaluation_seconds": Quantity("s", "time that presenting and judging the test stimuli took after it"),
    "accuracy": Quantity("1", "fraction of the {part} stimuli whose class is recognised"),
    "r_squared": Quantity("1", "coefficient of determination R² on {part} stimuli, mean over the outputs"),
    "unlearnt": Quantity("1", "classes of which training recognised no stimulus in the epoch"),
    "loss": Quantity("1", "loss on {part} stimuli, as the learner defines it"),
    "predictions_changed": Quantity("1", "fraction of the test stimuli predicted otherwise than by the control"),
    "angle": Quantity("°", "angle between the way up from layer {k} to {above} and the transposed way down"),
    "norm_ff": Quantity("1", "Frobenius norm of W_ff from layer {k} to {above}"),
    "norm_fb": Quantity("1", "Frobenius norm of W_fb from layer {above} to {k}"),
    "norm_W": Quantity("1", "Frobenius norm of W from layer {k} to {above}"),
    "norm_M": Quantity("1", "Frobenius norm of the recurrent M of layer {k}"),
    "definiteness": Quantity("1", "least eigenvalue of the lateral B of layer {k}, over the largest"),
    "definiteness_M": Quantity("1", "least eigenvalue of the recurrent M, over the largest"),
    "negative_ff": Quantity("1", "fraction of W_ff from layer {k} to {above} that inhibits, against Dale's law"),
    "negative_fb": Quantity("1", "fraction of W_fb from layer {above} to {k} that inhibits, against Dale's law"),
    "exciting_SST": Quantity("1", "fraction of the synapses of layer {k}'s SST cells that excite, against Dale's law"),
    "cmi_forward": Quantity("nat", "correlative mutual information, layer {above} predicted from layer {k}"),
    "cmi_backward": Quantity("nat", "correlative mutual information, layer {k} predicted from layer {above}"),
    "sparsity": Quantity("1", "Treves-Rolls sparsity of layer {k}: 0 all cells respond alike, 1 a single one"),
    "saturation": Quantity("1", "fraction of layer {k}'s rates that are at a bound of their domain"),
    "participation_ratio": Quantity("1", "dimensions that the rates of layer {k} span over stimuli"),
    "stuck": Quantity("1", "fraction of layer {k}'s cells that respond to all stimuli alike"),
    "excess": Quantity("1", "excess over the constraints of layer {k} that 99 % of the stimuli stay below"),
    "sst_every": Quantity("1", "steps between two renewals of the lateral current of SST cells"),
    "settling_residual": Quantity("1", "largest |τ_u du/ds| of unsaturated cells at the free phase's end"),
    "subspace_error": Quantity("1", "distance of FᵀF from the projector onto the principal subspace"),
    "objective": Quantity("1", "similarity matching's objective for the training covariance"),
    "inverse_error": Quantity("1", "‖B - A⁺‖/‖A⁺‖, A from layer {k} to {above} and B back"),
    "condition": Quantity("1", "condition number of W from layer {k} to {above}"),
    "penrose_1": Quantity("1", "‖ABA - A‖/‖A‖, A from layer {k} to {above} and B back: Penrose's first condition"),
    "penrose_2": Quantity("1", "‖BAB - B‖/‖B‖, A from layer {k} to {above} and B back: Penrose's second"),
    "penrose_3": Quantity("1", "asymmetry of AB over its norm, A from layer {k} to {above}: Penrose's third"),
    "penrose_4": Quantity("1", "asymmetry of BA over its norm, A from layer {k} to {above}: Penrose's fourth"),
    "recall": Quantity("1", "fraction of a class's test stimuli that are recognised"),
    "confusion": Quantity("1", "test stimuli of a class by the class that is predicted"),
}  # fmt: skip
_PART = re.compile(r"(train|validation|test)_(.+)")
_NUMBER = re.compile(r"(.+)_(\d+)")


def quantity(column: str, own: Mapping[str, Quantity] | None = None) -> Quantity:
    """Find what a column of the history measures.

    Parameters
    ----------
    column : str
        Such as ``"test_accuracy"`` or ``"cmi_forward_1"``.
    own : mapping of str to Quantity, optional
        A model's own, which come before those of the package.

    Returns
    -------
    Quantity
        Both "" for a column that nobody has named.
    """
    known = {**QUANTITIES, **(own or {})}
    part = _PART.fullmatch(column)
    stems = [(column, "test"), *([(part[2], part[1])] if part else [])]
    for stem, of in stems:
        if stem in known:
            return known[stem]._replace(meaning=known[stem].meaning.replace("{part}", of))
        numbered = _NUMBER.fullmatch(stem)
        if numbered and numbered[1] in known:
            unit, meaning = known[numbered[1]]
            k = int(numbered[2])
            for name, value in (("k", k), ("above", k + 1), ("part", of)):
                meaning = meaning.replace(f"{{{name}}}", str(value))
            return Quantity(unit, meaning)
    return Quantity("", "")
