"""Recordings as xarray has arrays: with named axes, and labels on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ParameterError
from .series import PopulationTraces

if TYPE_CHECKING:
    import xarray


def labelled(traces, group: PopulationTraces, variables: Sequence[str] | None = None) -> xarray.Dataset:
    """Label what was recorded of a population at one cadence; see `Traces.to_xarray`."""
    xarray = require_xarray()
    names = list(group.traces if variables is None else variables)
    if traces.version < 3:  # whose axes have no names in the file
        axes = ("time", "replica", "cell")
        told = {name: {"units": trace.unit, "long_name": trace.meaning or name} for name, trace in group.traces.items()}
        arrays = {name: (axes, group.traces[name][:], told[name]) for name in names}
        found = xarray.Dataset(arrays, {"time": group.time, "replica": group.replicas, "cell": group.cells})
    else:
        found = xarray.open_dataset(traces.path, engine="h5netcdf", group=group.place, decode_times=False)[names]
        found.attrs.clear()
    trial = traces.phases["trial"].to_numpy()[group.phase]
    rows = traces.rows_of_trials(trial)
    units = {"time": "s", "s": "1", "beta": "1"}
    labels = {
        "s": ("time", group.s),
        "trial": ("time", trial),
        "phase": ("time", traces.phases["name"].astype(str).to_numpy()[group.phase].astype(str)),
        "beta": ("time", group.beta),
        **{name: (("time", "replica"), values[:, group.replicas]) for name, values in rows.items()},
    }
    found = found.assign_coords(labels).assign_attrs(
        population=group.population, layer=group.layer, cell_type=group.cell_type, every=group.every
    )
    if traces.class_names is not None:
        found["label"].attrs["names"] = traces.class_names
    for name, unit in units.items():
        found[name].attrs["units"] = unit
    return found


def tree(traces) -> xarray.DataTree:
    """Label all that was recorded of populations, and their spikes."""
    xarray = require_xarray()
    found = {group.name: labelled(traces, group) for group in traces.groups}
    spikes = {f"spikes/{name}": trains.to_xarray() for name, trains in traces.spikes.items()}
    return xarray.DataTree.from_dict(found | spikes)


def require_xarray():
    """Return xarray, or raise a `ParameterError` that says how to install it."""
    try:
        import h5netcdf  # noqa: F401
        import xarray
    except ImportError:
        raise ParameterError('to_xarray needs xarray and h5netcdf: pip install "corinfomax[xarray]"') from None
    return xarray
