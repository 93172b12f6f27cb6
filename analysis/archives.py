"""Reading NumPy archives without trusting them."""

import zipfile
import zlib

import numpy as np

from ..errors import RunError


def read_archive(path):
    """Read all arrays of an `.npz` file.

    Parameters
    ----------
    path : path-like
        The file. Pickled objects in it are refused.

    Returns
    -------
    dict of str to array
        The arrays by key.

    Raises
    ------
    RunError
        The file is missing, damaged, or no archive of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path}: not a readable NumPy archive ({reason})") from error
