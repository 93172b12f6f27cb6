"""Room on the disk for a growing file, taken before it is needed."""

import errno
import os
import shutil
from pathlib import Path

import h5py


class Reserve:
    """Keeps room for what is to be written into an HDF5 file, so that the file can always be completed.

    HDF5 cannot mend a file that a full disk, a quota or a limit of file sizes has cut short. So the file is made longer
    than it is before anything is written, which fails without harm; `trim` makes it as long as it is again.

    Parameters
    ----------
    path : path-like
        The file, which exists.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        self._descriptor = os.open(path, os.O_WRONLY)

    def hold(self, size: int):
        """Make the file so long at least, on the disk, too; an `OSError` if the disk does not have the room."""
        missing = size - os.fstat(self._descriptor).st_size
        if missing <= 0:
            return
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except AttributeError:  # macOS and Windows: to see that there is room is all that can be done
            self._check(missing)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            self._check(missing)

    def close(self):
        """Let go of the file; what was taken stays with it."""
        os.close(self._descriptor)

    def trim(self):
        """Give back what the closed file does not need: HDF5 does it whenever it closes a file that it may write to."""
        h5py.File(self._path, "r+").close()

    def _check(self, size: int):
        if shutil.disk_usage(self._path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
