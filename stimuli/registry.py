"""Stimulus sets by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ParameterError, StimulusError, meant
from .bundled import diabetes, digits
from .cifar import cifar10, cifar100
from .idx_sets import fashion_mnist, mnist
from .npz import load_npz
from .stimuli import Stimuli
from .synthetic import subspace

Loader = Callable[[Path | None], Stimuli]

BUILT_IN: dict[str, Loader] = {
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "diabetes": diabetes,
    "subspace": subspace,
}
#: What to cite for a set: keys of references in ``CITATION.cff``, or BibTeX entries.
CITATIONS: dict[str, tuple[str, ...]] = {
    "digits": ("Alpaydin1998", "Pedregosa2011"),
    "mnist": ("LeCun1998",),
    "fashion_mnist": ("Xiao2017",),
    "cifar10": ("Krizhevsky2009",),
    "cifar100": ("Krizhevsky2009",),
    "diabetes": ("Efron2004", "Pedregosa2011"),
    "subspace": ("Pehlevan2018",),
}
_registered: dict[str, Loader] = {}


def available() -> tuple[str, ...]:
    """Names that `load_stimuli` knows: the built-in sets, then the registered ones."""
    return (*BUILT_IN, *_registered)


def citations_of(name: str) -> tuple[str, ...]:
    """What to cite for a set, as keys or BibTeX entries; nothing for files, of which nobody but their owner knows."""
    return CITATIONS.get(name, ())


def register(name: str, loader: Loader, citations: Sequence[str] = ()) -> None:
    """Make a stimulus set of your own known to `load_stimuli`, until Python ends.

    Parameters
    ----------
    name : str
        Any but a built-in set's; must not end in ".npz". A name registered before gets the new loader.
    loader : callable
        Takes the data folder (Path, or None if none was given) and returns a `Stimuli`.
    citations : sequence of str, optional
        What `corinfomax.cite` gives for the set: BibTeX entries, or keys of references in ``CITATION.cff``.

    Raises
    ------
    ParameterError
        A name that is taken or not allowed, or a loader that cannot be called.
    """
    if not isinstance(name, str) or not name or name.endswith(".npz") or name in BUILT_IN:
        raise ParameterError(
            f"stimuli: {name!r} cannot be registered; allowed are names that do not end in .npz, "
            f"except {', '.join(BUILT_IN)}"
        )
    if not callable(loader):
        raise ParameterError(f"stimuli: the loader of {name!r} is a {type(loader).__name__}; allowed is a function")
    _registered[name], CITATIONS[name] = loader, tuple(citations)


def load_stimuli(name: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> Stimuli:
    """Load a stimulus set.

    Parameters
    ----------
    name : str or path
        One of `available()`, or the path of a .npz file (its keys: see `load_npz`).
    data : path, optional
        Folder of the sets that do not come with the package: mnist, fashion_mnist, cifar10 and cifar100; by default
        the environment variable `CORINFOMAX_DATA`, else they are downloaded once. Registered loaders get it too;
        digits, diabetes, subspace and .npz files do not look at it.

    Returns
    -------
    Stimuli

    Raises
    ------
    ParameterError
        An unknown name, or a registered loader that returns something else.
    StimulusError
        A set that cannot be found, downloaded or read.
    """
    if not isinstance(name, str | os.PathLike):
        raise ParameterError(f"stimuli: {name!r} is not a name; {_allowed()}")
    try:
        return _loaded(os.fspath(name), data)
    except OSError as error:  # of folders that may not be looked into, and of registered loaders
        raise StimulusError(f"{error.filename or name}: cannot be read ({error.strerror or error})") from None


def _loaded(name: str, data: str | os.PathLike[str] | None) -> Stimuli:
    if name.endswith(".npz"):
        return load_npz(Path(os.path.expanduser(name)))
    loader = BUILT_IN.get(name) or _registered.get(name)
    if loader is None:
        if Path(name).suffix or os.path.exists(name):
            raise ParameterError(
                f"stimuli: {name!r} is no .npz file; save arrays as numpy.savez('mine.npz', x=x, y=y), with a row of x "
                "for each stimulus and y its label or target"
            )
        raise ParameterError(f"stimuli: {name!r} is unknown; {meant(name, available())}{_allowed()}")
    stimuli = loader(None if data is None else Path(os.path.expanduser(data)))
    if not isinstance(stimuli, Stimuli):
        raise ParameterError(f"stimuli: the loader of {name!r} returned a {type(stimuli).__name__}; allowed is Stimuli")
    return stimuli


def _allowed() -> str:
    return f"allowed are {', '.join(available())}, and the path of a .npz file"
