"""A slow file system: shows another folder, and takes its time for each call.

    python results/reliability_slow.py FOLDER MOUNT SECONDS

Wants FUSE, and mfusepy (https://pypi.org/project/mfusepy).
"""

import errno
import os
import time
from pathlib import Path
from typing import Annotated

import mfusepy as fuse
import typer


class Slow(fuse.Operations):
    """Calls of a folder, each after so many seconds."""

    use_ns = True

    def __init__(self, root: Path, seconds: float):
        self._root, self._seconds = str(root), seconds

    def _at(self, path: str) -> str:
        """Wait, and tell where a path of the file system lies in truth."""
        time.sleep(self._seconds)
        return self._root + path

    def access(self, path, amode):
        """Tell whether it may be done."""
        if not os.access(self._at(path), amode):
            raise fuse.FuseOSError(errno.EACCES)
        return 0

    def chmod(self, path, mode):
        """Change rights."""
        os.chmod(self._at(path), mode)

    def chown(self, path, uid, gid):
        """Change whose it is."""
        os.chown(self._at(path), uid, gid)

    def mkdir(self, path, mode):
        """Make a folder."""
        os.mkdir(self._at(path), mode)

    def rmdir(self, path):
        """Remove a folder."""
        os.rmdir(self._at(path))

    def unlink(self, path):
        """Remove a file."""
        os.unlink(self._at(path))

    def rename(self, old, new):
        """Move a file."""
        os.rename(self._at(old), self._at(new))

    def open(self, path, flags):
        """Open a file."""
        return os.open(self._at(path), flags)

    def create(self, path, mode, fi=None):
        """Make a file."""
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path, size, offset, fh):
        """Read a part."""
        self._at(path)
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        """Write a part."""
        self._at(path)
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        """Cut short."""
        os.truncate(self._at(path), length)

    def fsync(self, path, datasync, fh):
        """Write to the disk."""
        self._at(path)
        os.fsync(fh)

    def release(self, path, fh):
        """Close."""
        os.close(fh)

    def getattr(self, path, fh=None):
        """Tell of a file."""
        found = os.lstat(self._at(path))
        times = {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "acm"}
        return {key: getattr(found, key) for key in dir(found) if key.startswith("st_")} | times

    def readdir(self, path, fh):
        """List a folder."""
        return [".", "..", *os.listdir(self._at(path))]

    def statfs(self, path):
        """Tell of the disk."""
        found = os.statvfs(self._at(path))
        return {key: getattr(found, key) for key in dir(found) if key.startswith("f_")}

    def utimens(self, path, times=None):
        """Set when it was changed."""
        os.utime(self._at(path), ns=times)


def main(
    root: Annotated[Path, typer.Argument(help="What it shows.")],
    mount: Annotated[Path, typer.Argument(help="Where.")],
    seconds: Annotated[float, typer.Argument(help="That each call takes.")],
):
    """Mount it, until it is unmounted."""
    fuse.FUSE(Slow(root.resolve(strict=True), seconds), str(mount), foreground=True, nothreads=True)


if __name__ == "__main__":
    typer.run(main)
