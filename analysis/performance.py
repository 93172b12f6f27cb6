"""How well the outputs meet their targets."""

import numpy as np

from ..errors import ParameterError


def accuracy(outputs, targets):
    """Measure the fraction of stimuli whose most active output is the target class.

    Parameters
    ----------
    outputs : array, (stimuli, outputs)
        Output rates r^(P); of equal rates the first counts as the largest.
    targets : array, (stimuli,) or (stimuli, outputs)
        Class labels, or one-hot targets.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ParameterError
        There are no stimuli, or not as many targets as outputs.
    """
    labels, predicted = _labels("accuracy", outputs, targets)
    return float(np.mean(predicted == labels))


def confusion(outputs, targets):
    """Count which classes are taken for which.

    Parameters
    ----------
    outputs : array, (stimuli, outputs)
        Output rates r^(P); of equal rates the first counts as the largest.
    targets : array, (stimuli,) or (stimuli, outputs)
        Class labels, or one-hot targets.

    Returns
    -------
    array of int, (outputs, outputs)
        Stimuli by true (row) and predicted (column) class. Their trace over their sum is the `accuracy`.

    Raises
    ------
    ParameterError
        There are no stimuli, or not as many targets as outputs.
    """
    labels, predicted = _labels("confusion", outputs, targets)
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, predicted, labels=np.arange(np.shape(outputs)[1]))


def recall(outputs, targets):
    """Measure, for each class, the fraction of its stimuli that are recognised.

    Parameters
    ----------
    outputs, targets
        As in `confusion`.

    Returns
    -------
    array, (outputs,)
        NaN for a class that has no stimuli.

    Raises
    ------
    ParameterError
        As in `confusion`.
    """
    from sklearn.metrics import recall_score

    labels, predicted = _labels("recall", outputs, targets)
    classes = np.arange(np.shape(outputs)[1])
    return recall_score(labels, predicted, labels=classes, average=None, zero_division=np.nan)


def r_squared(outputs, targets):
    """Measure the coefficient of determination R², the mean over the outputs.

    Parameters
    ----------
    outputs, targets : array, (stimuli, outputs) or (stimuli,)
        Predicted and true values, at least two stimuli.

    Returns
    -------
    float
        1 for a perfect prediction, 0 for the targets' mean, without lower bound. Outputs whose targets are all the same
        are left out; NaN if there are no others.

    Raises
    ------
    ParameterError
        Fewer than two stimuli, or shapes at odds.
    """
    found = r_squared_by_output(outputs, targets)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def r_squared_by_output(outputs, targets):
    """Measure the coefficient of determination R² of each output; see `r_squared`.

    Parameters
    ----------
    outputs, targets : array, (stimuli, outputs) or (stimuli,)

    Returns
    -------
    array, (outputs,)
        NaN, which is not defined, where all targets are the same.
    """
    from sklearn.metrics import r2_score

    outputs, targets = (_columns(values) for values in (outputs, targets))
    if outputs.shape != targets.shape or len(outputs) < 2:
        raise ParameterError(f"r_squared: outputs {outputs.shape} and targets {targets.shape} do not fit each other")
    found = r2_score(targets, outputs, multioutput="raw_values")
    return np.where(np.ptp(targets, axis=0) > 0, found, np.nan)


def linear_regression_r_squared(x_train, y_train, x_test, y_test):
    """Measure R² on test stimuli of ordinary least squares with intercept, the baseline of a regression task.

    Parameters
    ----------
    x_train, x_test : array, (stimuli, inputs)
        Stimuli to fit and to test on.
    y_train, y_test : array, (stimuli, outputs) or (stimuli,)
        Their targets.

    Returns
    -------
    float
        As `r_squared`.
    """
    from sklearn.linear_model import LinearRegression

    fit = LinearRegression().fit(x_train, _columns(y_train))
    return r_squared(fit.predict(x_test), y_test)


def _columns(values):
    values = np.asarray(values, dtype=float)
    return values[:, np.newaxis] if values.ndim == 1 else values


def _labels(name, outputs, targets):
    """True and predicted classes."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.ndim != 2 or outputs.size == 0 or len(targets) != len(outputs):
        raise ParameterError(f"{name}: outputs {outputs.shape} and targets {targets.shape} do not fit each other")
    return targets.argmax(axis=1) if targets.ndim == 2 else targets, outputs.argmax(axis=1)
