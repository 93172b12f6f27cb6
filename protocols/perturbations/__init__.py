"""Perturbations of cells and synapses: what they are, how they are put in force, and experiments with them."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "cells": ["Clamp", "Cut", "CutFeedback", "Drive", "Silence"],
        "experiment": ["Experiment", "measure", "perturb_runs", "perturb_training"],
        "files": ["KINDS", "from_toml", "from_words", "read_perturbations", "to_toml"],
        "hardware": ["Mismatch", "Quantise"],
        "intervention": ["Intervention", "perturbed"],
        "perturbation": ["CellPerturbation", "Period", "Perturbation"],
        "report": ["explanation", "performance_rows", "write_experiment", "write_inputs"],
        "synapses": ["Freeze", "Lesion"],
    },
)
