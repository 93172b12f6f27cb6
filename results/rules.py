"""Write ``rules.md``: the notes of ``rules_notes.md`` with the tables of the comparisons kept in ``comparisons/``.

    python results/rules.py [KEPT_FROM ...]

A comparison is trained by ``corinfomax compare`` (the notes name the commands). Folders that are named are first taken
over: their plan, tables and figures go to ``results/comparisons/``, under the folder's name; runs stay where they are.
In the notes ``<!-- table: NAME -->`` stands for the tables of a comparison, ``<!-- explained: NAME -->`` for what its
columns mean.
"""

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "comparisons"
FILES = ("comparison.toml", "comparison.md", "comparison.csv", "runs.csv", "courses.csv", "tuning.csv")
_PLACE = re.compile(r"<!-- (table|explained): (\w+) -->")


def take_over(folder: Path):
    """Keep a comparison's plan, tables and figures."""
    kept = KEPT / folder.name
    kept.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, kept / name)
    shutil.copytree(folder / "figures", kept / "figures", dirs_exist_ok=True)


def part(kind: str, name: str) -> str:
    """Tables of a comparison, or the list that explains them."""
    text = (KEPT / name / "comparison.md").read_text(encoding="utf-8").strip()
    blocks = [block for block in text.split("\n\n") if not block.startswith("## ")]
    explained = [block for block in blocks if block.startswith("- ")]
    return "\n\n".join(explained if kind == "explained" else [block for block in blocks if block not in explained])


def main(folders: list[str]):
    """Take folders over, and write the page."""
    for folder in folders:
        take_over(Path(folder))
    notes = (HERE / "rules_notes.md").read_text(encoding="utf-8")
    page = _PLACE.sub(lambda found: part(*found.groups()), notes)
    (HERE / "rules.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
