"""The CorInfoMax circuit, as its paper derives it."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "circuit": ["CorInfoMax"],
        "conventions": ["CONVENTIONS", "Convention"],
        "recursions": ["AutapseRecursion", "InverseRecursion", "RegularisedInverse"],
        "rules": ["CorrelationRule", "FeedbackRule", "ForwardRule", "LateralRule"],
    },
)
