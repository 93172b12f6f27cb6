"""Libraries that settings lying about keep from being imported; each in a process of its own, for imports are once."""

import os
import subprocess
import sys

import matplotlib
import pytest

COMMAND = "from corinfomax.commands import main; main()"


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Run Python in an empty folder; return exit code and both outputs."""
    for name in ("MPLBACKEND", "MATPLOTLIBRC", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # its list of fonts takes long to make

    def call(code, *words, **variables):
        found = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True,
        )  # fmt: skip
        return found.returncode, found.stdout, found.stderr

    return call


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("matplotlibrc", b"figure.dpi: 100 # \xe9\n", "0xe9"),
        ("brian_preferences", b"codegen.target = cython\n", "'cython' is not defined"),
        (".brian/user_preferences", b"nonsense.key = 3\n", "nonsense"),
    ],
)
def test_settings_that_a_library_cannot_read_are_one_line(process, tmp_path, name, content, word):
    """The line names library, file and what the library found wrong."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    matplotlib = name == "matplotlibrc"
    library, *words = ("Matplotlib", "figures", "nowhere") if matplotlib else ("Brian2", "doctor", "digits")
    code, _, err = process(COMMAND, *words, **({"HOME": str(tmp_path)} if "/" in name else {}))
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert all(text in err for text in (f"{library} cannot be imported", word, str(tmp_path / name)))


def test_the_command_line_needs_no_backend_of_a_notebook(process):
    """MPLBACKEND of a notebook's shell keeps no command from its work: figures are files."""
    drawn = "    import matplotlib.pyplot as plt; plt.figure(); print(plt.get_backend().lower())"
    both = f"{COMMAND.replace('main()', '')}\ntry:\n    main()\nexcept SystemExit:\n{drawn}"
    code, out, err = process(both, "presets", MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert (code, out.splitlines()[-1], err) == (0, "agg", "")


def test_python_names_the_variable(process):
    """From Python, where the backend is the user's choice, the error's line names MPLBACKEND and its value."""
    code, _, err = process("import corinfomax; corinfomax.CorInfoMax", MPLBACKEND="nonsense")
    assert code == 1
    line = err.splitlines()[-1]
    assert "LibraryError: Matplotlib cannot be imported" in line
    assert line.endswith("its settings are in MPLBACKEND=nonsense")


def test_a_library_that_is_not_there_is_named(process):
    """Without h5py, which recordings need, the name of a recorder says that it is missing."""
    hidden = "import sys; sys.modules['h5py'] = None; "
    code, _, err = process(hidden + "import corinfomax; corinfomax.StreamRecorder")
    assert code == 1
    assert "LibraryError: h5py cannot be imported" in err.splitlines()[-1]


def test_errors_of_scripts_are_told_as_python_tells_them(process):
    """With Brian2 imported, an error that nobody catches is a traceback and its line, with no word of Brian2's."""
    code, out, err = process("import corinfomax; corinfomax.CorInfoMax([3, 0])")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert "ParameterError" in err.splitlines()[-1]
    assert "Brian 2 encountered" not in err
