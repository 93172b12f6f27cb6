"""Reports of models and runs, for readers elsewhere: tables for a paper, and a page for a browser."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "model_description": ["Section", "describe", "written"],
        "page": ["report"],
    },
)
