"""Circuits: populations of cells, projections between them, and the rules by which their weights learn."""

from .circuit import Circuit, Plasticity
from .conventions import CONVENTIONS, Convention
from .corinfomax import CorInfoMax
from .optimisers import AutapseRecursion, GradientStep, InverseRecursion, LearningRate, RegularisedInverse
from .plasticity import CorrelationRule, FeedbackRule, ForwardRule, LateralRule, OuterProducts
from .population import Population, PopulationSpec
from .projection import Projection
from .states import Contrast, Layers, PhaseEnd

__all__ = [
    "CONVENTIONS",
    "AutapseRecursion",
    "Circuit",
    "Contrast",
    "Convention",
    "CorInfoMax",
    "CorrelationRule",
    "FeedbackRule",
    "ForwardRule",
    "GradientStep",
    "InverseRecursion",
    "LateralRule",
    "Layers",
    "LearningRate",
    "OuterProducts",
    "PhaseEnd",
    "Plasticity",
    "Population",
    "PopulationSpec",
    "Projection",
    "RegularisedInverse",
]
