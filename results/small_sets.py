"""Write ``small_sets.md``: what circuits reach on small sets of scikit-learn, beside its linear models.

    python results/small_sets.py

A row of ``small_sets.csv`` is one set, learner and seed. Rows that are there are not computed again; nothing was chosen
by them, for circuits have the settings of the presets `own` and `diabetes`.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from evidence import Sample
from experiments import HERE
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_blobs, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import markdown, spread

import corinfomax
from corinfomax.analysis.files import replacing
from corinfomax.stimuli import load_stimuli

ROWS = HERE / "small_sets.csv"
SEEDS, FOLD_SEEDS, FOLDS = range(5), range(3), 5
#: Name → inputs and labels. Those that are drawn have 500 stimuli.
SETS: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "two moons, noise .1": lambda: make_moons(500, noise=0.1, random_state=0),
    "three blobs": lambda: make_blobs(500, centers=3, random_state=0),
    "iris": lambda: load_iris(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
}
#: Sets whose folds the estimator classifies.
FOLDED = ("iris", "wine")

Job = tuple[dict, Callable[[], float]]


def parts(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, labels, and which stimuli are for tests: three tenths, which the seed sets apart."""
    x, y = SETS[name]()
    _, tested = train_test_split(np.arange(len(y)), test_size=0.3, random_state=seed, stratify=y)
    return x, y, np.isin(np.arange(len(y)), tested)


def trained(seed: int, source: str | None = None, **what) -> float:
    """Test score of a run in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run = corinfomax.train(source, **what, seed=seed, out=Path(folder) / "run", progress=False)
        return float(run.history.filter(regex="^test_(accuracy|r_squared)$").iloc[-1, 0])


def circuit(name: str, seed: int) -> float:
    """Test accuracy of a circuit with the settings of `own`."""
    x, y, tested = parts(name, seed)
    return trained(seed, stimuli={"x": x, "y": y, "split": tested.astype(int)})


def logistic(name: str, seed: int) -> float:
    """Test accuracy of logistic regression of standardised inputs, on the same parts."""
    x, y, tested = parts(name, seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(x[~tested], y[~tested]).score(x[tested], y[tested])


def folds(name: str, seed: int) -> float:
    """Mean accuracy over five folds of the estimator, whose scale is chosen anew for each."""
    x, y = SETS[name]()
    shuffled = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(corinfomax.CorInfoMaxClassifier(random_state=seed), x, y, cv=shuffled).mean())


def linear() -> float:
    """R² of linear regression on the parts of the preset `diabetes`, which has one split for all seeds."""
    stimuli = load_stimuli("diabetes")
    fitted = LinearRegression().fit(stimuli.x_train, stimuli.y_train)
    return float(fitted.score(stimuli.x_test, stimuli.y_test))


def jobs() -> Iterator[Job]:
    """All rows, each with what computes its score."""
    for name in SETS:
        for seed in SEEDS:
            yield {"set": name, "learner": "circuit", "seed": seed}, lambda name=name, seed=seed: circuit(name, seed)
            yield (
                {"set": name, "learner": "logistic regression", "seed": seed},
                lambda name=name, seed=seed: logistic(name, seed),
            )
    for name in FOLDED:
        for seed in FOLD_SEEDS:
            place = {"set": name, "learner": "estimator, five folds", "seed": seed}
            yield place, lambda name=name, seed=seed: folds(name, seed)
    for seed in SEEDS:
        yield (
            {"set": "diabetes", "learner": "circuit", "seed": seed},
            lambda seed=seed: trained(seed, source="diabetes"),
        )
    yield {"set": "diabetes", "learner": "linear regression", "seed": 0}, linear


def compute():
    """Compute the rows that are missing, and keep each as it ends."""
    kept = pd.read_csv(ROWS) if ROWS.exists() else pd.DataFrame(columns=["set", "learner", "seed"])
    for place, score in jobs():
        if any(all(row[key] == value for key, value in place.items()) for row in kept.to_dict("records")):
            continue
        start = time.perf_counter()
        row = {**place, "score": round(score(), 6), "seconds": round(time.perf_counter() - start, 1)}
        kept = pd.concat([kept, pd.DataFrame([row])]) if len(kept) else pd.DataFrame([row])
        with replacing(ROWS) as file:
            file.write(kept.to_csv(index=False).encode())
        typer.echo(row)


#: Columns of the table, and the learners that stand in each.
COLUMNS = {
    "circuit": ("circuit",),
    "linear model": ("logistic regression", "linear regression"),
    "estimator, five folds": ("estimator, five folds",),
}


def table(rows: pd.DataFrame) -> str:
    """A row for each set."""
    lines = []
    for name, of_set in rows.groupby("set", sort=False):
        scale, cells = 1 if name == "diabetes" else 100, []
        for learners in COLUMNS.values():
            of_learner = of_set[of_set["learner"].isin(learners)]
            sample = Sample({row.seed: scale * row.score for row in of_learner.itertuples()})
            cells.append(spread(sample, digits=1 if scale == 100 else 3))
        lines.append([name, *cells])
    return markdown(["set", *COLUMNS], lines)


TEXT = """# Small sets

    python results/small_sets.py

Test accuracy (%), of diabetes R², mean ± sample standard deviation over seeds: 0 to 4, of the estimator 0 to 2.
Circuits have the settings of the preset `own`, 400 epochs, scale and gains chosen by the training stimuli; diabetes
has the preset `diabetes`. The seed sets three tenths of the stimuli apart for tests, and draws the initial weights;
diabetes has one split. The linear model is logistic regression of standardised inputs, of the same parts; for
diabetes it is linear regression. The estimator, `CorInfoMaxClassifier`, is tested on five folds, which the seed
shuffles.

{table}

A run of 400 epochs takes {least:.0f} to {most:.0f} seconds on one core.
"""


def main():
    """Compute what is missing, and write the page."""
    compute()
    rows = pd.read_csv(ROWS)
    seconds = rows.loc[(rows["learner"] == "circuit") & (rows["set"] != "diabetes")].groupby("set")["seconds"].median()
    page = TEXT.format(table=table(rows), least=seconds.min(), most=seconds.max())
    (HERE / "small_sets.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
