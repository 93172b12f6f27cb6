"""Comparisons: rules, stimuli and seeds, each trained in a run of its own, and what became of them in one table."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "comparison": ["Comparison"],
        "cost": ["Cost", "cost_of"],
        "energy": ["PRICES", "Prices", "prices"],
        "measures": ["measure", "measured"],
        "naming": ["names_of"],
        "plan": ["RULES", "Cell", "Plan"],
    },
)
