"""Brian2's network of a circuit."""

import sys
from types import SimpleNamespace

import brian2 as b2

#: Stands in for Python's module `gc`.
_NO_SEARCH = SimpleNamespace(collect=lambda: 0)


class CircuitNetwork(b2.Network):
    """A network that contains all objects of its circuit.

    Whenever a network begins to run, Brian2 has all of the heap searched, to warn of objects that no network contains.
    That takes .1 to .3 s, longer than many runs, and here it would find none.
    """

    def run(self, *args, **kwargs):
        """Run, as Brian2's own network does, without the search."""
        module = sys.modules[b2.Network.__module__]
        search, module.gc = module.gc, _NO_SEARCH
        try:
            super().run(*args, **kwargs)
        finally:
            module.gc = search
