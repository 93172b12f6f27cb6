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
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


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


def readme_blocks(kind, text=README):
    """Fenced blocks of the README, or of another text, by the name in the marker above them."""
    return dict(re.findall(rf"<!-- {kind}: (\w+) -->\n```\w+\n(.*?)```", text, flags=re.DOTALL))


def readme_map():
    """Rows (file, names) of the README's map from the paper to the code."""
    section = README.partition("## From the paper to the code")[2].partition("\n## ")[0]
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
    assert data == shipped


@pytest.mark.parametrize("name", ["train", "test"])
def test_readme_commands_stand_alone(name):
    """Each of the README's two commands is one line that makes its own environment."""
    command = readme_blocks("command")[name]
    assert command.startswith("python3 -m venv ")
    assert command.count("\n") == 1


@pytest.mark.parametrize("name", ["run", "estimator", "first", "protocol", "record", "cell", "rule", "stimuli"])
def test_readme_example_runs(name, capsys, tmp_path, monkeypatch):
    """The README's Python examples run as printed: the first has ten lines and learns, circuits can be mounted."""
    from corinfomax import Preparation

    monkeypatch.chdir(tmp_path)
    code = readme_blocks("example")[name]
    scope = {}
    exec(compile(code, f"README, {name}", "exec"), scope)
    printed = capsys.readouterr().out
    if name == "first":
        assert code.count("\n") == 10
        assert float(re.search(r"correct: ([\d.]+)", printed).group(1)) > 0.5
        assert "(10, 5, 128)" in printed
    elif "circuit" in scope:
        presentation = Preparation(scope["circuit"]).present([0.5] * 64, [0.1] * 10)
        assert presentation.nudge.r[1].shape == (10, 1, 128)


@pytest.mark.parametrize(
    ("page", "name", "printed"),
    [
        ("domains", "domain", "λ"),
        ("recording", "stream", "V_soma"),
        ("perturbing", "intervention", "W_fb moved: 0.0"),
    ],
)
def test_documented_example_runs(page, name, printed, capsys, tmp_path, monkeypatch):
    """The examples in docs/ run as printed, and print what belongs to them."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    exec(compile(readme_blocks("example", text)[name], f"docs/{page}.md, {name}", "exec"), {})
    assert printed in capsys.readouterr().out


def test_readme_phases_are_those_of_its_python_example(tmp_path):
    """The README's phases in TOML make the protocol of its Python example, with the β of preset digits, exactly."""
    from corinfomax.protocols.runs import Configuration

    scope = {}
    exec(compile(readme_blocks("example")["protocol"], "README, protocol", "exec"), scope)
    path = tmp_path / "phases.toml"
    path.write_text(readme_blocks("example")["phases"] + "\n[circuit]\narchitecture = [64, 8, 10]\n", encoding="utf-8")
    protocol, theory = Configuration.read(path).build_protocol(), scope["preparation"].protocol
    assert protocol.phases == theory.phases
    assert protocol.beta == theory.beta == Configuration.read("digits").protocol.beta


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    """Each script in examples/ runs from start to end, with a twelfth of the digits, and prints what it found."""
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


def test_readme_map_points_at_code():
    """Every file in the README's map from the paper to the code exists and holds the names given beside it."""
    rows = readme_map()
    assert len(rows) > 10
    for path, names in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == [], path


@pytest.mark.parametrize("document", ["README.md", "docs/conventions.md", "results/README.md"])
def test_links_lead_somewhere(document):
    """Relative links and pictures of the documents exist."""
    path = ROOT / document
    targets = re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (path.parent / target).exists()] == []


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
    assert [
        name for name in ("train", "doctor", "evaluate", "record", "perturb", "figures", "presets") if name not in shown
    ] == []
