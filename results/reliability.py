"""Faults by the hundred: what is tried, what came of it, and the page that tells of it.

    python results/reliability.py [PART]… [--draw]

What is there already, in ``reliability.csv``, is not tried again. Then ``reliability.md`` is written of what is there;
its words are those of ``reliability_notes.md``. Parts are those of `PARTS`.
"""

import gc
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from reliability_faults import clocks, disks, kills, pauses, rights, signals, slow_disks, writers
from reliability_fuzz import inputs
from reliability_page import write_page
from reliability_places import working_folder
from reliability_runs import Laboratory
from threadpoolctl import threadpool_limits

from corinfomax import __version__
from corinfomax.analysis.files import replacing

HERE = Path(__file__).parent
KEPT = HERE / "reliability.csv"
#: Parts by name: each gives its trials for a laboratory.
PARTS = {
    "kill": kills,
    "signal": signals,
    "pause": pauses,
    "full disk": disks,
    "rights": rights,
    "two writers": writers,
    "clock": clocks,
    "slow disk": slow_disks,
    "fuzz": inputs,
}
_KEY = ["part", "what", "seed"]
COLUMNS = [
    *(*_KEY, "result", "moment", "hits", "left", "how", "inputs", "accepted", "refused", "faults"),
    *("megabytes", "longest", "words", "seconds", "version"),
]


def read(path: Path = KEPT) -> pd.DataFrame:
    """All rows that are kept."""
    return pd.read_csv(path, keep_default_na=False) if path.exists() else pd.DataFrame(columns=COLUMNS)


def keep(row: dict, path: Path = KEPT):
    """Add a row."""
    kept = pd.concat([read(path).astype(object), pd.DataFrame([row], dtype=object)])
    with replacing(path) as file:
        file.write(kept.reindex(columns=COLUMNS).to_csv(index=False).encode())


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all by default.")] = None,
    only: Annotated[str, typer.Option(help="Only trials whose `what` contains this.")] = "",
    draw: Annotated[bool, typer.Option("--draw", help="Write the page of what is there, and try nothing.")] = False,
    kept: Annotated[Path, typer.Option(help="Where the rows are.")] = KEPT,
    work: Annotated[Path | None, typer.Option(help="Folder to work in; by default in memory.")] = None,
):
    """Try what is missing, keep each row as it comes, and write the page."""
    with threadpool_limits(1), working_folder(work) as root:  # threads do not outlive a fork
        lab = Laboratory(root)
        for part in [] if draw else parts or PARTS:
            done = set(read(kept)[_KEY].astype(str).itertuples(index=False, name=None))
            for trial in PARTS[part](lab):
                if only in trial.what and (trial.part, trial.what, str(trial.seed)) not in done:
                    gc.collect()
                    gc.freeze()  # so that children do not copy what none of them frees
                    began = time.monotonic()
                    row = {"part": trial.part, "what": trial.what, "seed": trial.seed, **trial.run()}
                    row |= {"seconds": f"{time.monotonic() - began:.2f}", "version": __version__}
                    keep(row, kept)
                    typer.echo(" | ".join(str(row.get(name, "")) for name in COLUMNS[:-1]))
    write_page(read(kept), kept.parent)


if __name__ == "__main__":
    typer.run(main)
