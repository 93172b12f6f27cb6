"""Circuits: populations of cells, projections between them, and the rules by which their weights learn."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "circuit": ["Circuit"],
        "corinfomax": [
            "CONVENTIONS",
            "Convention",
            "CorInfoMax",
            "AutapseRecursion",
            "InverseRecursion",
            "RegularisedInverse",
            "CorrelationRule",
            "FeedbackRule",
            "ForwardRule",
            "LateralRule",
        ],
        "contrastive_matching": ["ContrastiveSimilarityMatching", "SimilarityRule"],
        "feedforward": ["Backpropagation", "FeedbackAlignment"],
        "equilibrium": ["ContrastiveBiasRule", "ContrastiveHebbianRule", "EquilibriumPropagation"],
        "interval": ["Interval"],
        "optimisers": ["Adam", "GradientStep", "SynapticTrace"],
        "plasticity": ["DenseChange", "OuterProducts", "Plasticity", "Readout"],
        "predictive_coding": [
            "NudgedPredictiveCoding",
            "PredictionBiasRule",
            "PredictionRule",
            "PredictiveCoding",
        ],
        "population": ["Population", "PopulationSpec"],
        "projection": ["Bias", "Projection"],
        "reciprocal_feedback": ["ReciprocalFeedback", "ReconstructionRule", "RecirculationRule"],
        "schedules": ["Constant", "EpochDecay", "InverseTime", "LinearDecay", "Progress", "Staircase"],
        "similarity_matching": [
            "AntiHebbianRule",
            "FoldiakCircuit",
            "HebbianRule",
            "NonnegativeSimilarityMatching",
            "SimilarityMatchingCircuit",
            "WhiteningRule",
        ],
        "spike_timing": ["PairRule"],
        "states": ["Layers", "PhaseEnd", "contrast"],
        "trainable": ["Trainable"],
    },
)
