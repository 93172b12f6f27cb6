"""What a worker of Dask is told when it starts, however late it comes."""

from distributed import Worker, WorkerPlugin


class Brian2Imported(WorkerPlugin):
    """Brian2 is imported where it must be, in the main thread: it handles signals. Runs are trained in another one."""

    name = "corinfomax-brian2"

    def setup(self, worker: Worker):
        """Import it."""
        import brian2  # noqa: F401
