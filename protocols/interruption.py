"""Ctrl-C, termination and what batch systems send before it, handled where nothing is lost.

Brian2 turns SIGINT into an end of the run that looks like any other; so the clockwork has handlers of its own.
"""

import contextlib
import queue
import signal
import threading
import time
import types
from collections.abc import Callable, Iterator

#: These always stop what runs.
_ALWAYS = ("SIGINT", "SIGTERM")
#: A closed terminal, a batch system's warning, a limit of processor time: unless the user ignores or handles them.
_BY_DEFAULT = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")

#: Libraries that call back from compiled code, which exceptions do not get through: whatever they call, and themselves.
_LOSING_ALL = ("importlib", "h5py")
#: Those that lose only what is raised in their own code. Python calls weakref's wherever an object of h5py is freed.
_LOSING_OWN = ("pydantic", "weakref")
#: Seconds after which a signal is taken again that had to wait.
_WAIT = 0.02
_OWN = __name__.partition(".")[0]

_own_handlers: set[Callable] = set()
_received: list[str] = []
_nested: list[bool] = []


@contextlib.contextmanager
def on_interrupt(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` on a signal that is to stop what runs, in place of what else would happen.

    That is on SIGINT and SIGTERM, and on SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU unless these are ignored, as by nohup, or
    have a handler of the user's. Signals reach the main thread only; in other threads nothing changes.
    """

    def handle(number, frame):
        _received.append(signal.Signals(number).name)
        callback()

    if not _nested:
        _received.clear()
    with _handling(handle, (*_ALWAYS, *_BY_DEFAULT)), _nesting():
        yield


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on what `on_interrupt` takes, in place of what else would happen.

    On SIGINT too, unless it is ignored. A signal that comes while a module is being imported, parameters are being
    checked or HDF5 is at work, waits until that is done: there exceptions are lost, or become others. A second one does
    not wait.
    """
    # A handler may come while a lock of `threading` is held, and so starts no thread: it writes to one that is there.
    later: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    waiting: set[int] = set()
    repeated: set[int] = set()
    settled = threading.Lock()

    def repeat():
        while (number := later.get()) is not None:
            time.sleep(_WAIT)
            with settled:
                if number in waiting:
                    repeated.add(number)
                    _send(number)

    def handle(number, frame):
        is_repeat, is_first = number in repeated, number not in waiting
        repeated.discard(number)
        waiting.discard(number)
        if (is_repeat or is_first) and _loses_exceptions(frame):
            waiting.add(number)
            later.put(number)
            return
        _received.append(signal.Signals(number).name)
        raise interrupted()

    own = signal.getsignal(signal.SIGINT) in (signal.default_int_handler, *_own_handlers)
    threading.Thread(target=repeat, daemon=True, name="corinfomax_signals").start()
    with _handling(handle, ("SIGTERM", *_BY_DEFAULT, *(["SIGINT"] if own else []))):
        try:
            yield
        finally:
            with settled:
                left = [*waiting]
                waiting.clear()
            later.put(None)
        if left:
            _received.append(signal.Signals(left[0]).name)
            raise interrupted()


def _send(number: int):
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, number)  # ends what the main thread waits for, too
    else:
        signal.raise_signal(number)


def _loses_exceptions(frame: types.FrameType | None) -> bool:
    """Whether a library is at work, at some place of a stack or at its top, that loses what is raised there."""
    top = True
    while frame is not None:
        library = str(frame.f_globals.get("__name__")).partition(".")[0]
        if library in _LOSING_ALL or (top and library in _LOSING_OWN):
            return True
        top = top and library != _OWN
        frame = frame.f_back
    return False


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the context, and in processes that are started in it until `let_through`.

    So that it does not come upon a process which is just importing what it needs, and would say so at length.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # Python's helper of processes lets signals through when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through():
    """Take Ctrl-C again, in a process that was started while it was held back."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def interrupted() -> KeyboardInterrupt:
    """Make the exception that ends what a signal has stopped; its argument names a signal that is not Ctrl-C's."""
    return KeyboardInterrupt(*filter(None, [stopped_by()]))


def stopped_by() -> str:
    """Name of the signal that came last, "" if it was Ctrl-C's or none came."""
    return _received[-1] if _received and _received[-1] != "SIGINT" else ""


@contextlib.contextmanager
def _nesting() -> Iterator[None]:
    _nested.append(True)
    try:
        yield
    finally:
        _nested.pop()


@contextlib.contextmanager
def _handling(handle: Callable, names: tuple[str, ...]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = {}
    for name in names:
        number = getattr(signal, name, None)  # Windows has the first two only
        if number is not None and (name in _ALWAYS or signal.getsignal(number) in (signal.SIG_DFL, *_own_handlers)):
            taken[number] = signal.getsignal(number)
    _own_handlers.add(handle)
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        _own_handlers.discard(handle)
