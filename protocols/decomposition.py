"""Similarity matching as scikit-learn's kind of decomposition: principal subspaces of streams, by local learning."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.linalg import qr
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..errors import ParameterError, StimulusError, StimulusWarning, warn_caller
from ..networks.similarity_matching.online import OnlineMatching
from ..networks.similarity_matching.stability import EXPONENTS, ROUNDING, check_spectrum
from .plain_data import plain_data

#: Of the squared length of samples, what the mean may have before data count as not centred, beside chance.
_CENTRED = 0.01
#: By how much the default rate may be larger for stimuli whose eigenvalues leave a small gap after the K-th.
_SLOWEST = 20


class SimilarityMatching(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal subspace of a stream of samples, by Hebbian and anti-Hebbian learning.

    Each sample x drives a layer y = M⁻¹W x, and both weights learn from it by local rules (Pehlevan, Sengupta &
    Chklovskii 2018). Components are those of ⟨x xᵀ⟩, which is not centred: put a
    ``StandardScaler(with_std=False)`` before it where the covariance is meant.

    Parameters
    ----------
    n_components : int, default 2
        K, at most the number of features, of samples in the first call, and their rank.
    objective : {"psp", "psw"}
        Projection, by orthonormal components in no order, which span the principal subspace; or whitening, outputs
        with ⟨y yᵀ⟩ = I.
    ratio : float, default .5
        τ, the ratio of W's to M's rate. Half is stable for any data.
    learning_rate : float, optional
        η_t = learning_rate/(learning_rate_offset + t) at sample t = 0, 1, …; by default .5/(1 - λ_{K+1}/λ_K), at most
        10, with λ of the samples of the first call. With the offset that is η_t = 1/(2t + 5) for a large gap.
    learning_rate_offset : float, optional
        By default max(5, 1/(τ λ_K)) (psp) or 20/(τ λ_K) (psw) times `learning_rate`'s default, λ of samples of length
        1: M forgets no faster than samples of its least component come.
    max_epochs : int, default 100
        Most passes of `fit` through the samples.
    tol : float, default 1e-3
        `fit` ends when what the components miss of the K largest eigenvalues of ⟨x xᵀ⟩ (psp), or the outputs of
        ⟨y yᵀ⟩ = I (psw: ‖ΔM‖/√K, ten times `tol`), is below it.
    random_state : int, RandomState or None
        Of the samples' order in `fit`. `partial_fit` takes them as they come.

    Attributes
    ----------
    components_ : ndarray (K, n)
        F = M⁻¹W, in the samples' units.
    W_, M_ : ndarray (K, n), (K, K)
        Feedforward and lateral weights, for samples divided by `scale_`.
    scale_ : float
        Root mean squared length of the samples of the first call.
    n_samples_seen_ : int
        Samples learnt from, repeated ones included.
    n_epochs_ : int
        Passes of `fit`.
    captured_variance_ratio_ : float
        Of `fit`: the mean squared length of the samples' projection on the subspace, over that of the samples.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Raises
    ------
    ParameterError
        For parameters out of range, K beyond features, samples or rank, or a τ with which learning cannot converge.
    StimulusError
        For data that are constant.
    DivergenceError
        If M does not stay positive definite.

    Warns
    -----
    StimulusWarning
        If the samples are not centred.
    ConvergenceWarning
        If `fit` ends before it is within `tol`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> x = load_digits().data
    >>> make_pipeline(StandardScaler(with_std=False), SimilarityMatching(n_components=10)).fit_transform(x).shape
    (1797, 10)
    """

    def __init__(
        self,
        n_components=2,
        *,
        objective="psp",
        ratio=0.5,
        learning_rate=None,
        learning_rate_offset=None,
        max_epochs=100,
        tol=1e-3,
        random_state=None,
    ):
        self.n_components = n_components
        self.objective = objective
        self.ratio = ratio
        self.learning_rate = learning_rate
        self.learning_rate_offset = learning_rate_offset
        self.max_epochs = max_epochs
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn from samples X (samples, features), over and over until the subspace is found; y is not read."""
        self._check_parameters()
        X = plain_data(self, X, ensure_min_samples=1)
        values = self._begin(X)
        x, rng = X / self.scale_, check_random_state(self.random_state)
        for epoch in range(self.max_epochs):
            self.matching_.learn(x[rng.permutation(len(x))])
            self.n_epochs_ = epoch + 1
            missed = self._missed(x, values)
            if missed <= self.tol:
                break
        self._end(len(x) * self.n_epochs_)
        orthonormal = np.linalg.qr(self.components_.T)[0]
        self.captured_variance_ratio_ = float(np.sum((x @ orthonormal) ** 2) / np.sum(x**2))
        if missed > self.tol:
            warn_caller(
                f"SimilarityMatching: after max_epochs = {self.max_epochs} it is {missed:.2g} off the "
                f"{self.n_components} components, above tol = {self.tol:g}; take more epochs or another "
                "learning_rate",
                ConvergenceWarning,
            )
        return self

    def partial_fit(self, X, y=None):
        """Learn from samples X (samples, features), once and in their order; the first call needs K of them."""
        self._check_parameters()
        first = not hasattr(self, "matching_")
        X = plain_data(self, X, reset=first, ensure_min_samples=1)
        if first:
            self._begin(X)
            self.n_samples_seen_ = 0
        self.matching_.learn(X / self.scale_)
        self._end(self.n_samples_seen_ + len(X))
        return self

    def transform(self, X) -> np.ndarray:
        """Outputs y = F x, (samples, K)."""
        check_is_fitted(self)
        return plain_data(self, X, reset=False) @ self.components_.T

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _check_parameters(self):
        for name in ("n_components", "max_epochs"):
            self._check(name, Integral, "a whole number from 1", lambda value: value >= 1)
        for name in ("ratio", "tol"):
            self._check(name, Real, "a number above 0", lambda value: 0 < value < np.inf)
        for name in ("learning_rate", "learning_rate_offset"):
            if getattr(self, name) is not None:
                self._check(name, Real, "a number above 0, or None", lambda value: 0 < value < np.inf)
        if self.objective not in EXPONENTS:
            raise ParameterError(f"SimilarityMatching: objective = {self.objective!r}: must be 'psp' or 'psw'")

    def _check(self, name: str, kind: type, allowed: str, holds):
        value: Any = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, kind) or not holds(value):
            raise ParameterError(f"SimilarityMatching: {name} = {value!r}: must be {allowed}")

    def _begin(self, X: np.ndarray) -> np.ndarray:
        """Check the first samples and begin with weights along K of them; their eigenvalues, those of length 1."""
        samples, features = X.shape
        K = int(self.n_components)
        for bound, what in ((features, "feature"), (samples, "sample")):
            if bound < K:
                raise ParameterError(
                    f"SimilarityMatching: n_components = {K}: must be at most {bound}, as there "
                    f"{'is' if bound == 1 else 'are'} {bound} {what}{'' if bound == 1 else 's'}"
                )
        if not np.ptp(X, axis=0).any():
            raise StimulusError(f"SimilarityMatching: all {samples} sample{'s are' if samples > 1 else ' is'} the same")
        self.scale_ = float(np.sqrt(np.mean(np.sum((X / np.abs(X).max()) ** 2, axis=1))) * np.abs(X).max())
        x = X / self.scale_
        small = x.T @ x if features <= samples else x @ x.T
        values = np.linalg.eigvalsh(small)[::-1] / samples
        values = np.pad(np.maximum(values, 0), (0, features - len(values)))
        check_spectrum(values, K, EXPONENTS[self.objective], self.ratio, "SimilarityMatching: n_components")
        length = float(np.sum(x.mean(axis=0) ** 2))
        if length > _CENTRED + 4 / samples:
            warn_caller(
                f"SimilarityMatching: X is not centred, its mean has {100 * length:.0f} % of the samples' squared "
                "length, and components are those of ⟨x xᵀ⟩; put StandardScaler(with_std=False) before it for those of "
                "the covariance",
                StimulusWarning,
            )
        self.matching_ = self._matching(x, K, values)
        return values

    def _matching(self, x: np.ndarray, K: int, values: np.ndarray) -> OnlineMatching:
        directions, triangle = np.linalg.qr(x[:K].T)
        if np.abs(np.diag(triangle)).min() <= np.sqrt(ROUNDING) * np.abs(np.diag(triangle)).max():
            directions = qr(x.T, mode="economic", pivoting=True)[0][:, :K]
        # Foreign directions fade as t^(-2 learning_rate gap): take 1/t, unless they are next to as large.
        gap = 1 - values[K] / values[K - 1] if len(values) > K else 1.0
        rate = 0.5 / max(gap, 1 / _SLOWEST)
        # M forgets at the rate η/τ: no faster than samples of the least component come (psp), or far slower (psw).
        slow = rate / (self.ratio * values[K - 1])
        offset, size = (max(5 * rate, slow), 0.01) if self.objective == "psp" else (20 * slow, 1.0)
        return OnlineMatching(
            size * directions.T,
            size * np.eye(K),
            objective=self.objective,
            ratio=float(self.ratio),
            learning_rate=float(rate if self.learning_rate is None else self.learning_rate),
            learning_rate_offset=float(offset if self.learning_rate_offset is None else self.learning_rate_offset),
        )

    def _missed(self, x: np.ndarray, values: np.ndarray) -> float:
        """What the weights are off by, relative to what K components have."""
        F, K = self.matching_.filters, int(self.n_components)
        y = x @ F.T
        if self.objective == "psw":
            white = float(np.linalg.norm(y.T @ y / len(x) - np.eye(K)) / np.sqrt(K)) / 10
        else:
            white = float(np.linalg.norm(F @ F.T - np.eye(K)) / np.sqrt(K)) / 10
        captured = float(np.sum((x @ np.linalg.qr(F.T)[0]) ** 2)) / len(x)
        return max(1 - captured / float(values[:K].sum()), white)

    def _end(self, seen: int):
        matching = self.matching_
        self.W_, self.M_ = matching.W.copy(), np.array(matching.M)
        self.components_ = matching.filters / (self.scale_ if self.objective == "psw" else 1.0)
        self.n_samples_seen_ = seen
