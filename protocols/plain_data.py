"""What scikit-learn's estimators are given, checked: numbers, of which nothing is dropped in silence."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ..errors import ParameterError
from ..units import dropped_by_arrays


def plain_data(estimator: Any, X: Any, y: Any = "no_validation", **options: Any) -> Any:
    """Check inputs, and targets if there are some, as scikit-learn does; its arrays would lose units and masks.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array_like or DataFrame (n, features)
    y : array_like (n,) or (n, targets), default "no_validation"
        scikit-learn's word for no targets; None, where it stands for targets, is refused.
    **options
        Of ``sklearn.utils.validation.validate_data``.

    Returns
    -------
    X, or X and y
        Of which X is an array of float64.

    Raises
    ------
    ParameterError
        For values with a unit, or with masked entries.
    ValueError
        For what scikit-learn refuses.
    """
    for name, values in (("X", X), ("y", y)):
        if (dropped := dropped_by_arrays(values)) is not None:
            raise ParameterError(f"{name} {dropped}")
    return validate_data(estimator, X, y, dtype=np.float64, **options)
