import ast
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import brian2
import matplotlib
import matplotlib.pyplot as plt
import pytest

from corinfomax import stimuli
from corinfomax.stimuli import load_stimuli
from corinfomax.toml import loads

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("models", "networks", "stimuli", "protocols", "commands", "analysis")

#: What each package may not import; analysis also stays free of Brian2.
FORBIDDEN = {
    "models": {"networks", "stimuli", "protocols", "commands", "analysis"},
    "networks": {"stimuli", "protocols", "commands", "analysis"},
    "stimuli": {"models", "networks", "protocols", "commands", "analysis", "brian2"},
    "protocols": {"commands"},
    "commands": set(),
    "analysis": {"models", "networks", "stimuli", "protocols", "commands", "brian2"},
}

#: What the conda environment calls otherwise than pyproject.toml does.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "neo": "python-neo", "playwright": "playwright-python"}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def requirement(text):
    """Name and version range of a requirement, without its marker."""
    name, version = re.fullmatch(r"([\w-]+)\s*([^;]*?)\s*(?:;.*)?", text).groups()
    return name.lower(), version.replace(" ", "")


def applies(text, python):
    """Whether a requirement's marker, if any, holds for a version of Python."""
    _, _, marker = text.partition(";")
    if not marker:
        return True
    relation, version = re.fullmatch(r"\s*python_version\s*(<|>=)\s*['\"]([\d.]+)['\"]\s*", marker).groups()
    older = [int(part) for part in python.split(".")] < [int(part) for part in version.split(".")]
    return older if relation == "<" else not older


def blocks(kind, text=README):
    """Fenced blocks of the README, or of another text, by the name in the marker above them."""
    return dict(re.findall(rf"<!-- {kind}: (\w+) -->\n```\w+\n(.*?)```", text, flags=re.DOTALL))


def page(name):
    """Text of a page of the documentation."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def map_to_code():
    """Rows (file, names) of the map from the paper to the code."""
    section = page("paper_to_code").partition("\n## ")[0]
    rows = re.findall(r"^\|[^|]*\| `([^`]+)` \| (.+?) \|$", section, flags=re.MULTILINE)
    return [(path, re.findall(r"`([^`]+)`", names)) for path, names in rows]


def imported(path):
    """Absolute names of the modules that a file of the package imports."""
    package = ("corinfomax", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def test_conda_pins_equal_project_pins():
    """environment.yml pins for its Python what pyproject.toml pins: dependencies, and those of the extras."""
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").partition("dependencies:")[2].splitlines()
    conda = [line.strip().removeprefix("- ") for line in lines if line.strip()]
    python = next(pin for pin in conda if pin.startswith("python=")).removeprefix("python=")
    project, extras = PROJECT["project"], PROJECT["project"]["optional-dependencies"]
    pins = [pin for pin in sum(extras.values(), project["dependencies"]) if applies(pin, python)]
    theory = dict(requirement(pin) for pin in pins if not pin.startswith("corinfomax"))
    theory = {CONDA_NAMES.get(name, name): version for name, version in theory.items()}
    tools = {"python", "pip", "c-compiler", "cxx-compiler"}
    assert {name: version for name, version in map(requirement_of_conda, conda) if name not in tools} == theory


def requirement_of_conda(pin):
    return requirement(pin) if "=" in pin else (pin, "")


def test_versions_agree():
    """pyproject.toml, CITATION.cff and the newest entry of CHANGELOG.md name one version."""
    version = PROJECT["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, flags=re.MULTILINE).group(1) == version
    assert re.search(r"^## \[(\d.+?)\]", changelog, flags=re.MULTILINE).group(1) == version


def test_all_packages_are_installed():
    """pyproject.toml lists every folder of modules, so that none is missing from a wheel."""
    folders = {path.parent.relative_to(ROOT) for package in PACKAGES for path in sources(package)}
    assert {".".join(["corinfomax", *folder.parts]) for folder in folders} | {"corinfomax"} == set(
        PROJECT["tool"]["setuptools"]["packages"]
    )


def test_all_data_files_are_installed():
    """Files beside the modules that are no modules match a pattern of pyproject.toml, so that a wheel has them."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    folders = {path.parent for package in PACKAGES for path in sources(package)}
    data = {
        path for folder in folders for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", "")
    }
    shipped = {
        path
        for package, names in patterns.items()
        for name in names
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(name)
    }
    assert len(data) > 40
    assert data | {ROOT / "CITATION.cff"} == shipped  # which `corinfomax cite` reads


@pytest.mark.parametrize("name", ["train", "test"])
def test_readme_commands_stand_alone(name):
    """Each of the README's two commands is one line that makes its own environment."""
    command = blocks("command")[name]
    assert command.startswith("python3 -m venv ")
    assert command.count("\n") == 1


def run_example(name, text, where):
    """Run a Python example as printed; return its code and its names."""
    code, scope = blocks("example", text)[name], {}
    exec(compile(code, f"{where}, {name}", "exec"), scope)
    return code, scope


def test_readme_example_runs(capsys, tmp_path, monkeypatch):
    """The README's ten lines of Python run as printed: they train, predict, present, record and draw."""
    monkeypatch.chdir(tmp_path)
    code, scope = run_example("first", README, "README")
    printed = capsys.readouterr().out
    assert code.count("\n") == 10
    assert scope["run"].history["test_accuracy"].iloc[-1] > 0.5
    assert "(10, 5, 128)" in printed
    assert re.search(r"classes: \[(\d ?){5}\]", printed)
    assert {"V_soma", "cell", "stimulus"} <= set(scope["traces"].dataframe("layer_1").columns)
    assert (tmp_path / "runs/digits/figures/learning_curve.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("where", "name", "printed"),
    [
        ("python", "run", "@article{Stimberg2019"),
        ("python", "estimator", "0."),
        ("python", "preparation", "(10, 5, 128)"),
        ("python", "protocol", ""),
        ("recording", "record", "V_apical"),
        ("recording", "stream", "V_soma"),
        ("recording", "spikes", "replica  layer population  cell"),
        ("domains", "domain", "λ"),
        ("perturbing", "intervention", "W_fb moved: 0.0"),
        ("extending", "cell", ""),
        ("extending", "rule", ""),
        ("extending", "stimuli", "bars"),
    ],
)
def test_documented_example_runs(where, name, printed, capsys, tmp_path, monkeypatch):
    """The examples in docs/ run as printed, and print what belongs to them; circuits that they make can be mounted."""
    from corinfomax import Preparation

    monkeypatch.chdir(tmp_path)
    _, scope = run_example(name, page(where), f"docs/{where}.md")
    out = capsys.readouterr().out
    assert printed in out
    if name == "estimator":
        assert float(out) > 0.6  # a third by chance
    if name == "preparation":
        assert float(re.search(r"correct: ([\d.]+)", out).group(1)) > 0.5
    if where == "extending" and "circuit" in scope:
        presentation = Preparation(scope["circuit"]).present([0.5] * 64, [0.1] * 10)
        assert presentation.nudge.r[1].shape == (10, 1, 128)


def test_documented_phases_are_those_of_the_python_example(tmp_path):
    """Phases in TOML make the protocol of the Python example beside them, with the β of preset digits, exactly."""
    from corinfomax.protocols.runs import Configuration

    _, scope = run_example("protocol", page("python"), "docs/python.md")
    path = tmp_path / "phases.toml"
    phases = blocks("example", page("python"))["phases"]
    path.write_text(phases + "\n[circuit]\narchitecture = [64, 8, 10]\n", encoding="utf-8")
    protocol, theory = Configuration.read(path).build_protocol(), scope["preparation"].protocol
    assert protocol.phases == theory.phases
    assert protocol.beta == theory.beta == Configuration.read("digits").protocol.beta


#: Examples that train; those that draw, plot_*.py, are run with the documentation, as these are, too.
SCRIPTS = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("plot_"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    """Scripts in examples/ that train run with a twelfth of the digits, and print lines."""
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    every = load_stimuli("digits")
    counts = {"train": 120, "test": 90}
    kinds = ("x", "y", "labels")
    few = replace(every, **{f"{kind}_{part}": getattr(every, f"{kind}_{part}")[:n]
                            for kind in kinds for part, n in counts.items()})  # fmt: skip
    monkeypatch.setattr(stimuli, "load_stimuli", {"digits": few}.__getitem__)
    monkeypatch.setitem(brian2.prefs, "codegen.target", "numpy")  # compiling each circuit would take longer
    monkeypatch.setattr(sys, "argv", [path.name])
    runpy.run_path(str(path), run_name="__main__")
    plt.close("all")
    assert capsys.readouterr().out.count("\n") >= 2


def test_map_points_at_code():
    """Every file in the map from the paper to the code exists and holds the names given beside it."""
    rows = map_to_code()
    assert len(rows) > 10
    for path, names in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == [], path


@pytest.mark.parametrize(
    "document",
    ["README.md", "results/README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))],
)
def test_links_lead_somewhere(document):
    """Relative links and pictures of the documents exist, but for the gallery's pages, which the build makes."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text) + re.findall(r'<img src="([^"]+)"', text)
    made = ("gallery/", "http://", "https://")
    assert [target for target in targets if not target.startswith(made) and not (path.parent / target).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    """commands → protocols → networks → models; stimuli and analysis on the ground, with no circuits, no Brian2."""
    found = set()
    for path in sources(package):
        for name in imported(path):
            parts = name.split(".")
            top = parts[1] if parts[0] == "corinfomax" and len(parts) > 1 else parts[0]
            if top in FORBIDDEN[package]:
                found.add((path.name, name))
    assert found == set()


def test_no_file_is_long():
    """No Python file has more than 400 lines."""
    folders = (*PACKAGES, "tests", "examples", "benchmarks", "results")
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for name in folders for path in sources(name)}
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > 400} == {}


def test_installed_command_lists_its_commands():
    """`corinfomax --help`, as installed beside this Python, names the commands."""
    command = shutil.which("corinfomax", path=str(Path(sys.executable).parent))
    assert command is not None, "install the package first"
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True, timeout=120).stdout
    from corinfomax.commands import COMMANDS

    assert [name for name in COMMANDS if name not in shown] == []
