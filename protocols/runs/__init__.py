"""Runs: configuration, run folder, training with checkpoints, and what is recorded of them."""

from .configuration import Configuration, presets
from .examination import examine
from .folder import RunFolder, latest_folder, new_folder
from .learner import Learner
from .lifting import unlifted_classes
from .models import MODELS, Model
from .record import record, telling_cells
from .run import Run, load
from .training import Progress, Training

__all__ = [
    "MODELS",
    "Configuration",
    "Learner",
    "Model",
    "Progress",
    "Run",
    "RunFolder",
    "Training",
    "examine",
    "latest_folder",
    "load",
    "new_folder",
    "presets",
    "record",
    "telling_cells",
    "unlifted_classes",
]
