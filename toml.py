"""Reading TOML: by the standard library, or before Python 3.11 by its forerunner."""

import sys
from typing import Any

from .errors import ParameterError

if sys.version_info >= (3, 11):
    from tomllib import loads
else:
    from tomli import loads

__all__ = ["loads", "tables"]


def tables(text: str, source: object) -> dict[str, Any]:
    """Read a TOML document; a `ParameterError` names its source.

    Parameters
    ----------
    text : str
    source : object
        What the document is from: a path, or a word for it.
    """
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{source}: not a readable TOML file ({error})") from None
