"""Page of faults, of the rows that are kept."""

from pathlib import Path

import pandas as pd
from tables import markdown

from corinfomax.analysis.files import replacing

#: What the parts are called, and what a hit is in each.
_PARTS = {
    "signal": ("SIGINT, SIGTERM", "stopped"),
    "pause": ("SIGSTOP, SIGCONT", ""),
    "full disk": ("disk too small", "refused"),
    "rights": ("lacking rights", "refused"),
    "two writers": ("two processes", "one was refused"),
    "clock": ("wrong clock, and a kill", ""),
    "slow disk": ("slow file system, and a kill", ""),
}


def write_page(kept: pd.DataFrame, out: Path):
    """Write ``reliability.md``.

    Parameters
    ----------
    kept : pandas.DataFrame
    out : Path
    """
    text = Path(__file__).with_name("reliability_notes.md").read_text(encoding="utf-8")
    made = {"summary": summary, "kills": of_kills, "moments": moments, "faults": of_faults, "inputs": of_inputs}
    for name, table in {**made, "failures": failures}.items():
        text = text.replace(f"<!-- {name} -->", table(kept))
    with replacing(out / "reliability.md") as file:
        file.write(text.encode())


def _part(kept: pd.DataFrame, part: str) -> pd.DataFrame:
    return kept[kept["part"] == part]


def _total(rows: pd.DataFrame, column: str) -> int:
    return int(pd.to_numeric(rows[column], errors="coerce").fillna(0).sum())


def _same(rows: pd.DataFrame) -> int:
    return int(rows["result"].isin(["the same", "as wanted"]).sum())


def summary(kept: pd.DataFrame) -> str:
    """Say how many faults there were of each kind, and how many ended otherwise than they should."""
    kills, fuzz = _part(kept, "kill"), _part(kept, "fuzz")
    others = kept[~kept["part"].isin(["kill", "fuzz"])]
    return (
        f"**{_total(kills, 'hits')} kills** in {len(kills)} trials, of which {_same(kills)} ended as if undisturbed; "
        f"**{len(others)} trials of other faults**, of which {_same(others)} did; "
        f"**{_total(fuzz, 'inputs')} damaged inputs**, of which {_total(fuzz, 'accepted')} were read, "
        f"{_total(fuzz, 'refused')} refused in one line, and {_total(fuzz, 'faults')} did anything else."
    )


def of_kills(kept: pd.DataFrame) -> str:
    """One row for each thing that was killed."""
    rows = []
    for what, trials in _part(kept, "kill").groupby("what", sort=False):
        caught = int((trials["left"] != "").sum())
        rows.append([what, *map(str, (len(trials), _total(trials, "hits"), caught, _same(trials)))])
    return markdown(["what was killed", "trials", "kills", "amid a file", "ended the same"], rows)


def moments(kept: pd.DataFrame) -> str:
    """Say which files were caught while they were written."""
    names = pd.Series(" ".join(_part(kept, "kill")["left"]).split(), dtype=str).str.removeprefix(".").value_counts()
    return ", ".join(f"`{name}` {number}" for name, number in names.items()) or "none"


def of_faults(kept: pd.DataFrame) -> str:
    """One row for each other fault."""
    rows = []
    for part, (title, hit) in _PARTS.items():
        trials = _part(kept, part)
        if trials.empty:
            continue
        if part in ("signal", "clock"):  # one of each model, which need no row of their own
            ends = trials["what"].str
            groups = ends.rpartition(", ")[2] if part == "signal" else ends.partition(", ")[0]
        elif part in ("pause", "rights"):
            groups = pd.Series("", index=trials.index)
        else:
            groups = trials["what"]
        for what, some in trials.groupby(groups, sort=False):
            felt = f"{hit}: {_total(some, 'hits')}" if hit else ""
            how = ", ".join(sorted(set(some["how"]) - {""}))
            rows.append([title, what, how, str(len(some)), felt, str(_same(some))])
    return markdown(["fault", "what", "by", "trials", "felt", "ended the same"], rows)


def of_inputs(kept: pd.DataFrame) -> str:
    """One row for each kind of input."""
    rows = []
    for what, batches in _part(kept, "fuzz").groupby("what", sort=False):
        counts = [_total(batches, name) for name in ("inputs", "accepted", "refused", "faults")]
        most = [pd.to_numeric(batches[name]).max() for name in ("megabytes", "longest")]
        rows.append([what, *map(str, counts), f"{most[0]:.0f}", f"{most[1]:.1f}"])
    return markdown(["input", "tried", "read", "refused in a line", "anything else", "MB at most", "s at most"], rows)


def failures(kept: pd.DataFrame) -> str:
    """List the trials that ended otherwise than they should."""
    wrong = kept[~kept["result"].isin(["the same", "as wanted"])]
    lines = [f"- {row.part}, {row.what}, {row.seed}: {row.result} ({row.words[:300]})" for row in wrong.itertuples()]
    return "\n".join(lines) or "None."
