"""Circuits: populations of cells, projections between them, and the rules by which their weights learn."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "circuit": ["Circuit", "Plasticity"],
        "conventions": ["CONVENTIONS", "Convention"],
        "corinfomax": ["CorInfoMax"],
        "optimisers": ["AutapseRecursion", "GradientStep", "InverseRecursion", "LearningRate", "RegularisedInverse"],
        "plasticity": ["CorrelationRule", "FeedbackRule", "ForwardRule", "LateralRule", "OuterProducts"],
        "population": ["Population", "PopulationSpec"],
        "projection": ["Projection"],
        "states": ["Contrast", "Layers", "PhaseEnd"],
    },
)
