"""Brian2's network of a circuit."""

import gc

import brian2 as b2


class CircuitNetwork(b2.Network):
    """A network that contains all objects of its circuit.

    Whenever a network begins to run, Brian2 has all of the heap searched, to warn of objects that no network contains.
    That takes .1 to .3 s, longer than many runs. Here the search passes over what is there already.
    """

    _set_aside = False

    def run(self, *args, **kwargs):
        """Run, as Brian2's own network does."""
        if not gc.get_freeze_count():  # else the user has set objects aside, and they stay so
            gc.freeze()
            self._set_aside = True
        try:
            super().run(*args, **kwargs)
        finally:
            self._give_back()

    def before_run(self, run_namespace):
        """Prepare the run; Brian2 calls it when it has searched."""
        self._give_back()
        super().before_run(run_namespace)

    def _give_back(self):
        if self._set_aside:
            gc.unfreeze()
        self._set_aside = False
