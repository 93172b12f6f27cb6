"""CorInfoMax circuits as scikit-learn's estimators: in pipelines, cross-validation and searches of parameters."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..errors import ParameterError, nearest
from ..networks.corinfomax import CorInfoMax
from ..networks.corinfomax.parameters import resolve
from ..networks.schedules import Progress
from ..parameters import annotated_signature
from ..progress import progress_bar
from ..stimuli.scale import rates_of
from ..stimuli.stimuli import Stimuli
from ..stimuli.stimulus import Stimulus
from .clockwork.preparation import Preparation
from .clockwork.protocol import Protocol, contrastive
from .plain_data import plain_data
from .runs.completion import of_depth, take_provisional
from .runs.random_streams import plan
from .runs.reading import OWN_PRESET, read
from .systems import model_named

#: What own stimuli get elsewhere: the preset for small sets of stimuli.
_OWN = read(OWN_PRESET)
#: Of the circuit's keywords, those that an estimator decides about.
_DECIDED = ("architecture", "seed")


def input_scaler(x: np.ndarray, scale: str | None) -> FunctionTransformer:
    """Make what turns inputs into rates, by the least and largest of `x` (see `rates_of`); nothing if `scale` is None.

    Parameters
    ----------
    x : ndarray (n, inputs)
        Training stimuli.
    scale : {"auto", None}
    """
    shift, width = (0.0, 1.0) if scale is None else map(np.asarray, rates_of(x))
    return FunctionTransformer(_shifted, kw_args={"shift": shift, "width": width})


def _shifted(x: np.ndarray, shift: np.ndarray, width: np.ndarray) -> np.ndarray:
    return (x - shift) / width


def target_scaler(scale: str | None) -> Any:
    """Make what turns the targets of a regression into rates between 0 and 1; nothing if `scale` is None."""
    return MinMaxScaler() if scale else FunctionTransformer()


def _with_keys_of_the_circuit(init: Callable) -> Callable:
    """Let a constructor take all keywords of `CorInfoMax`, as scikit-learn wants them: none is hidden in ``**``."""
    own = [item for item in inspect.signature(init).parameters.values() if item.kind is not item.VAR_KEYWORD]
    handed = [
        item.replace(
            kind=item.KEYWORD_ONLY,
            annotation=item.empty,
            default=_unchangeable(_OWN["circuit"].get(name, item.default)),
        )
        for name, item in annotated_signature(resolve).parameters.items()
        if name not in _DECIDED
    ]
    defaults = {item.name: item.default for item in handed}

    @functools.wraps(init)
    def wrapper(self, *args, **keywords):
        names = [item.name for item in (*own, *handed)]
        if unknown := [name for name in keywords if name not in names]:
            raise ParameterError(f"{type(self).__name__}: unknown key {unknown[0]!r}; {nearest(unknown[0], names[1:])}")
        settings = {name: keywords.pop(name, default) for name, default in defaults.items()}
        init(self, *args, **keywords)
        for name, value in settings.items():
            setattr(self, name, value)

    wrapper.__signature__ = inspect.Signature([*own, *handed])
    return wrapper


def _unchangeable(default: Any) -> Any:
    """Write a default as scikit-learn allows it: tuples for lists, None for an empty table."""
    if isinstance(default, list):
        return tuple(default)
    return None if isinstance(default, dict) else default


class _Estimator(BaseEstimator):
    """What classifier and regressor have in common."""

    @_with_keys_of_the_circuit
    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        epochs=_OWN["training"]["epochs"],
        batch_size=_OWN["training"]["batch_size"],
        beta=_OWN["protocol"]["beta"],
        protocol=None,
        scale=_OWN["stimuli"]["scale"],
        dtype=_OWN["training"]["dtype"],
        target="auto",
        random_state=None,
        verbose=False,
        **settings,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.beta = beta
        self.protocol = protocol
        self.scale = scale
        self.dtype = dtype
        self.target = target
        self.random_state = random_state
        self.verbose = verbose

    def _fit(self, X: np.ndarray, targets: np.ndarray):
        """Train a circuit on inputs (n, features) and targets (n, outputs) that are rates."""
        if self.scale not in ("auto", None):
            raise ParameterError(f"{type(self).__name__}: scale = {self.scale!r}: must be 'auto' or None")
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{type(self).__name__}: {name} = {value!r}: must be a whole number from 1")
        self.input_scaler_ = input_scaler(X, self.scale)
        x = self.input_scaler_.transform(X)
        seed = self.random_state
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        protocol = contrastive(**_OWN["protocol"] | {"beta": self.beta}) if self.protocol is None else self.protocol
        architecture = [x.shape[1], *np.atleast_1d(self.hidden_layer_sizes).tolist(), targets.shape[1]]
        self.circuit_ = self._circuit(architecture, int(seed), protocol, x)
        self.preparation_ = Preparation(
            self.circuit_,
            replicas=min(int(self.batch_size), len(x)),
            dtype=self.dtype,
            protocol=protocol,
            target=self.target,
        )
        plans = [
            plan(int(seed), epoch, len(x), self.preparation_.replicas, self.preparation_.protocol)
            for epoch in range(self.epochs)
        ]
        self.preparation_.run(_Minibatches(self.circuit_, plans, x, targets), progress=None if self.verbose else False)
        if self.preparation_.interrupted:
            raise KeyboardInterrupt
        return self

    def _circuit(self, architecture: list[int], seed: int, protocol: Protocol, x: np.ndarray) -> CorInfoMax:
        """Build the circuit, with what its keys leave to the stimuli."""
        defaults = inspect.signature(type(self)).parameters
        settings = {}
        for name in annotated_signature(resolve).parameters:
            if name not in _DECIDED:
                value = getattr(self, name)
                settings[name] = list(value) if isinstance(value, tuple) else value
                if name in _OWN["circuit"] and value == defaults[name].default:
                    settings[name] = of_depth(settings[name], len(architecture) - 1)
        settings["cell_parameters"] = settings["cell_parameters"] or {}
        choices = model_named(_OWN["circuit"]["model"]).choices
        for key, value in take_provisional(settings, choices).items():
            circuit = CorInfoMax(architecture, seed=seed, **settings)
            stimuli = Stimuli(name=type(self).__name__, x_train=x, x_test=x, task="none")
            with progress_bar(show=False):
                settings[key] = choices[key](circuit, protocol, stimuli, value)
        return CorInfoMax(architecture, seed=seed, **settings)

    def _rates(self, X) -> np.ndarray:
        """Rates of the output layer, (n, outputs), for inputs that are checked against those of `fit`."""
        check_is_fitted(self)
        X = plain_data(self, X, reset=False)
        return np.asarray(self.preparation_.predict(self.input_scaler_.transform(X)), dtype=np.float64)


class _Minibatches:
    """All epochs' minibatches, with their number; learning rates follow the epochs."""

    def __init__(self, circuit: CorInfoMax, plans: list, x: np.ndarray, targets: np.ndarray):
        self._circuit, self._plans, self._x, self._targets = circuit, plans, x, targets

    def __len__(self):
        return sum(map(len, self._plans))

    def __iter__(self) -> Iterator[Stimulus]:
        for epoch, planned in enumerate(self._plans):
            self._circuit.progress = Progress(epoch, epoch * len(planned))
            for rows, beta, seed, steps in zip(planned.rows, planned.betas, planned.seeds, planned.steps, strict=True):
                yield Stimulus(
                    self._x[rows], self._targets[rows], float(beta), learn=True, rows=rows, seed=seed, steps=steps
                )
        self._circuit.progress = Progress(len(self._plans), len(self))


_PARAMETERS = """Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (64,)
        Cells of the hidden layers.
    epochs : int, default 400
    batch_size : int, default 20
        Stimuli of one minibatch, each in a replica of its own.
    beta : float, default 2
        Nudging strength ``|β|``; its sign is drawn anew for each minibatch.
    protocol : Protocol, optional
        By default that of the preset "own", with this `beta`; another one has a β of its own.
    scale : {"auto", None}, default "auto"
        Whether inputs and targets are scaled to rates between 0 and 1, inputs as `corinfomax.stimuli.scale` does.
    dtype : {"float32", "float64"}
        Of activity and weights.
    target : {"auto", "cython", "numpy"}
        Brian2's code generation target.
    random_state : int, RandomState or None
        Of initial weights, order of stimuli and signs of β; an int is the circuit's `seed`.
    verbose : bool, default False
        Whether a bar shows how far training is.
    **settings
        All keywords of `CorInfoMax` but `architecture` and `seed`, under their names.

    Notes
    -----
    Defaults, those above among them, are those of the preset "own", as for other stimuli of one's own, or else the
    circuit's. Its learning rates are for one hidden layer; where they are kept with several, all but the output's
    weights get the first. ``initial_gain_ff = "auto"`` is chosen by the training stimuli. Where `sst_every` is not
    given the lateral current is renewed in each step, which is exact; nothing is calibrated.

    Attributes
    ----------
    circuit_ : CorInfoMax
        The trained circuit, to be recorded and perturbed as any other.
    preparation_ : Preparation
        What presents stimuli to it; inputs are those that `input_scaler_` gives.
    input_scaler_ : transformer
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Of a DataFrame whose columns are named by strings."""


def _documented(cls: type) -> type:
    """Enter what both estimators have in common into a docstring."""
    cls.__doc__ = cls.__doc__.replace("{parameters}", _PARAMETERS)
    return cls


@_documented
class CorInfoMaxClassifier(ClassifierMixin, _Estimator):
    """A CorInfoMax circuit that learns classes; each has an output cell.

    {parameters}
    classes_ : ndarray (classes,)

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> cross_val_score(CorInfoMaxClassifier(random_state=0), x, labels)
    """

    def fit(self, X, y):
        """Train on inputs X (n, features) and class labels y (n,); DataFrames and Series are welcome."""
        X, y = plain_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        return self._fit(X, np.eye(len(self.classes_))[labels])

    def predict(self, X) -> np.ndarray:
        """Class of the most active output cell, (n,)."""
        rates = self._rates(X)
        return self.classes_[rates.argmax(axis=1)]

    def decision_function(self, X) -> np.ndarray:
        """Rates of the output cells, (n, classes); of two classes the difference of their shares, (n,)."""
        rates = self._rates(X)
        return np.diff(_shares(rates))[:, 0] if rates.shape[1] == 2 else rates

    def predict_proba(self, X) -> np.ndarray:
        """Each class's share of the output cells' rates, (n, classes); even where all are silent.

        The circuit learns no probabilities: for calibrated ones see scikit-learn's ``CalibratedClassifierCV``.
        """
        return _shares(self._rates(X))


def _shares(rates: np.ndarray) -> np.ndarray:
    rates = np.maximum(rates, 0)
    total = rates.sum(axis=1, keepdims=True)
    return np.where(total > 0, rates / np.where(total > 0, total, 1), 1 / rates.shape[1])


@_documented
class CorInfoMaxRegressor(RegressorMixin, _Estimator):
    """A CorInfoMax circuit that learns numbers; each target has an output cell.

    {parameters}
    target_scaler_ : transformer
        Predictions lie between the least and the largest target of training.

    Examples
    --------
    >>> CorInfoMaxRegressor(random_state=0).fit(x_train, y_train).score(x_test, y_test)
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y):
        """Train on inputs X (n, features) and targets y (n,) or (n, targets); DataFrames and Series are welcome."""
        X, y = plain_data(self, X, y, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        y = y.reshape(len(y), -1).astype(np.float64)
        self.target_scaler_ = target_scaler(self.scale).fit(y)
        return self._fit(X, self.target_scaler_.transform(y))

    def predict(self, X) -> np.ndarray:
        """Targets, (n,) or (n, targets) as in `fit`."""
        rates = self._rates(X)
        predicted = self.target_scaler_.inverse_transform(rates)
        return predicted[:, 0] if self._one_target else predicted
