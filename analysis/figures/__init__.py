"""Figures for publication; each draws data on an axis, or a figure, and returns it."""

from .activity import activity_histogram
from .animation import save_animation, settling_animation
from .circuit_diagram import circuit_diagram
from .comparison import courses, differences
from .embedding import embedding
from .oscillation import oscillation_cycle, plasticity_rate
from .perturbation import perturbation_effects, perturbed_learning
from .predictions import confusion_matrix, predicted_against_true
from .rasters import spike_raster
from .report import Album, draw_run, save_figure
from .style import publication_style
from .sweep import marginals
from .training import alignment, course, information, learning_curve, signs
from .voltages import COMPARTMENTS, compartment_voltages, layers_with_potentials
from .weights import receptive_fields, weight_histogram

__all__ = [
    "COMPARTMENTS",
    "Album",
    "activity_histogram",
    "alignment",
    "circuit_diagram",
    "compartment_voltages",
    "confusion_matrix",
    "course",
    "courses",
    "differences",
    "draw_run",
    "embedding",
    "information",
    "layers_with_potentials",
    "learning_curve",
    "marginals",
    "oscillation_cycle",
    "perturbation_effects",
    "perturbed_learning",
    "plasticity_rate",
    "predicted_against_true",
    "publication_style",
    "receptive_fields",
    "save_animation",
    "save_figure",
    "settling_animation",
    "signs",
    "spike_raster",
    "weight_histogram",
]
