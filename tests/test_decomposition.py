"""The estimator of similarity matching: scikit-learn's own checks, its PCA, and what they cannot see."""

import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from corinfomax import SimilarityMatching
from corinfomax.errors import DivergenceError, ParameterError, StimulusError, StimulusWarning

IRIS = load_iris(as_frame=True)
CENTRED = (IRIS.data - IRIS.data.mean()).to_numpy()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scikit_learn_s_own_checks_pass():
    """All that scikit-learn asks of a transformer holds: validation, invariances, pickles, tags."""
    results = check_estimator(SimilarityMatching(), on_fail=None, on_skip=None)
    assert len(results) > 40
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] in ("failed", "xfail")}
    assert failed == {}


@pytest.mark.parametrize("objective", ["psp", "psw"])
def test_the_subspace_is_that_of_pca(objective):
    """Oracle: scikit-learn's PCA of centred digits. FᵀF is UUᵀ (psp) or UΛ⁻¹Uᵀ (psw) to 3 %; no warning is given."""
    x = StandardScaler(with_std=False).fit_transform(load_digits().data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = SimilarityMatching(4, objective=objective, random_state=0).fit(x)
    found, pca = made.components_, PCA(4).fit(x)
    power = 0 if objective == "psp" else -1
    variances = pca.explained_variance_ * (len(x) - 1) / len(x)
    theory = (pca.components_.T * variances**power) @ pca.components_
    assert np.linalg.norm(found.T @ found - theory) < 0.03 * np.linalg.norm(variances**power)
    assert made.captured_variance_ratio_ == pytest.approx(pca.explained_variance_ratio_.sum(), rel=2e-3)
    np.testing.assert_allclose(made.transform(x), x @ found.T, rtol=1e-12)
    if objective == "psw":
        np.testing.assert_allclose(made.transform(x).T @ made.transform(x) / len(x), np.eye(4), atol=0.02)


def test_no_brian2_is_needed():
    """Neither the estimator nor its learning imports Brian2, which takes seconds: its modules say which they import."""
    module = sys.modules[SimilarityMatching.__module__]
    assert "b2" not in vars(module)
    assert "b2" not in vars(sys.modules["corinfomax.networks.similarity_matching.online"])


def test_a_stream_is_learnt_from_once():
    """partial_fit, part by part, equals partial_fit of the whole to 1e-9, and stays within 10 % of PCA; property."""
    x = np.random.default_rng(0).standard_normal((3000, 12)) * np.array([3.0] * 3 + [0.5] * 9)
    parts, whole = SimilarityMatching(3), SimilarityMatching(3, learning_rate=0.5, learning_rate_offset=2.5)
    whole.partial_fit(x[:100]).partial_fit(x[100:])
    parts.set_params(learning_rate=0.5, learning_rate_offset=2.5)
    for start in [0, *range(100, 3000, 290)]:
        parts.partial_fit(x[start : 100 if start == 0 else start + 290])
    np.testing.assert_allclose(parts.components_, whole.components_, rtol=0, atol=1e-9)
    assert parts.n_samples_seen_ == 3000
    pca = PCA(3).fit(x).components_
    assert np.linalg.norm(whole.components_.T @ whole.components_ - pca.T @ pca) < 0.1
    again = pickle.loads(pickle.dumps(parts)).partial_fit(x)
    np.testing.assert_array_equal(again.components_, parts.partial_fit(x).components_)


@pytest.mark.parametrize("factor", [1e-150, 1e-6, 1.0, 1e6, 1e150])
def test_units_do_not_matter(factor):
    """Theory: F of psp is the same for x in any unit, and that of psw divided by it, to 1e-6."""
    for objective, power in (("psp", 0), ("psw", -1)):
        plain, scaled = (
            SimilarityMatching(2, objective=objective, max_epochs=3, tol=1.0, random_state=0) for _ in "12"
        )
        F = plain.fit(CENTRED).components_
        np.testing.assert_allclose(scaled.fit(factor * CENTRED).components_, F * factor**power, rtol=1e-6)


def test_pipelines_tables_and_names():
    """In a pipeline before logistic regression iris is above 85 %; columns have names as those of PCA."""
    pipeline = make_pipeline(StandardScaler(), SimilarityMatching(2, random_state=0), LogisticRegression())
    assert pipeline.fit(IRIS.data, IRIS.target).score(IRIS.data, IRIS.target) > 0.85
    framed = SimilarityMatching(2, random_state=0).set_output(transform="pandas")
    table = framed.fit_transform(pd.DataFrame(CENTRED, columns=IRIS.data.columns))
    assert list(table.columns) == ["similaritymatching0", "similaritymatching1"]
    with pytest.raises(NotFittedError):
        SimilarityMatching().transform(CENTRED)


RANK_2 = np.random.default_rng(0).standard_normal((50, 2)) @ np.random.default_rng(1).standard_normal((2, 6))


@pytest.mark.parametrize(
    ("settings", "x", "message"),
    [
        ({"n_components": 5}, CENTRED, "n_components = 5: must be at most 4, as there are 4 features"),
        ({"n_components": 3}, CENTRED[:2], "n_components = 3: must be at most 2, as there are 2 samples"),
        ({"n_components": 3}, RANK_2, "n_components = 3: must be at most 2, the rank of the stimuli"),
        ({"n_components": 0}, CENTRED, "n_components = 0: must be a whole number from 1"),
        ({"n_components": 2.0}, CENTRED, r"n_components = 2\.0: must be a whole number from 1"),
        ({"n_components": 1}, np.ones((20, 4)), "all 20 samples are the same"),
        ({"n_components": 1}, np.zeros((20, 4)), "all 20 samples are the same"),
        ({"ratio": -1.0}, CENTRED, r"ratio = -1\.0: must be a number above 0"),
        ({"ratio": 3.0}, CENTRED, r"ratio = 3: must be below 0\.564 for learning to converge"),
        ({"objective": "psw", "ratio": 9.0}, CENTRED, r"ratio = 9: must be below 0\.\d+ for learning to converge"),
        ({"objective": "pca"}, CENTRED, "objective = 'pca': must be 'psp' or 'psw'"),
        ({"learning_rate": 3.0, "learning_rate_offset": 1.0}, CENTRED, "η/τ would be 6 at first; must be below 1"),
        ({"objective": "psw", "learning_rate": 4.0, "learning_rate_offset": 5.0}, CENTRED,
         r"M has the least eigenvalue -.* which must stay above 0 \(η/τ = \d\S+\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_in_one_line(settings, x, message):
    """fit and the first partial_fit alike: bounds of K, constant data, τ and η/τ, each with what is allowed."""
    for learn in ("fit", "partial_fit"):
        made = SimilarityMatching(**settings)
        with pytest.raises((ParameterError, StimulusError, DivergenceError), match=message) as refused:
            getattr(made, learn)(x)
        assert "\n" not in str(refused.value)


def test_an_inverse_lost_to_rounding_is_told():
    """Large rates for long let M forget directions: its inverse turns indefinite, or infinite, which is an error."""
    x = StandardScaler(with_std=False).fit_transform(load_digits().data)
    with pytest.raises(
        DivergenceError, match=r"M⁻¹ has lost its definiteness .* larger learning_rate_offset|weights are not finite"
    ):
        SimilarityMatching(8, learning_rate=10.0, learning_rate_offset=50.0, random_state=0).fit(x)


def test_warnings():
    """Data that are not centred and fits that do not come to an end say so; the components are those of ⟨x xᵀ⟩."""
    x = IRIS.data.to_numpy()
    with pytest.warns(StimulusWarning, match=r"not centred, its mean has 9\d % of the samples' squared length"):
        made = SimilarityMatching(1, random_state=0).fit(x)
    first = np.linalg.svd(x)[2][0]
    assert abs(made.components_[0] @ first) == pytest.approx(1, abs=1e-3)
    with pytest.warns(ConvergenceWarning, match=r"after max_epochs = 1 it is \S+ off the 2 components, above tol"):
        SimilarityMatching(2, max_epochs=1, tol=1e-9, random_state=0).fit(CENTRED)
