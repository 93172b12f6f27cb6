"""Ctrl-C and termination, handled where nothing is lost.

Brian2 turns SIGINT into an end of the run that looks like any other; so the clockwork has handlers of its own.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def on_interrupt(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` on SIGINT or SIGTERM, in place of what else would happen.

    Signals reach the main thread only; in other threads nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {
        number: signal.signal(number, lambda signum, frame: callback()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
