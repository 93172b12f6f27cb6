"""Similarity matching: circuits that find subspaces or features of their stimuli without a teacher."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "circuit": ["SimilarityMatchingCircuit"],
        "foldiak": ["FoldiakCircuit"],
        "inverse": ["InverseStep"],
        "layer": ["initial_weights"],
        "nonnegative": ["NonnegativeSimilarityMatching", "nonnegative_fixed_point"],
        "online": ["OnlineMatching"],
        "rules": ["AntiHebbianRule", "DecorrelationRule", "HebbianRule", "OjaRule", "PowerRule", "WhiteningRule"],
        "stability": ["check_spectrum", "growth_rates", "largest_ratio", "largest_step"],
    },
)
