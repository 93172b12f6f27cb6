"""What a configuration's stimuli are loaded from, once: a name, a file, arrays in memory, or what its run keeps."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path

from ...errors import CorInfoMaxError
from ...stimuli.npz import save_npz
from ...stimuli.registry import load_stimuli
from ...stimuli.stimuli import Stimuli

#: File of a run folder with the stimuli that a run was given in memory, and what its configuration calls them.
KEPT = "stimuli.npz"


class StimulusSource:
    """Loads the stimuli of a configuration, and of those that are made of it, no more than once.

    Parameters
    ----------
    kept : Stimuli or Path, optional
        Stimuli that a run keeps in its folder, under the name `KEPT`: as they are in memory, or the file.
    """

    def __init__(self, kept: Stimuli | Path | None = None):
        self.kept = kept
        self._raw: tuple[Hashable, Stimuli] | None = None
        self._fitted: tuple[Hashable, Stimuli] | None = None

    def __reduce__(self):
        return type(self), (self.kept,)

    def load(self, name: str, data: str | None = None) -> Stimuli:
        """Load stimuli as they come.

        Parameters
        ----------
        name, data
            As in `corinfomax.stimuli.load_stimuli`.
        """
        if name == KEPT and isinstance(self.kept, Stimuli):
            return self.kept
        if self._raw is None or self._raw[0] != (name, data):
            file = self.kept if name == KEPT and self.kept is not None else name
            self._raw = (name, data), load_stimuli(file, data=data)
        return self._raw[1]

    def fitted(self, key: Hashable, fit: Callable[[], Stimuli]) -> Stimuli:
        """Return stimuli as `fit` makes them, which is called for each key anew; what they are made of is let go."""
        if self._fitted is None or self._fitted[0] != key:
            self._fitted = key, fit()
            self._raw = None
        return self._fitted[1]

    def save(self, write: Callable[[str, Callable], object]):
        """Save what a run keeps, if anything: ``write(name, write_into)``."""
        if self.kept is not None:
            write(KEPT, lambda file: save_npz(self.load(KEPT), file))

    def is_saved(self, folder: Path) -> bool:
        """Whether a folder holds already what the run keeps."""
        if self.kept is None or not (folder / KEPT).exists():
            return False
        if self.kept == folder / KEPT:
            return True
        try:
            return load_stimuli(folder / KEPT).digest == self.load(KEPT).digest
        except CorInfoMaxError:
            return False
