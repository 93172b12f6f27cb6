"""Runs: configuration, run folder, training with checkpoints, and what is recorded of them."""

from .configuration import Configuration, presets
from .examination import examine
from .folder import RunFolder, latest_folder, new_folder
from .learner import Learner
from .lifting import unlifted_classes
from .models import MODELS, Model
from .perturbation_report import write_experiment
from .perturbing import Experiment, measure, perturb_runs, perturb_training
from .record import record, telling_cells
from .run import Run, load
from .training import Progress, Training

__all__ = [
    "MODELS",
    "Configuration",
    "Experiment",
    "Learner",
    "Model",
    "Progress",
    "Run",
    "RunFolder",
    "Training",
    "examine",
    "latest_folder",
    "load",
    "measure",
    "new_folder",
    "perturb_runs",
    "perturb_training",
    "presets",
    "record",
    "telling_cells",
    "unlifted_classes",
    "write_experiment",
]
