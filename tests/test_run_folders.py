"""Run folders and the files in them, whatever is trained."""

import os

import numpy as np
import pytest

from corinfomax.errors import RunError
from corinfomax.protocols.runs import Configuration, RunFolder, latest_folder, new_folder


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
