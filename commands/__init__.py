"""The command line, ``corinfomax COMMAND``; `COMMANDS` lists the commands.

Nothing here takes time to be imported, so that Ctrl-C finds the command line ready for it from the first moment on.
"""

import contextlib
import os
import sys

from .names import COMMANDS, INTERRUPTED

__all__ = ["COMMANDS", "main"]


def main():
    """Run the command line and end the process.

    With 0; or with 1 for an error, 2 for wrong usage, 130 for what Ctrl-C or another signal has ended.
    """
    try:
        from ..protocols.interruption import raising

        with raising():
            from .application import run

            code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        from ..protocols.interruption import stopped_by

        with contextlib.suppress(OSError):  # of a terminal that was closed
            print(f"interrupted ({stopped_by()})".removesuffix(" ()"), file=sys.stderr)
    _leave_streams_silent()
    sys.exit(code)


def _leave_streams_silent():
    """Let Python have nothing left to write when it ends, which it would complain of where that cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
