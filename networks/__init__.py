"""Circuits: populations of cells, projections between them, and the rules by which their weights learn."""

from .circuit import Circuit, Plasticity
from .conventions import CONVENTIONS, Convention
from .corinfomax import CorInfoMax
from .optimisers import GradientStep, LearningRate
from .plasticity import Contrast, FeedbackRule, ForwardRule, LateralRule, OuterProducts, PhaseEnd
from .population import Population, PopulationSpec
from .projection import Projection

__all__ = [
    "CONVENTIONS",
    "Circuit",
    "Contrast",
    "Convention",
    "CorInfoMax",
    "FeedbackRule",
    "ForwardRule",
    "GradientStep",
    "LateralRule",
    "LearningRate",
    "OuterProducts",
    "PhaseEnd",
    "Plasticity",
    "Population",
    "PopulationSpec",
    "Projection",
]
