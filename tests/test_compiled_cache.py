"""Compiled code that was damaged in Brian2's cache: found before it is loaded, told, and made anew."""

import logging
import re
import shutil
from pathlib import Path

import brian2 as b2
import numpy as np
import pytest
from brian2.codegen.runtime.cython_rt.extension_manager import CythonExtensionManager, cython_extension_manager

from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, compiled_cache, compiler

CODE = "#cython: language_level=3\ndef main():\n    return 3\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """One compiled library, whole."""
    before = b2.prefs["codegen.runtime.cython.cache_dir"]
    b2.prefs["codegen.runtime.cython.cache_dir"] = str(tmp_path_factory.mktemp("compiled"))
    try:
        return Path(CythonExtensionManager().create_extension(CODE).__file__)
    finally:
        b2.prefs["codegen.runtime.cython.cache_dir"] = before


@pytest.fixture
def cached(compiled, tmp_path, monkeypatch):
    """Put that library into a cache of the test's own, with a compiler that copies it; return place and loader."""
    path, load, made = tmp_path / "cache" / compiled.name, CythonExtensionManager._load_module, []
    path.parent.mkdir()
    shutil.copy(compiled, path)

    def load_or_copy(self, module_path, *words, **options):
        if not Path(module_path).is_file():
            shutil.copy(compiled, module_path)
            made.append(module_path)
        return load(self, module_path, *words, **options)

    monkeypatch.setattr(CythonExtensionManager, "_load_module", load_or_copy)
    monkeypatch.setattr(compiled_cache, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setitem(b2.prefs, "codegen.runtime.cython.cache_dir", str(path.parent))

    def call():
        cython_extension_manager._code_cache.clear()
        with compiled_cache.checked_cache():
            return cython_extension_manager.create_extension(CODE).main(), len(made)

    return path, call


def cut(content):
    return content[:1000]  # the loader ends the process with SIGBUS


def emptied(content):
    return b""


def zeroed(content):
    """What a file system may leave after power was cut: the length is right."""
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half)


@pytest.mark.parametrize(
    ("damage", "noted", "word"),
    [
        (cut, False, "is damaged"),
        (emptied, False, "is damaged"),
        (cut, True, "has changed since it was compiled"),
        (zeroed, True, "has changed since it was compiled"),
    ],
)
def test_damaged_code_is_found_told_and_compiled_anew(cached, caplog, damage, noted, word):
    """Before it can end the process: one warning that names the file, one compilation, and the code's own result."""
    path, call = cached
    if noted:
        assert call() == (3, 0)
    content = damage(path.read_bytes())
    path.unlink()  # it may be loaded already
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert call() == (3, 1)
        assert call() == (3, 1)
    told = [record.getMessage() for record in caplog.records if record.name == "corinfomax"]
    assert len(told) == 1
    assert str(path) in told[0]
    assert word in told[0]


def test_whole_code_is_loaded_as_it_is(cached, caplog, monkeypatch):
    """Also where no note can be written: nothing is told or compiled, and Brian2 is as it was afterwards."""
    path, call = cached
    monkeypatch.setattr(compiled_cache, "user_cache_path", lambda name: path)  # a file, which has no folders in it
    assert call() == call() == (3, 0)
    assert not [record for record in caplog.records if record.name == "corinfomax"]
    assert "_load_module" not in vars(cython_extension_manager)


def test_reasons_against_compiled_code_are_true(monkeypatch, tmp_path):
    """A compiler, headers, a cache or a compilation that are missing are named, each as it is."""
    monkeypatch.setattr(compiler, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setitem(b2.prefs, "codegen.runtime.cython.cache_dir", str(tmp_path / "cache"))
    assert compiler.missing_tool() is compiler.failure() is None
    monkeypatch.setattr(compiler, "_TRIAL", "no C++")
    assert compiler.failure() is None  # this compiler was asked before
    monkeypatch.setenv("CC", "g++")
    assert re.search("failed|non-zero exit status", compiler.failure())  # as setuptools of either age says it
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    assert compiler.missing_tool() == "no C compiler found (no-such-compiler)"
    monkeypatch.delenv("CC")
    monkeypatch.setattr(compiler.sysconfig, "get_path", lambda name: str(tmp_path))
    assert compiler.missing_tool() == f"Python's headers are not installed ({tmp_path / 'Python.h'})"
    monkeypatch.setitem(b2.prefs, "codegen.runtime.cython.cache_dir", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in compiler.failure()


def test_layers_of_a_kind_are_compiled_once_and_found_again(tmp_path, monkeypatch, caplog):
    """Three hidden layers and an output layer: two libraries. One that is cut short is compiled anew, and says so."""
    monkeypatch.setitem(b2.prefs, "codegen.runtime.cython.cache_dir", str(tmp_path))
    sizes, x = [3, 2, 2, 2, 1], [0.1, 0.2, 0.3]
    monkeypatch.setattr(compiled_cache, "_modules", {})
    preparation = Preparation(CorInfoMax(sizes), target="cython")
    preparation.present(x)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert len(made) == 2
    theory = Preparation(CorInfoMax(sizes), target="numpy")
    theory.present(x)
    for k in (1, 2, 3, 4):
        np.testing.assert_allclose(preparation.layer(k).read("u"), theory.layer(k).read("u"), rtol=1e-12)
    monkeypatch.setattr(compiled_cache, "_modules", {})  # as in another process
    damaged = min(made)
    damaged.unlink()  # it is loaded
    damaged.write_bytes(b"")
    again = Preparation(CorInfoMax(sizes), target="cython")
    again.present(x)
    np.testing.assert_array_equal(again.layer(1).read("u"), preparation.layer(1).read("u"))
    assert {path for path in made if path.stat().st_mtime_ns != made[path]} == {damaged}
    assert [record.getMessage() for record in caplog.records if str(damaged) in record.getMessage()]
