"""Files that earlier versions wrote: how they number weights, and how they are read today.

Version 0.1.0 numbered all weights by projection, so that the B of layer 1 was ``B[0]``, beside ``W_ff[0]``. Weights of
one layer now bear the layer's number, as in the papers; W_ff[k] and W_fb[k] still belong to the pair k, k + 1.
"""

import re

import numpy as np

from ..errors import RunError

#: What a checkpoint's array `format` says; the first format has no such array.
CHECKPOINT_FORMAT = 2
#: The version that numbered by projection.
FIRST_VERSION = "0.1.0"

#: Weights that belong to one layer.
_OF_A_LAYER = ("B", "D", "O", "A", "A_T", "shunts")
_PLACE = re.compile(rf"(weights|optimiser)/({'|'.join(_OF_A_LAYER)})/(\d+)(/.*)?", flags=re.DOTALL)
#: In the parameter file of a checkpoint; version 0.1.0 always wrote it in this form.
_MODEL = re.compile(r'^model = "(.*)"$', flags=re.MULTILINE)


def by_layer(key, k):
    """Place in a circuit of the weights that version 0.1.0 called ``key[k]``.

    Parameters
    ----------
    key : str
        Such as ``"B"``.
    k : int

    Returns
    -------
    (str, int)
        The same for W_ff and W_fb; ``(key, k + 1)`` for weights of one layer.
    """
    return (key, k + 1) if key in _OF_A_LAYER else (key, k)


def numbered_by_projection(arrays, source="checkpoint"):
    """Whether the arrays of a checkpoint number the weights of one layer as version 0.1.0 did.

    Parameters
    ----------
    arrays : dict of str to ndarray
        The checkpoint.
    source : path-like, default "checkpoint"
        What errors call it.

    Returns
    -------
    bool
        False also for circuits other than CorInfoMax, whose numbers are their own.

    Raises
    ------
    RunError
        The checkpoint is of a newer format than `CHECKPOINT_FORMAT`, or `format` is no whole number from 1 on.
    """
    written = np.asarray(arrays.get("format", 1))
    if written.shape != () or written.dtype.kind not in "iu" or written < 1:
        raise RunError(f"{source}: damaged (format is no whole number from 1 on)")
    if written > CHECKPOINT_FORMAT:
        raise RunError(f"{source}: written by a newer version; this one reads format {CHECKPOINT_FORMAT}")
    model = _MODEL.search(str(arrays.get("configuration", "")))
    return bool(written < 2) and (model is None or model[1] == "corinfomax")


def converted_checkpoint(arrays, source="checkpoint"):
    """Return a checkpoint as today's version writes it.

    Parameters
    ----------
    arrays : dict of str to ndarray
        As read from the file: of today's format, or of the first, which version 0.1.0 wrote.
    source : path-like, default "checkpoint"
        What errors call it.

    Returns
    -------
    dict of str to ndarray
        The same arrays in the same order, those of B, D and O and of their optimisers under the layer's number, and
        `format`.

    Raises
    ------
    RunError
        As in `numbered_by_projection`.
    """
    renumber = numbered_by_projection(arrays, source)
    converted = {_renumbered(name) if renumber else name: array for name, array in arrays.items()}
    return converted | {"format": np.array(CHECKPOINT_FORMAT)}


def _renumbered(name):
    found = _PLACE.fullmatch(name)
    if found is None:
        return name
    kind, key, k, rest = found.groups(default="")
    return f"{kind}/{key}/{by_layer(key, int(k))[1]}{rest}"


def variables_of(group):
    """Datasets of what was recorded of a population, by name: of version 3, or of 1 and 2, which kept them apart.

    Parameters
    ----------
    group : h5py.Group

    Returns
    -------
    dict of str to h5py.Dataset
    """
    if "variables" in group:
        return dict(group["variables"].items())
    return {str(name): group[str(name)] for name in group.attrs["variables"]}


def told_of(dataset):
    """Meaning and unit of a recorded variable; versions 1 and 2 call the attributes otherwise than netCDF does.

    Parameters
    ----------
    dataset : h5py.Dataset

    Returns
    -------
    (str, str)
        The meaning is "" where it is not told.
    """
    told = dataset.attrs
    return str(told.get("long_name", told.get("meaning", ""))), str(told["units"] if "units" in told else told["unit"])


def choices_of(dataset):
    """Names that a column's numbers stand for: those of a flag, or of an enumeration in versions 1 and 2.

    Parameters
    ----------
    dataset : h5py.Dataset

    Returns
    -------
    list of str
    """
    if "names" in dataset.attrs:
        return [str(name) for name in dataset.attrs["names"]]
    import h5py

    names = h5py.check_enum_dtype(dataset.dtype)
    return sorted(names, key=names.get)
