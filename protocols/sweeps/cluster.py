"""Where a sweep runs: in processes of this machine, on a scheduler that is there already, or in jobs of SLURM."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ...errors import LibraryError, RunError
from ...parameters import Count
from ..interruption import held_back
from . import worker

if TYPE_CHECKING:
    from distributed import Client

#: What Dask raises where nobody answers in time; in Python 3.10 asyncio has an error of its own for that.
TIMEOUTS = (TimeoutError, asyncio.TimeoutError)
#: Seconds that a scheduler has to answer.
PATIENCE = 10.0
#: Where Dask's dashboard is, if the port is free.
_DASHBOARD = "127.0.0.1:8787"
#: What the library is called that submits jobs, and what needs it.
JOBQUEUE = ("dask-jobqueue", "--slurm")
_LIBRARIES_OF_THREADS = ("OMP", "OPENBLAS", "MKL")


class Slurm(BaseModel):
    """``[slurm]``: the jobs that workers run in.

    Parameters
    ----------
    walltime : str, default "01:00:00"
        A run that a job's end cuts off goes on in another job.
    memory : str, default "4GB"
        Of a job.
    queue, account : str, optional
    processes : int, default 1
        Workers in a job; each has as many cores as a run has `blas_threads`.
    directives : list of str
        Further ``#SBATCH`` lines, as ``"--constraint=avx512"``.
    prologue : list of str
        Shell commands before the worker, as ``"module load gcc"``.
    interface : str, optional
        Network interface that workers reach this machine by, as ``"ib0"``.
    """

    model_config = ConfigDict(extra="forbid")
    walltime: str = "01:00:00"
    memory: str = "4GB"
    queue: str | None = None
    account: str | None = None
    processes: Count = 1
    directives: list[str] = []
    prologue: list[str] = []
    interface: str | None = None


def extra(module: str, package: str, what: str):
    """Import a module that is no part of every installation; a `LibraryError` says how to install it.

    Parameters
    ----------
    module, package : str
        What is imported, and what it is called where it is installed from.
    what : str
        What needs it.
    """
    if importlib.util.find_spec(module) is None:
        raise LibraryError(f"{what} needs {package}, which is not installed; pip install 'corinfomax[sweep]' has it")
    return importlib.import_module(module)


def slurm_cluster(slurm: Slurm, threads: int, logs: Path):
    """Make a cluster of SLURM jobs, none of which is submitted yet.

    Parameters
    ----------
    slurm : Slurm
    threads : int
        Cores of a worker.
    logs : Path
        Folder of what jobs print.
    """
    jobqueue = extra("dask_jobqueue", *JOBQUEUE)
    options = slurm.model_dump(exclude={"directives", "prologue", "interface", "processes"})
    exported = [f"export {name}_NUM_THREADS={threads}" for name in _LIBRARIES_OF_THREADS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a port that is taken
        return jobqueue.SLURMCluster(
            **options,
            cores=slurm.processes,
            processes=slurm.processes,
            job_cpu=slurm.processes * threads,
            job_extra_directives=slurm.directives,
            job_script_prologue=[*exported, *slurm.prologue],
            interface=slurm.interface,
            python=sys.executable,
            log_directory=str(logs),
            job_name="corinfomax-sweep",
        )


@contextlib.contextmanager
def connected(
    jobs: int, threads: int, scheduler: str | None = None, slurm: Slurm | None = None, logs: Path = Path()
) -> Iterator[Client]:
    """Make a context with a client of Dask that has workers, or will have them.

    Parameters
    ----------
    jobs : int
        Processes of this machine, or jobs of SLURM; of no account with a scheduler.
    threads : int
        Of the linear algebra of each.
    scheduler : str, optional
        Address of one that is there.
    slurm : Slurm, optional
    logs : Path
        Folder of what jobs of SLURM print.

    Raises
    ------
    RunError
        If the scheduler does not answer, or jobs cannot be submitted.
    """
    with _silently(), contextlib.ExitStack() as stack:
        from distributed import Client, LocalCluster

        if scheduler is not None:
            try:
                client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
            except (OSError, *TIMEOUTS, ValueError, TypeError) as error:
                raise RunError(f"scheduler {scheduler}: does not answer ({_first_line(error)})") from None
            stack.callback(_close, client)
            yield client
            return
        # Workers end with this process, and stop when it says so: Ctrl-C is not for them.
        with held_back(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a port that is taken
            if slurm is None:
                cluster = LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=None,
                    host="127.0.0.1",
                    dashboard_address=_DASHBOARD,
                    silence_logs=logging.CRITICAL,
                    env={f"{name}_NUM_THREADS": str(threads) for name in _LIBRARIES_OF_THREADS},
                )
            else:
                cluster = slurm_cluster(slurm, threads, logs)
                if shutil.which(submits := cluster.job_cls.submit_command) is None:
                    raise RunError(f"--slurm: {submits}, which submits jobs, is not on this machine")
            stack.enter_context(cluster)
            client = Client(cluster, set_as_default=False)
            stack.callback(_close, client)
        if slurm is not None:
            # Jobs that end are followed by others, until the sweep is done.
            cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
        yield client


def _close(client: Client):
    """Close a client, also one whose scheduler is lost."""
    with contextlib.suppress(OSError, *TIMEOUTS):
        client.close(timeout=PATIENCE)


def dashboard(client: Client) -> str:
    """Say where Dask shows what is going on."""
    if importlib.util.find_spec("bokeh") is None:
        return "Dask's dashboard needs bokeh, which is not installed"
    return f"dashboard: {client.dashboard_link}"


@contextlib.contextmanager
def workers(
    jobs: int,
    threads: int,
    mark: tuple[str, str],
    simulate: bool,
    scheduler: str | None = None,
    slurm: Slurm | None = None,
    logs: Path = Path(),
) -> Iterator[Client]:
    """Make a context with a client of Dask whose workers can take part.

    Parameters
    ----------
    jobs, threads, scheduler, slurm, logs
        As of `connected`.
    mark : tuple of str
        A file that all of them have to see, and what it holds.
    simulate : bool
        Whether there are circuits with dynamics among the runs, for which workers import Brian2 at once.

    Raises
    ------
    RunError
        Also if a worker cannot take part.
    """
    with connected(jobs, threads, scheduler, slurm, logs) as client:
        check_workers(client, worker.versions(), mark)
        if simulate:
            prepare_workers(client)
        yield client


def check_workers(client: Client, wanted: dict[str, str], mark: tuple[str, str]):
    """Raise a `RunError` that names the first worker that cannot take part, and says why; see `worker.fault`."""
    for address, found in client.run(worker.fault, wanted, mark, on_error="return").items():
        if isinstance(found, Exception):
            missing = f"has no corinfomax {wanted['corinfomax']}"
            # Errors of a worker's come as themselves, or as what Dask has written of them.
            lacks = isinstance(found, ImportError | AttributeError) or "No module named 'corinfomax" in str(found)
            found = missing if lacks else _first_line(found)
        if found is not None:
            raise RunError(f"worker {address}: {found}")


def prepare_workers(client: Client):
    """Let all workers, those that are still to come, too, be ready for circuits with dynamics."""
    from .plugin import Brian2Imported

    client.register_plugin(Brian2Imported())


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Keep Dask from printing what happens to workers, which the sweep tells in its own words."""
    import distributed  # noqa: F401  (it sets up its loggers when it is imported)

    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    levels: list[tuple[logging.Logger, int]] = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
