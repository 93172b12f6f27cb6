"""Brian2's network of a circuit."""

import contextlib
import gc
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import brian2 as b2

#: Stands in for Python's module `gc`.
_NO_SEARCH = SimpleNamespace(collect=lambda: 0)
_lock = threading.Lock()
_running = 0


class CircuitNetwork(b2.Network):
    """A network that contains all objects of its circuit.

    Whenever a network begins to run, Brian2 has all of the heap searched, to warn of objects that no network contains.
    That takes .1 to .3 s, longer than many runs, and here it would find none.
    """

    def run(self, *args, **kwargs):
        """Run, as Brian2's own network does, without the search."""
        with _without_search():
            super().run(*args, **kwargs)


@contextlib.contextmanager
def _without_search() -> Iterator[None]:
    global _running
    module = sys.modules[b2.Network.__module__]
    with _lock:
        _running += 1
        module.gc = _NO_SEARCH
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                module.gc = gc
