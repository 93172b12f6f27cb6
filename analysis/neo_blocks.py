"""Spike trains as neo has them, for elephant and other tools that take neo's objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ParameterError

if TYPE_CHECKING:
    import neo


def neo_block(populations: Iterable[Any]) -> neo.Block:
    """Put spike trains into a block of neo: a segment for each stimulus presented, a train for each cell.

    Parameters
    ----------
    populations : iterable of SpikeTrains

    Returns
    -------
    neo.Block
        Segments bear stimulus, label, class_name, trial and replica as annotations, spike trains population, layer,
        cell_type and cell; an epoch tells the phases. Times are seconds of the recording. As in Brian2's monitors, a
        spike bears the time at which its step begins, so that those of a phase are the ones with start ≤ t < stop.

    Raises
    ------
    ParameterError
        If neo is not installed.
    """
    try:
        import neo
        import quantities as pq
    except ImportError:
        raise ParameterError('to_neo needs neo: pip install "corinfomax[neo]"') from None

    block, segments = neo.Block(name="corinfomax"), {}
    for trains in populations:
        row, dt = trains.row, trains.dt
        order = np.lexsort((trains.time, trains.cell, row))
        rows, cells, times = row[order], trains.cell[order], trains.time[order] - dt
        edges = [np.searchsorted(rows, np.arange(len(trains.trials)), side) for side in ("left", "right")]
        of_row = trains.phases["row"].to_numpy()
        for number, trial in enumerate(trains.trials.to_dict("records")):
            key = (trial["trial"], trial["replica"])
            phases = trains.phases[of_row == number]
            if phases.empty:
                continue
            if key not in segments:
                told = {name: int(trial[name]) for name in ("trial", "replica", "stimulus", "label") if name in trial}
                told["class_name"] = str(trial.get("class_name", ""))
                segments[key] = neo.Segment(name=f"presentation {key[0]}, replica {key[1]}", **told)
                start, stop = (phases[name].to_numpy(float) for name in ("start", "stop"))
                labels = phases["name"].astype(str).to_numpy()
                epoch = neo.Epoch(times=start * pq.s, durations=(stop - start) * pq.s, labels=labels, name="phases")
                segments[key].epochs.append(epoch)
            first, last = edges[0][number], edges[1][number]
            start, stop = float(phases["start"].min()), float(phases["stop"].max())
            for cell in trains.cells.tolist():
                own = slice(*(first + np.searchsorted(cells[first:last], cell, side) for side in ("left", "right")))
                train = neo.SpikeTrain(
                    np.maximum(times[own], start),  # to a rounding of it
                    units="s",
                    t_start=start,
                    t_stop=stop,
                    name=f"{trains.population}[{cell}]",
                    sampling_rate=pq.Quantity(1 / dt, "Hz"),
                    population=trains.population,
                    layer=trains.layer,
                    cell_type=trains.cell_type,
                    cell=cell,
                )
                segments[key].spiketrains.append(train)
    block.segments.extend(segments.values())
    return block
