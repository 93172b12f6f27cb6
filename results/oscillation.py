"""Learning without phases: what period and amplitude of the teacher's oscillation do, and the settings of MNIST.

    python results/oscillation.py [PART]… [--data FOLDER]

What is there already, in ``oscillation.csv``, is not computed again. Then ``oscillation.md`` and its figures are
written of what is there; its words are those of ``oscillation_notes.md``. Parts are those of `oscillation_parts`.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import pandas as pd
import typer
from oscillation_parts import PARTS
from oscillation_trials import Trial

from corinfomax.analysis.files import replacing

HERE = Path(__file__).parent
KEPT = HERE / "oscillation.csv"
COLUMNS = ["part", "what", "x", "seed"]


def read(path: Path = KEPT) -> pd.DataFrame:
    """All rows that are kept."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)


def is_kept(kept: pd.DataFrame, part: str, trial: Trial) -> bool:
    """Whether a trial's row is there."""
    same = (kept["part"] == part) & (kept["what"] == trial.what) & (kept["x"] == trial.x) & (kept["seed"] == trial.seed)
    return bool(same.any())


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all by default.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST.")] = None,
    draw: Annotated[bool, typer.Option(help="Write page and figures, too.")] = True,
):
    """Compute what is missing, keep each trial as it ends, and write the page."""
    for part in parts or PARTS:
        for trial in PARTS[part](data):
            if is_kept(read(), part, trial):
                continue
            row = {"part": part, "what": trial.what, "x": trial.x, "seed": trial.seed, **trial.run()}
            kept = read()  # another part may have been computed meanwhile
            kept = pd.concat([kept, pd.DataFrame([row])]) if len(kept) else pd.DataFrame([row])
            with replacing(KEPT) as file:
                file.write(kept.to_csv(index=False, float_format="%.6g").encode())
            typer.echo(" ".join(f"{key}={value}" for key, value in row.items()))
    if draw:
        from oscillation_page import write_page

        write_page(read(), HERE)


if __name__ == "__main__":
    typer.run(main)
