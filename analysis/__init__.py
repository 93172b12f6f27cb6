"""Numbers, tables and figures from arrays and run folders; nothing here simulates.

Activities are (stimuli, units). Layer 0 is the stimulus, layer P the output; W_ff^(k), of shape (N_{k+1}, N_k),
projects from layer k to k + 1, and W_fb^(k), of shape (N_k, N_{k+1}), back. Figures are in
`corinfomax.analysis.figures`.
"""

from .activity import participation_ratio, saturation, settling_residual, stuck, treves_rolls_sparsity
from .comparison import against_control, over_seeds
from .diagnosis import Finding, diagnose
from .information import cmi_backward, cmi_forward, cmi_joint, ridge_predictor
from .learners import paired_difference, summarise_learners
from .nwb import export_nwb
from .performance import accuracy, confusion, linear_regression_r_squared, r_squared, r_squared_by_output, recall
from .recordings import LayerRecording, Recording, read_recording
from .tables import read_history, summarise
from .traces import Traces, open_traces
from .weights import angle, definiteness

__all__ = [
    "Finding",
    "LayerRecording",
    "Recording",
    "Traces",
    "accuracy",
    "against_control",
    "angle",
    "cmi_backward",
    "cmi_forward",
    "cmi_joint",
    "confusion",
    "definiteness",
    "diagnose",
    "export_nwb",
    "linear_regression_r_squared",
    "open_traces",
    "over_seeds",
    "paired_difference",
    "participation_ratio",
    "r_squared",
    "r_squared_by_output",
    "read_history",
    "read_recording",
    "recall",
    "ridge_predictor",
    "saturation",
    "settling_residual",
    "stuck",
    "summarise",
    "summarise_learners",
    "treves_rolls_sparsity",
]
