"""Runs: configuration, run folder, and training with checkpoints."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "citations": ["cite", "cited"],
        "configuration": ["Configuration"],
        "examination": ["examine", "examine_configured"],
        "folder": ["RunFolder", "claim_folder", "latest_folder", "new_folder"],
        "random_streams": ["seed_of_tests"],
        "reading": ["presets"],
        "run": ["Run", "load"],
        "session": ["begin", "complete", "last_lines", "train", "watch"],
        "training": ["Report", "Training"],
    },
)
