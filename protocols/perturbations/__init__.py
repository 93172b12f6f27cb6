"""Perturbations of cells and synapses: what they are, and how they are put in force and taken back."""

from .cells import Clamp, Cut, CutFeedback, Drive, Silence
from .files import KINDS, from_toml, from_words, read_perturbations, to_toml
from .intervention import Intervention, perturbed
from .perturbation import CellPerturbation, Period, Perturbation
from .synapses import Freeze, Lesion

__all__ = [
    "KINDS",
    "CellPerturbation",
    "Clamp",
    "Cut",
    "CutFeedback",
    "Drive",
    "Freeze",
    "Intervention",
    "Lesion",
    "Period",
    "Perturbation",
    "Silence",
    "from_toml",
    "from_words",
    "perturbed",
    "read_perturbations",
    "to_toml",
]
