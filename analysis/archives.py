"""Reading NumPy archives without trusting them."""

from ..archives import ArchiveError, opened_npz, read_member
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
        The file is missing, damaged, a bomb, or no archive of plain arrays.
    """
    try:
        with opened_npz(path) as archive:
            return {key: read_member(archive, key) for key in archive.files}
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except ArchiveError as error:
        raise RunError(f"{path}: not a readable NumPy archive ({error})") from error
