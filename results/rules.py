"""Write ``rules.md``: the notes of ``rules_notes.md`` with the tables of the comparisons kept in ``comparisons/``.

    python results/rules.py [KEPT_FROM ...]

A comparison is trained by ``corinfomax compare`` (the notes name the commands). Folders that are named are first taken
over: their plan, tables and figures go to ``results/comparisons/``, under the folder's name; runs stay where they are.
In the notes ``<!-- table: NAME -->`` stands for the tables of a comparison, ``<!-- explained: NAME -->`` for what its
columns mean, and ``<!-- missed: NAME -->`` for its courses seed by seed, with the classes that an epoch missed.
"""

import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import tomli_w
from tabulate import tabulate

from corinfomax.toml import loads

HERE = Path(__file__).parent
KEPT = HERE / "comparisons"
FILES = ("comparison.toml", "comparison.md", "comparison.csv", "runs.csv", "courses.csv", "tuning.csv")
_PLACE = re.compile(r"<!-- (table|explained|missed): (\w+) -->")
#: Epochs that courses are told at.
_EPOCHS = (1, 2, 3, 4, 5, 10)


def take_over(folder: Path):
    """Keep a comparison's plan, tables and figures."""
    kept = KEPT / folder.name
    kept.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, kept / name)
    plan = loads((folder / FILES[0]).read_text(encoding="utf-8"))
    plan.pop("data", None)  # it is another one on each machine
    (kept / FILES[0]).write_text(tomli_w.dumps(plan), encoding="utf-8")
    shutil.copytree(folder / "figures", kept / "figures", dirs_exist_ok=True)


def part(kind: str, name: str) -> str:
    """Tables of a comparison, the list that explains them, or its courses."""
    if kind == "missed":
        return missed(pd.read_csv(KEPT / name / "courses.csv"))
    text = (KEPT / name / "comparison.md").read_text(encoding="utf-8").strip()
    blocks = [block for block in text.split("\n\n") if not block.startswith("## ")]
    explained = [block for block in blocks if block.startswith("- ")]
    return "\n\n".join(explained if kind == "explained" else [block for block in blocks if block not in explained])


def missed(courses: pd.DataFrame) -> str:
    """Test accuracy seed by seed, in brackets how many classes had no training stimulus recognised in the epoch."""
    rows = []
    for (rule, seed), course in courses.groupby(["rule", "seed"], sort=False):
        at = course.set_index("epoch")
        told = {}
        for epoch in _EPOCHS:
            there = epoch in at.index
            value = f"{100 * at.loc[epoch, 'test_accuracy']:.2f}" if there else "–"
            classes = int(at.loc[epoch, "unlearnt"]) if there else 0
            told[f"epoch {epoch}"] = f"{value} ({classes} missed)" if classes else value
        rows.append({"rule": rule, "seed": seed, **told})
    means = courses.groupby("epoch")["test_accuracy"].mean()
    rows.append({"rule": "mean", "seed": "", **{f"epoch {e}": f"{100 * means[e]:.2f}" for e in _EPOCHS if e in means}})
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def main(folders: list[str]):
    """Take folders over, and write the page."""
    for folder in folders:
        take_over(Path(folder))
    notes = (HERE / "rules_notes.md").read_text(encoding="utf-8")
    page = _PLACE.sub(lambda found: part(*found.groups()), notes)
    (HERE / "rules.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
