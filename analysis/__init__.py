"""Numbers, tables and figures from arrays and run folders; nothing here simulates.

Activities are (stimuli, units). Layer 0 is the stimulus, layer P the output; W_ff^(k), of shape (N_{k+1}, N_k),
projects from layer k to k + 1, and W_fb^(k), of shape (N_k, N_{k+1}), back. Figures are in
`corinfomax.analysis.figures`.
"""

import lazy_loader as lazy

# Names are imported when they are first used: a mean needs no table, and a table no statistics.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "activity": ["participation_ratio", "saturation", "settling_residual", "stuck", "treves_rolls_sparsity"],
        "comparison": ["against_control", "over_seeds"],
        "diagnosis": ["Finding", "diagnose"],
        "information": ["cmi_backward", "cmi_forward", "cmi_joint", "ridge_predictor"],
        "learners": ["paired_difference", "summarise_learners"],
        "nwb": ["export_nwb"],
        "performance": [
            "accuracy",
            "confusion",
            "linear_regression_r_squared",
            "r_squared",
            "r_squared_by_output",
            "recall",
        ],
        "pseudoinverse": ["condition", "inverse_error", "penrose_residuals"],
        "recordings": ["LayerRecording", "Recording", "as_recording", "read_recording"],
        "spikes": ["SpikeTrains"],
        "tables": ["read_history", "summarise"],
        "traces": ["Traces", "open_traces"],
        "weights": ["angle", "definiteness"],
    },
)
