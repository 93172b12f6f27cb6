"""Search by Optuna: values are drawn where the runs so far have done best. Its journal stands in the sweep's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import RunError
from .cluster import extra
from .plan import Plan, Range
from .task import Point, rounded

if TYPE_CHECKING:
    from optuna.trial import Trial

#: What the library is called that searches, and what needs it.
OPTUNA = ("Optuna", "method = 'search'")
#: Optuna's journal, in the sweep's folder.
JOURNAL = "search.log"


class Search:
    """Trials of a search, begun or taken up again.

    Parameters
    ----------
    plan : Plan
    path : Path
        The sweep's folder.
    direction : {"maximize", "minimize"}
    """

    def __init__(self, plan: Plan, path: Path, direction: str):
        self._optuna = optuna = extra("optuna", *OPTUNA)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._plan, journal = plan, path / JOURNAL
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(journal))),
                study_name="sweep",
                direction=direction,
                load_if_exists=True,
            )
            self._begun = list(self._study.get_trials(deepcopy=False))
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{journal}: cannot be read ({error}); choose another folder with --out") from None
        # What is drawn does not depend on how often the search was stopped, but on the trials that there are.
        seed = [plan.random_seed, len(self._begun)]
        self._study.sampler = optuna.samplers.TPESampler(
            seed=int.from_bytes(bytes(str(seed), "ascii"), "big") % 2**32, constant_liar=True
        )

    def begun(self) -> Iterator[tuple[int, Point]]:
        """Trials that there are: number and values."""
        for trial in self._begun:
            if set(trial.params) == set(self._plan.parameters):  # one was being drawn when the process was killed
                yield trial.number, {key: self._value(key, value) for key, value in trial.params.items()}

    def ask(self) -> tuple[int, Point] | None:
        """Draw the next trial; None if there are enough."""
        if len(self._study.get_trials(deepcopy=False)) >= self._plan.trials + self._lost:
            return None
        trial = self._study.ask()
        return trial.number, {key: self._value(key, self._suggest(trial, key)) for key in self._plan.parameters}

    @property
    def _lost(self) -> int:
        return len(self._begun) - sum(1 for _ in self.begun())

    def tell(self, number: int, score: float | None):
        """Tell the mean score of a trial's runs; None, or what is no number, if one has failed."""
        state = self._optuna.trial.TrialState
        if self._study.get_trials(deepcopy=False)[number].state.is_finished():
            return
        if score is None or not math.isfinite(score):
            self._study.tell(number, state=state.FAIL)
        else:
            self._study.tell(number, score)

    def _suggest(self, trial: Trial, key: str) -> Any:
        values = self._plan.parameters[key]
        if isinstance(values, list):
            return trial.suggest_categorical(key, _plain(values))
        log = values.scale == "log"
        if values.whole:
            return trial.suggest_int(key, values.low, values.high, log=log)
        return trial.suggest_float(key, values.low, values.high, log=log)

    def _value(self, key: str, drawn: Any) -> Any:
        values = self._plan.parameters[key]
        if isinstance(values, Range):
            return rounded(drawn, values)
        return values[_plain(values).index(drawn)]


def _plain(values: list) -> list:
    """Values as Optuna takes them: words, numbers and switches, lists as their text."""
    return values if all(isinstance(each, str | int | float) for each in values) else [json.dumps(v) for v in values]
