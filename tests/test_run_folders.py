"""Run folders and the files in them, whatever is trained."""

import errno
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from corinfomax.analysis.figures import draw_run
from corinfomax.analysis.files import beside, discard, put_in_place
from corinfomax.errors import RunError, StimulusError
from corinfomax.protocols.runs import Configuration, Run, RunFolder, claim_folder, latest_folder, new_folder
from corinfomax.stimuli import load_stimuli


def test_files_have_the_permissions_that_the_user_gives_to_new_ones(tmp_path):
    """Under umask 077 and 022 a written file has mode 600 and 644."""
    for mask, mode in ((0o077, 0o600), (0o022, 0o644)):
        before = os.umask(mask)
        try:
            RunFolder(tmp_path).write_arrays("some.npz", {"a": np.zeros(1)})
        finally:
            os.umask(before)
        assert (tmp_path / "some.npz").stat().st_mode & 0o777 == mode


def test_folders_are_numbered_and_the_latest_is_found(tmp_path):
    """runs/NAME, NAME-2, NAME-3 in turn; the latest is the one whose configuration is newest; glob signs are plain."""
    configuration = Configuration.read("digits")
    for age, name in ((30, "a[1]"), (10, "a[1]-2"), (20, "a[1]-3")):
        path = new_folder("a[1]", tmp_path)
        assert path == tmp_path / name
        RunFolder(path).create(configuration)
        os.utime(path / "config.toml", (10**9 - age, 10**9 - age))
    assert latest_folder("a[1]", tmp_path) == tmp_path / "a[1]-2"
    with pytest.raises(RunError, match="no run to resume"):
        latest_folder("**", tmp_path)


def test_folders_that_are_claimed_at_once_differ(tmp_path):
    """Twenty threads that claim runs/a at the same time get twenty folders, numbered without a gap."""
    with ThreadPoolExecutor(20) as pool:
        claimed = list(pool.map(lambda _: claim_folder("a", tmp_path / "runs"), range(20)))
    assert sorted(claimed) == sorted(tmp_path / "runs" / name for name in ("a", *(f"a-{n}" for n in range(2, 21))))


def test_of_two_that_begin_in_one_folder_the_second_is_refused(tmp_path):
    """While a folder is locked, and after it has a configuration, another run is refused; the first one's stays."""
    configuration = Configuration.read("digits")
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with folder.locked(), pytest.raises(RunError, match="another process"):
        RunFolder(folder.path).create(configuration)
    folder.create(configuration)
    before = (folder.path / "config.toml").read_bytes()
    with pytest.raises(RunError, match="--resume"):
        RunFolder(folder.path).create(Configuration.read("digits", ["seed=1"]))
    assert (folder.path / "config.toml").read_bytes() == before


def test_what_a_killed_process_left_is_removed_and_in_nobodys_way(tmp_path):
    """A folder with half-written files, and a module's copy, is used; they are gone then, and the user's files stay."""
    (tmp_path / "mycell.py").write_text(
        "from corinfomax.models import HiddenPyramidal\n\nclass C(HiddenPyramidal):\n    pass\n"
    )
    (tmp_path / "mine.toml").write_text('[circuit]\narchitecture = [64, 5, 10]\ncell = "mycell.py:C"\n')
    configuration = Configuration.read(tmp_path / "mine.toml")
    path = tmp_path / "run"
    path.mkdir()
    shutil.copy(tmp_path / "mycell.py", path)
    left = [".config.toml.abcd_123.toml", ".mycell.py.00000000.py"]
    for name in left:
        (path / name).write_text("[cir")
    RunFolder(path).create(configuration)
    assert sorted(os.listdir(path)) == [".lock", "config.toml", "environment.json", "mycell.py"]
    mine = [".checkpoint.npz", ".notes.abcd1234", ".traces.h5.abcd1234.h5"]
    for name in (*mine, ".checkpoint.npz.abcd1234.npz"):
        (path / name).write_text("")
    with RunFolder(path).locked():
        pass
    assert sorted(os.listdir(path)) == sorted([".lock", "config.toml", "environment.json", "mycell.py", *mine])


def test_files_of_others_are_in_the_way(tmp_path):
    """A folder without a configuration, but with other files, is refused, and not with the advice to resume it."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="holds files that are no run's; choose another folder") as caught:
        RunFolder(tmp_path).create(Configuration.read("digits"))
    assert "--resume" not in str(caught.value)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_files_that_are_being_written_stay_and_those_of_killed_processes_go(tmp_path):
    """Of two temporary files beside a name, that of a process that was killed goes, with its lock; the other stays."""
    path, folder = tmp_path / "some.npz", RunFolder(tmp_path)
    writing = beside(path)
    child = os.fork()
    if child == 0:
        beside(path)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    lock = f"{writing.name}.lock"
    assert len(os.listdir(tmp_path)) == 4
    folder.write_arrays("some.npz", {"a": np.zeros(1)})
    assert sorted(os.listdir(tmp_path)) == sorted([writing.name, lock, "some.npz"])
    (tmp_path / "figures").mkdir()
    drawing = beside(tmp_path / "figures" / "angle.png")
    with folder.locked():
        pass
    put_in_place(drawing, tmp_path / "figures" / "angle.png")
    assert os.listdir(tmp_path / "figures") == ["angle.png"]
    discard(writing)
    assert sorted(os.listdir(tmp_path)) == [".lock", "figures", "some.npz"]


def test_folders_that_may_not_be_looked_into_are_one_line(tmp_path, monkeypatch):
    """Where the system refuses to look (EACCES), runs, figures and stimuli name the file in one line."""

    def forbidden(path, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", forbidden)
        for look in (
            lambda: Run(tmp_path),
            lambda: RunFolder(tmp_path).history(),
            lambda: RunFolder(tmp_path).create(Configuration.read("digits")),
            lambda: draw_run(tmp_path),
            lambda: load_stimuli(tmp_path / "a.npz"),
        ):
            with pytest.raises(
                (RunError, StimulusError), match=rf"^{tmp_path}.*: cannot be read \(Permission denied\)"
            ):
                look()


def test_abandoned_files_are_removed_where_the_same_is_written_again(tmp_path):
    """Beside a user's file: what has been left for over an hour goes, what another process may be writing stays."""
    old, new = tmp_path / ".some.npz.aaaaaaaa.npz", tmp_path / ".some.npz.bbbbbbbb.npz"
    for path in (old, new):
        path.write_text("")
    os.utime(old, (10**9, 10**9))
    RunFolder(tmp_path).write_arrays("some.npz", {"a": np.zeros(1)})
    assert sorted(os.listdir(tmp_path)) == [new.name, "some.npz"]
