"""Stimuli as they enter the clockwork: one minibatch, checked."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ParameterError, StimulusError
from ..units import real_array, unit_of


@dataclass(frozen=True)
class Stimulus:
    """A minibatch of stimuli to present, one for each replica.

    Parameters
    ----------
    x : ndarray (n, inputs)
    y : ndarray (n, outputs), optional
        Targets; without them only the phases before the teacher are run.
    beta : float, default 1
        Signed nudging strength β.
    learn : bool, default False
        Whether plasticity follows. Only a protocol without a taught phase learns without targets.
    rows : ndarray of int (n,), optional
        Which stimuli of their set these are, for recordings.
    seed : int, optional
        Seed of the background input during the presentation. Without it Brian2's generator goes on.
    steps : tuple of int, optional
        Steps of each phase, in place of the protocol's; see `Protocol.jittered`.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    beta: float = 1.0
    learn: bool = False
    rows: np.ndarray | None = None
    seed: int | None = None
    steps: tuple[int, ...] | None = None

    def checked(self, inputs: int, outputs: int, replicas: int, dtype) -> "Stimulus":
        """Return the stimulus as arrays (n, units) of `dtype`, or say what is wrong with it.

        Raises
        ------
        StimulusError
            For shapes that do not fit, NaN or infinity.
        ParameterError
            If β is not finite, or 0 when learning.
        """
        x = as_rows("x", self.x, dtype)
        if x.ndim != 2 or x.shape[1] != inputs:
            raise StimulusError(f"x has shape {np.shape(self.x)}, must be (n, {inputs}) for this circuit")
        if not 1 <= len(x) <= replicas:
            raise StimulusError(f"x has {len(x)} stimuli; this preparation takes 1 to {replicas} (replicas)")
        if not np.isfinite(x).all():
            raise StimulusError("x contains NaN or infinity")
        if not isinstance(self.learn, bool | np.bool_):
            raise ParameterError(f"learn = {self.learn!r}: must be True or False")
        rows = self.rows if self.rows is None else np.asarray(self.rows)
        if rows is not None and (rows.shape != (len(x),) or rows.dtype.kind not in "iu" or rows.min() < 0):
            raise StimulusError(f"rows must be {len(x)} whole numbers from 0, one for each stimulus of x")
        if self.y is None:
            return replace(self, x=x, beta=1.0, rows=rows)
        y = as_rows("y", self.y, dtype)
        if y.shape != (len(x), outputs):
            raise StimulusError(f"y has shape {np.shape(self.y)}, must be ({len(x)}, {outputs}) for this x")
        if not np.isfinite(y).all():
            raise StimulusError("y contains NaN or infinity")
        if unit_of(self.beta) or not isinstance(self.beta, int | float | np.number) or not np.isfinite(self.beta):
            raise ParameterError(f"beta = {self.beta}: must be a finite number")
        if self.learn and self.beta == 0:
            raise ParameterError("beta = 0: learning divides by β; take another, or learn=False")
        return replace(self, x=x, y=y, beta=float(self.beta), rows=rows)


def as_rows(name: str, values, dtype) -> np.ndarray:
    """Return values as an array (n, units), or raise a `StimulusError` that names them."""
    try:
        found = real_array(values)
    except ValueError as error:
        raise StimulusError(f"{name} {error}") from None
    if found.dtype == dtype:
        return np.atleast_2d(found)
    with np.errstate(over="ignore"):  # what is beyond the type becomes infinite, and is refused as such
        return np.atleast_2d(found.astype(dtype))
