"""Places that are not as one would wish: small disks, slow disks, foreign folders, wrong clocks."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

#: Number of the user and the group "nobody".
NOBODY = 65534
_ROOMY = 2**27
#: Seconds that each call of a slow file system takes.
SLOW = 0.005


def _mounted(*words: str) -> bool:
    return shutil.which("mount") is not None and subprocess.run(["mount", *words], capture_output=True).returncode == 0


class SmallDisk:
    """A disk of so many bytes, in memory; where none may be mounted, a limit of the sizes of single files.

    Parameters
    ----------
    path : Path
        Where it is to be.
    size : int
        Bytes.
    """

    def __init__(self, path: Path, size: int):
        self.path, self._size = path, size

    def __enter__(self) -> "SmallDisk":
        self.path.mkdir()
        self._mounted = _mounted("-t", "tmpfs", "-o", f"size={self._size},mode=755", "tmpfs", str(self.path))
        self.how = "tmpfs" if self._mounted else "RLIMIT_FSIZE"
        return self

    def __exit__(self, *error):
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def limit(self):
        """Keep files small, in the process that calls it, if the disk is not."""
        if not self._mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, resource.RLIM_INFINITY))

    def enlarge(self):
        """Make room, and let it be written to."""
        if self._mounted:
            subprocess.run(["mount", "-o", f"remount,rw,size={_ROOMY}", str(self.path)], check=True)

    def only_read(self):
        """Let nobody write to the disk."""
        if self._mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)

    def give_to_nobody(self):
        """Let all files be nobody's."""
        if os.getuid() == 0:
            for path in (self.path, *self.path.rglob("*")):
                os.chown(path, NOBODY, NOBODY)


def as_nobody():
    """Become an ordinary user, in the process that calls it."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


class SlowDisk:
    """A file system on which each call takes some milliseconds: by FUSE, or else by calls that sleep.

    Parameters
    ----------
    path : Path
        Where it is to be.
    """

    def __init__(self, path: Path):
        self._root = path
        self.path = path / "slow"

    def __enter__(self) -> "SlowDisk":
        for folder in (self._root, self.path, self._root / "below"):
            folder.mkdir()
        script = Path(__file__).with_name("reliability_slow.py")
        words = [sys.executable, str(script), str(self._root / "below"), str(self.path), str(SLOW)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(self.path) and self._process.poll() is None:
            time.sleep(0.02)
        self.how = "FUSE" if os.path.ismount(self.path) else "calls that sleep"
        return self

    def __exit__(self, *error):
        if os.path.ismount(self.path):
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        self._process.wait(10)
        shutil.rmtree(self._root, ignore_errors=True)

    def slow_down(self):
        """Let calls sleep, in the process that calls it, if the file system is not slow."""
        if self.how == "FUSE":
            return
        for name in ("open", "fsync", "replace", "unlink", "mkdir"):
            setattr(os, name, _sleeping(getattr(os, name)))


def _sleeping(call):
    def slow(*arguments, **named):
        time.sleep(SLOW)
        return call(*arguments, **named)

    return slow


def wrong_clock(kind: str, rng: np.random.Generator):
    """Let the clock of the calling process be wrong, as far as Python reads it.

    Parameters
    ----------
    kind : str
        "goes back", by up to ten years at a random reading; "runs backwards"; "goes ahead and back", in turn; others
        leave it alone.
    rng : numpy.random.Generator
    """
    right, readings, at = time.time, [0], int(rng.integers(1, 20))
    years = float(rng.uniform(0, 10)) * 365 * 86400
    begun = right()

    def read() -> float:
        readings[0] += 1
        if kind == "goes back":
            return right() - years * (readings[0] >= at)
        if kind == "runs backwards":
            return 2 * begun - right() - 3600 * readings[0]
        return right() + years * (readings[0] % 2)

    if kind.startswith("files"):
        return
    local, form = time.localtime, time.strftime
    time.time, time.time_ns = read, lambda: int(1e9 * read())
    time.localtime = lambda seconds=None: local(read() if seconds is None else seconds)
    time.strftime = lambda text, moment=None: form(text, time.localtime() if moment is None else moment)


@contextlib.contextmanager
def working_folder(root: Path | None):
    """Give a folder to work in, in memory where that can be, and remove it."""
    import tempfile

    shared = Path("/dev/shm")
    where = root if root is not None else shared if os.access(shared, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="reliability_", dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
