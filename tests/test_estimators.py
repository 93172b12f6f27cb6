"""Estimators: scikit-learn's own checks, its pipelines and searches, and what the circuit is behind them."""

import inspect
import pickle

import brian2 as b2
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from corinfomax import CorInfoMax, CorInfoMaxClassifier, CorInfoMaxRegressor, SimilarityMatching, contrastive, train
from corinfomax.errors import ParameterError
from corinfomax.stimuli import Stimuli

#: Small and soon trained; compiling each circuit would take longer.
QUICK = {"hidden_layer_sizes": 16, "epochs": 20, "target": "numpy", "random_state": 0}
IRIS = load_iris(as_frame=True)


#: A few steps and one epoch, for the many fits of scikit-learn's checks.
CHEAP = {"hidden_layer_sizes": 8, "epochs": 1, "batch_size": 100, "target": "numpy", "random_state": 0}
CHEAP |= {"protocol": contrastive(beta=2.0, free_steps=3, nudge_steps=2), "initial_gain_ff": (1.0, 0.1)}


class Classifier(CorInfoMaxClassifier):
    """One that is hardly trained, and says so: its scores are not checked."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class Regressor(CorInfoMaxRegressor):
    """One that is hardly trained, and says so: its scores are not checked."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


@pytest.mark.parametrize("estimator", [Classifier(**CHEAP), Regressor(**CHEAP)], ids=["classifier", "regressor"])
def test_scikit_learn_s_own_checks_pass(estimator):
    """All that scikit-learn asks of an estimator but its score holds: validation, invariances, pickles, tags."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 40
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] in ("failed", "xfail")}
    assert failed == {}


@pytest.mark.parametrize("hidden", [8, (6, 5)])
def test_a_classifier_is_a_run_on_the_same_stimuli(hidden, tmp_path):
    """Oracle: `corinfomax.train` on the same arrays, seed and exact scheme; weights after two epochs are equal."""
    x, labels = IRIS.data.to_numpy()[::3], IRIS.target.to_numpy()[::3]
    made = CorInfoMaxClassifier(hidden, epochs=2, epsilon=0.2, random_state=3, target="numpy").fit(x, labels)
    stimuli = Stimuli.from_labels("iris", x, labels, x[::5], labels[::5])
    settings = {"architecture": [4, *np.atleast_1d(hidden), 3], "epochs": 2, "epsilon": 0.2, "seed": 3, "sst_every": 1}
    run = train(stimuli=stimuli, **settings, target="numpy", out=tmp_path / "run", progress=False)
    for key, arrays in run.circuit.weights.items():
        for k, W in arrays.items():
            np.testing.assert_array_equal(made.circuit_.weights[key][k], W)
    np.testing.assert_array_equal(made.predict(x[::5]), run.predict(run.stimuli.x_test).argmax(axis=1))


def test_pipelines_cross_validation_and_searches():
    """In a pipeline, three folds of iris are above 80 %; a search among learning rates picks the one that learns."""
    pipeline = make_pipeline(StandardScaler(), CorInfoMaxClassifier(**QUICK))
    assert cross_val_score(pipeline, IRIS.data, IRIS.target, cv=3).mean() > 0.8
    search = GridSearchCV(CorInfoMaxClassifier(**QUICK | {"epochs": 5}), {"learning_rate_ff": [0.0, 2.0]}, cv=2)
    assert search.fit(IRIS.data, IRIS.target).best_params_ == {"learning_rate_ff": 2.0}


def test_regression_beats_the_mean_and_gives_its_units():
    """Diabetes: R² above .3 on unseen patients, in the targets' units and range; two targets at once as well."""
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    made = CorInfoMaxRegressor(**QUICK).fit(x[:300], y[:300])
    assert made.score(x[300:], y[300:]) > 0.3
    predicted = made.predict(x)
    assert predicted.shape == (len(x),)
    assert y[:300].min() <= predicted.min() < predicted.max() <= y[:300].max()
    both = CorInfoMaxRegressor(**QUICK | {"epochs": 2}).fit(x, np.column_stack([y, -y]))
    assert both.predict(x).shape == (len(x), 2)


def test_tables_go_in_and_names_of_features_are_kept():
    """A DataFrame and a Series of names train as their values; other columns in another order are refused."""
    names = pd.Series(IRIS.target_names[IRIS.target], index=IRIS.data.index)
    quick = QUICK | {"epochs": 3}
    framed = CorInfoMaxClassifier(**quick).fit(IRIS.data, names)
    plain = CorInfoMaxClassifier(**quick).fit(IRIS.data.to_numpy(), names.to_numpy())
    assert list(framed.feature_names_in_) == list(IRIS.data.columns)
    assert set(framed.predict(IRIS.data)) <= set(IRIS.target_names)
    np.testing.assert_array_equal(framed.predict(IRIS.data), plain.predict(IRIS.data.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(IRIS.data[IRIS.data.columns[::-1]])


def test_the_circuit_s_keys_are_the_estimator_s():
    """All keywords of the circuit but sizes and seed are parameters; clones and pickles keep them; typos are told."""
    keys = set(CorInfoMaxClassifier().get_params())
    assert set(inspect.signature(CorInfoMax).parameters) - {"architecture", "seed", "weights"} <= keys
    made = CorInfoMaxClassifier(**QUICK, epsilon=0.3, domain=["B_inf_plus", "simplex"])
    assert clone(made).get_params() == made.get_params() == pickle.loads(pickle.dumps(made)).get_params()
    with pytest.raises(ParameterError, match="unknown key 'epsilom'; did you mean 'epsilon'"):
        CorInfoMaxClassifier(epsilom=0.3)
    with pytest.raises(ParameterError, match="CorInfoMax: epsilon = -1: should be greater than 0"):
        CorInfoMaxClassifier(epsilon=-1).fit(IRIS.data, IRIS.target)
    with pytest.raises(ParameterError, match="epochs = 0: must be a whole number from 1"):
        CorInfoMaxClassifier(epochs=0).fit(IRIS.data, IRIS.target)
    with pytest.raises(ParameterError, match="scale = 'minmax'"):
        CorInfoMaxRegressor(scale="minmax").fit(IRIS.data, IRIS.target)


def test_without_scaling_rates_are_what_is_given():
    """`scale = None` presents inputs as they are, and learns targets as they are."""
    x = np.random.default_rng(0).uniform(size=(20, 4))
    made = CorInfoMaxRegressor(**QUICK | {"epochs": 1}, scale=None).fit(x, x[:, 0])
    assert made.circuit_.architecture == (4, 16, 1)
    np.testing.assert_array_equal(made.predict(x), made.preparation_.predict(x)[:, 0])


def test_the_trained_circuit_is_there_to_be_looked_at():
    """Voltages of the fitted circuit are recorded through the estimator's preparation."""
    made = CorInfoMaxClassifier(**QUICK | {"epochs": 1}).fit(IRIS.data, IRIS.target)
    x = made.input_scaler_.transform(IRIS.data.to_numpy()[:5])
    assert made.preparation_.present(x, variables=("V_soma",)).free.V_soma[1].shape == (30, 5, 16)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda x: x * b2.mV, "X has the unit"),
        (lambda x: np.ma.masked_greater(x, 0.5), "X has masked entries"),
    ],
    ids=["unit", "masks"],
)
def test_units_and_masks_are_refused(values, words):
    """scikit-learn's arrays would drop them in silence; in fitting, predicting and transforming they are one line."""
    x = np.random.default_rng(0).random((20, 4))
    y = (x[:, 0] > 0.5).astype(int)
    for estimator in (Classifier(**CHEAP), Regressor(**CHEAP), SimilarityMatching(n_components=2)):
        with pytest.raises(ParameterError, match=words):
            estimator.fit(values(x), y)
        fitted = estimator.fit(x - x.mean(axis=0) if isinstance(estimator, SimilarityMatching) else x, y)
        with pytest.raises(ParameterError, match=words):
            getattr(fitted, "predict" if hasattr(fitted, "predict") else "transform")(values(x))
    with pytest.raises(ParameterError, match="y has the unit"):
        Regressor(**CHEAP).fit(x, y * b2.mV)
