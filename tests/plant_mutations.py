"""Plant mutations, one at a time, and count those that the suite catches.

Each mutation of `mutations.toml` changes one line of a copy of the package. The tests named with it run first; if they
all pass, the whole suite runs. A mutation survives if that passes, too. Those that change nothing that can be observed
say why, under `equivalent`.

    python tests/plant_mutations.py               # all; writes tests/mutations.md
    python tests/plant_mutations.py clipping ...  # some, by name; writes nothing
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from corinfomax.toml import loads

ROOT = Path(__file__).resolve().parents[1]
HEADINGS = ("mutation", "file", "what changes", "outcome", "caught by")


def mutations() -> list[dict]:
    """Read the list."""
    return loads((ROOT / "tests" / "mutations.toml").read_text(encoding="utf-8"))["mutations"]


def copy_of_package(folder: Path) -> Path:
    """Copy what git tracks to a folder that is named as the package."""
    copy = folder / "corinfomax"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists() and not name.startswith("results/runs/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def first_failure(copy: Path, tests: list[str]) -> str:
    """Run tests in a copy; return the first that fails, "" if none does."""
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    few = ["--numprocesses=0"] if tests else []  # processes take longer to begin than a few tests do
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-rfE",
        *few,
        *tests,
    ]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split()[1] if failed else f"pytest ends with {done.returncode}"


def try_out(mutation: dict, copy: Path) -> tuple[str, str]:
    """Plant one mutation, run the tests, and take it back; return outcome and the test that caught it."""
    path = copy / mutation["file"]
    text = path.read_text(encoding="utf-8")
    if text.count(mutation["find"]) != 1:
        raise SystemExit(f"{mutation['name']}: stands {text.count(mutation['find'])} times in {mutation['file']}")
    path.write_text(text.replace(mutation["find"], mutation["replace"]), encoding="utf-8")
    try:
        caught = first_failure(copy, mutation["tests"]) or first_failure(copy, [])
    finally:
        path.write_text(text, encoding="utf-8")
    if caught:
        return "caught", caught
    return ("equivalent", mutation["equivalent"]) if "equivalent" in mutation else ("survives", "")


def main():
    """Try the mutations that are named, or all."""
    named = sys.argv[1:]
    chosen = [each for each in mutations() if not named or each["name"] in named]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_package(Path(folder))
        for mutation in chosen:
            outcome, by = try_out(mutation, copy)
            change = f"`{mutation['find'].strip()}` → `{mutation['replace'].strip()}`".replace("\n", " ⏎ ").replace(
                "|", "\\|"
            )
            rows.append((mutation["name"], mutation["file"], change, outcome, by))
            print(f"{mutation['name']}: {outcome} {by}", flush=True)
    counts = {kind: sum(row[3] == kind for row in rows) for kind in ("caught", "equivalent", "survives")}
    told = f"{len(rows)} mutations: " + ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(told)
    if not named:
        report = f"# Planted mutations\n\n{told}. Made by `python tests/plant_mutations.py`.\n\n"
        report += tabulate(rows, HEADINGS, tablefmt="github") + "\n"
        (ROOT / "tests" / "mutations.md").write_text(report, encoding="utf-8")
    raise SystemExit(counts["survives"] > 0)


if __name__ == "__main__":
    main()
