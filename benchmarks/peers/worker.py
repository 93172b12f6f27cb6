"""A process of the comparison `peers.py`: one system, which trains as it is told and answers in lines of JSON.

    python worker.py MODULE:CLASS FOLDER GROUP

It stands in its environment beside nothing but NumPy and the system. The folder holds the stimuli (``x_train.npy``, …)
and the initial weights of the group, which a system may begin from.

A system has ``run(portions)``, ``predict(x)`` and ``wait()``. A portion is (x, y, signs): minibatches (n, stimuli,
units) and the sign of β for each. `run` takes the next one only when it has trained the last.
"""

import importlib
import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

BATCH, CHUNK = 20, 5


def receive():
    """The next command; the end of the comparison ends this process."""
    line = sys.stdin.readline()
    return json.loads(line) if line else {"do": "end"}


def send(**answer):
    """Answer a command."""
    print(json.dumps(answer), file=ANSWERS, flush=True)


class Source:
    """Minibatches in the order of each epoch, without end."""

    def __init__(self, folder):
        self.x, self.y = np.load(folder / "x_train.npy"), np.load(folder / "y_train.npy")
        self.order, self.epoch = np.empty(0, int), 0

    def take(self, count):
        """The next minibatches, (count, stimuli, units) each, and signs of β."""
        rng = np.random.default_rng([self.epoch, len(self.order)])
        while len(self.order) < count * BATCH:
            self.order = np.append(self.order, np.random.default_rng(self.epoch).permutation(len(self.x)))
            self.epoch += 1
        rows, self.order = np.split(self.order, [count * BATCH])
        rows = rows.reshape(count, BATCH)
        return self.x[rows], self.y[rows], rng.choice([-1.0, 1.0], size=count)


class Stream:
    """The portions of one run: those that commands ask for, until a command asks for something else.

    The clock runs while a portion is trained, and while a run begins and ends.
    """

    def __init__(self, system, source, command):
        self.system, self.source, self.command = system, source, command
        self.called = self.closed = time.perf_counter()

    def __iter__(self):
        spent = time.perf_counter() - self.called
        while self.command["do"] == "train":
            trained, limit = 0, self.command.get("seconds", np.inf)
            wanted = self.command.get("minibatches", np.inf)
            while trained < wanted and spent < limit:
                count = int(min(wanted, CHUNK if limit < np.inf else wanted))
                portion = self.source.take(count)
                begin = time.perf_counter()
                yield portion
                self.system.wait()
                spent += time.perf_counter() - begin
                trained += count
            send(seconds=spent, minibatches=trained)
            self.command, spent = receive(), 0.0
        self.closed = time.perf_counter()


def peak_memory():
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(place, folder, group):
    """Serve one system."""
    module, name = place.split(":")
    with np.load(folder / f"{group}.npz") as archive:
        system = getattr(importlib.import_module(module), name)(dict(archive))
    x_test, labels = np.load(folder / "x_test.npy"), np.load(folder / "labels_test.npy")
    source, command, closing = Source(folder), receive(), 0.0
    while command["do"] != "end":
        if command["do"] == "train":
            stream = Stream(system, source, command)
            system.run(iter(stream))
            command, closing = stream.command, time.perf_counter() - stream.closed
            continue
        if command["do"] == "evaluate":
            right = np.mean(np.argmax(system.predict(x_test), axis=1) == labels)
            send(accuracy=float(right), seconds=closing)
            closing = 0.0
        elif command["do"] == "tell":
            send(peak_mb=peak_memory(), versions={package: version(package) for package in system.packages})
        command = receive()


if __name__ == "__main__":
    # Libraries print; the answers go where nothing else does.
    ANSWERS, sys.stdout = sys.stdout, sys.stderr
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
