"""What a trial of a fault is, and the row that it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reliability_runs import Outcome


@dataclass(frozen=True)
class Trial:
    """One fault, or a batch of damaged inputs, that are tried at once.

    Parameters
    ----------
    part, what : str
        Kind of fault, and what it is put into.
    seed : int
        Of its random numbers; or its level.
    run : callable
        Gives the other columns by name.
    """

    part: str
    what: str
    seed: int
    run: Callable[[], dict[str, Any]]


def judged(outcome: Outcome, differing: str, **told: Any) -> dict[str, Any]:
    """Columns of a trial whose run was to end at last, as if nothing had been.

    Parameters
    ----------
    outcome : Outcome
        Of the last process.
    differing : str
        How its folder differs from an undisturbed one; "" if it does not.
    **told
        Further columns; `words` stay beside those of a failure.
    """
    result = "the same"
    if outcome.kind != "done":
        result = outcome.kind
        told["words"] = f"{outcome.words} {told.get('words', '')}".strip()
    elif differing:
        result, told["words"] = "different", f"{differing} {told.get('words', '')}".strip()
    return {"result": result, **told}
