"""All figures of a run, from the files in its folder."""

from pathlib import Path

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from ...errors import ParameterError, RunError
from ..archives import read_archive
from ..recordings import read_recording
from ..tables import read_history
from .activity import activity_histogram
from .style import publication_style
from .training import alignment, information, learning_curve
from .voltages import compartment_voltages
from .weights import receptive_fields, weight_histogram


@publication_style()
def draw_run(folder, formats=("png",)):
    """Draw a run into its folder, under `figures/`.

    A figure is left out if its source file is absent or lacks what it shows, such as the image shape.

    Parameters
    ----------
    folder : path-like
        The run folder: `history.csv`, and optionally `checkpoint.npz`, `activity.npz` and `recording.npz`.
    formats : sequence of str
        File types: "png", "pdf", "svg", …

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    ParameterError
        A format is unknown.
    RunError
        The run has no history, or one of its files is damaged.
    """
    folder = Path(folder)
    known = FigureCanvasBase.get_supported_filetypes()
    if unknown := [name for name in formats if name not in known]:
        raise ParameterError(f"draw_run: unknown format {unknown[0]}, known are {', '.join(sorted(known))}")

    sources = {
        "history.csv": lambda path: _draw_history(read_history(path.parent)),
        "checkpoint.npz": lambda path: _draw_weights(read_archive(path)),
        "activity.npz": lambda path: _draw_activity(read_archive(path)),
        "recording.npz": lambda path: {"compartment_voltages": compartment_voltages(read_recording(path), figure=Figure())},
    }
    paths = []
    for source, draw in sources.items():
        path = folder / source
        if not path.exists() and source != "history.csv":
            continue
        try:
            figures = draw(path)
        except (ParameterError, KeyError, ValueError) as error:
            raise RunError(f"{path}: cannot be drawn ({error})") from error
        paths += _save(figures, folder / "figures", formats)
    return paths
