"""Where the files of a published set lie: in the user's data folder, or in the cache after one download."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ..archives import Bounded
from ..errors import StimulusError

DATA_VARIABLE = "CORINFOMAX_DATA"


def data_folder(name: str, data: Path | None) -> tuple[Path, str] | None:
    """Find the folder that the user gave for a set, as an argument or in the environment.

    Parameters
    ----------
    name : str
        Name of the set.
    data : Path or None
        The argument, which goes before the environment variable `CORINFOMAX_DATA`.

    Returns
    -------
    (Path, str) or None
        The folder, and what error messages add to it to say where it comes from; None if the user gave none.

    Raises
    ------
    StimulusError
        What was given is not a folder.
    """
    variable = os.environ.get(DATA_VARIABLE)
    if data is not None:
        root, origin = Path(data), ""
    elif variable:
        root, origin = Path(os.path.expanduser(variable)), f" (from {DATA_VARIABLE})"
    else:
        return None
    if not root.is_dir():
        raise StimulusError(f"{root}{origin}: is not a folder; allowed is one that holds the files of {name}")
    return root, origin


def places(root: Path, folders: Iterable[str]) -> list[Path]:
    """Folders in which a set may lie: each of `folders` below `root`, and `root` itself if it has such a name.

    Parameters
    ----------
    root : Path
        The data folder.
    folders : iterable of str
        Relative paths; "" is the data folder itself, whatever its name.
    """
    own = Path(os.path.abspath(root)).parts
    named = [root for folder in folders if folder and own[-len(parts := Path(folder).parts) :] == parts]
    return [*named, *(root / folder for folder in folders)]


def read_bytes(path: Path) -> bytes:
    """Read a whole file, or raise a `StimulusError` that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StimulusError(f"{path}: cannot be read ({error.strerror})") from error


def download(
    name: str,
    file: str,
    mirrors: Sequence[str],
    md5: str,
    md5_of: Literal["compressed", "uncompressed"] = "compressed",
) -> Path:
    """Download a compressed file once, and keep it in the user's cache folder.

    Parameters
    ----------
    name : str
        Name of the set, and of its folder in the cache.
    file : str
        Name of the file; ends in ".gz".
    mirrors : sequence of str
        Addresses that `file` is appended to, tried in this order.
    md5 : str
        Its checksum.
    md5_of : {"compressed", "uncompressed"}
        What has this checksum: the file as it comes, or what is in it, for mirrors that compress differently. In the
        second case it is kept uncompressed, without ".gz".

    Returns
    -------
    Path

    Raises
    ------
    StimulusError
        No mirror could supply the file; says how to give a folder that holds it.
    """
    import pooch

    failures = []
    for mirror in mirrors:
        try:
            path = pooch.retrieve(
                url=f"{mirror}{file}",
                known_hash=f"md5:{md5}",
                fname=file.removesuffix(".gz") if md5_of == "uncompressed" else file,
                path=pooch.os_cache("corinfomax") / name,
                # pooch's annotation names other arguments than it passes.
                downloader=_download_uncompressed if md5_of == "uncompressed" else pooch.HTTPDownloader(),  # type: ignore[arg-type]
            )
        # pooch answers a wrong checksum with ValueError; all errors of the network are OSErrors.
        except (OSError, EOFError, ValueError, zlib.error) as error:
            failures.append(f"{urlsplit(mirror).hostname}: {type(error).__name__}")
        else:
            return Path(path)
    raise StimulusError(
        f"{name}: {file} could not be downloaded ({', '.join(failures)}); "
        f"give the folder that holds the set's files by --data or {DATA_VARIABLE}"
    )


def _download_uncompressed(url: str, output_file: str, pooch_instance: Any) -> None:
    # Uncompressed before pooch compares the checksum, which is that of the uncompressed file.
    import pooch

    pooch.HTTPDownloader()(url, output_file, pooch_instance)
    output = Path(output_file)
    with gzip.open(output) as stream:
        bounded = Bounded(stream, output.stat().st_size)
        content = b"".join(iter(lambda: bounded.read(1 << 20), b""))
    output.write_bytes(content)
