"""Draw the figures of the pages in this folder: ``python docs/rules/draw.py [NAME]…``.

Run by hand, in a minute; the pages show the files that it leaves beside itself. Without names it draws all of them:

- ``equilibrium_propagation``, ``contrastive_similarity_matching``, ``predictive_coding``, ``nudged_predictive_coding``:
  a circuit of the rule's preset for the digits is trained for a few epochs. Then it is presented a test stimulus that
  it takes for another, with the teacher. Drawn are the output cell of the right class and the hidden cell that the
  teacher moves most.
- ``reciprocal_feedback``: the same in a circuit of preset ``digits_rf``, the cells of layer 1 and 2 that the error
  reaches most.
- ``feedback_alignment``: angle between W[1] and the feedback, and test accuracy, over epochs.
- ``backpropagation``: test accuracy over epochs, of both losses.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt

from corinfomax import Preparation, Stimulus
from corinfomax.analysis import accuracy, angle, read_recording
from corinfomax.analysis.figures import compartment_voltages, courses, publication_style
from corinfomax.protocols.recording import record
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.systems.reciprocal_feedback import learn_from_noise
from corinfomax.stimuli import batches, load_stimuli

HERE = Path(__file__).resolve().parent
DIGITS = load_stimuli("digits")
#: Preset and epochs of training of the rules that have cells in time.
CIRCUITS = {
    "equilibrium_propagation": ("digits_ep", 2),
    "contrastive_similarity_matching": ("digits_csm", 2),
    "predictive_coding": ("digits_pc", 2),
    "nudged_predictive_coding": ("digits_pc_nudge", 2),
}
SEEDS = (0, 1, 2)


class Trained:
    """A preset's network and what presents stimuli to it.

    Parameters
    ----------
    preset : str
    seed : int
    """

    def __init__(self, preset, seed=0):
        configuration = Configuration.read(preset, [f"seed={seed}"])
        self.protocol = configuration.build_protocol() if configuration.protocol is not None else None
        self.network = configuration.build_circuit()
        mount = configuration.entry.mount
        self.learning = mount(self.network, 20, self.protocol, "numpy", dtype=np.float32)
        self.looking = mount(self.network, len(DIGITS.x_test), self.protocol, "numpy", dtype=np.float32)
        self.random = np.random.default_rng(seed)

    def epoch(self, number):
        """Learn from every training stimulus once."""
        self.network.epoch = number
        betas = (1.0,) if self.protocol is None else self.protocol.betas
        self.learning.run(
            Stimulus(DIGITS.x_train[n], DIGITS.y_train[n], beta=self.random.choice(betas), learn=True)
            for n in batches(len(DIGITS.x_train), 20, self.random)
        )

    def history(self, epochs):
        """Test accuracy and, with feedback of its own, angle, before learning and after each epoch."""
        rows = []
        for number in range(epochs + 1):
            if number:
                self.epoch(number - 1)
            rows.append(
                {"epoch": number, "test_accuracy": accuracy(self.looking.predict(DIGITS.x_test), DIGITS.y_test)}
            )
            if "W_fb" in self.network.weights:
                rows[-1]["angle_1"] = angle(self.network.weights["W"][1], self.network.weights["W_fb"][1])
        return pd.DataFrame(rows)


def telling(trained, beta):
    """A test stimulus that is taken for another, its class, and the hidden cell that the teacher moves most."""
    output = trained.looking.predict(DIGITS.x_test)
    labels = DIGITS.labels_test
    wrong = np.flatnonzero(output.argmax(axis=1) != labels)
    shown = trained.looking.present(DIGITS.x_test, DIGITS.y_test, beta=beta, learn=False, variables=("V_soma",))
    before, after = (phase.V_soma for phase in shown.phases.values())
    moved = np.abs(after[1][-1] - before[1][-1])
    target = np.abs(after[2][-1] - before[2][-1])[np.arange(len(labels)), labels]
    stimulus = wrong[np.argmax(moved[wrong].max(axis=1) * (target[wrong] > 0.1 * target.max()))]
    return int(stimulus), int(labels[stimulus]), int(moved[stimulus].argmax())


def circuit(name):
    """Potentials of one output cell and one hidden cell through the phases of one presentation."""
    preset, epochs = CIRCUITS[name]
    trained = Trained(preset)
    for number in range(epochs):
        trained.epoch(number)
    beta = trained.protocol.beta
    stimulus, label, hidden = telling(trained, beta)
    cells = {1: [hidden], 2: [label]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.npz"
        np.savez(path, **record(trained.looking, DIGITS, [stimulus], cells, beta))
        recording = read_recording(path)
    return compartment_voltages(recording, cells=cells)


def reciprocal_feedback():
    """Potentials of three cells through phases of noise, the prediction and its error."""
    trained = Trained("digits_rf")
    learn_from_noise(trained.learning, 300)
    for number in range(3):
        trained.epoch(number)
    output = trained.looking.predict(DIGITS.x_test)
    stimulus = int(np.flatnonzero(output.argmax(axis=1) != DIGITS.labels_test)[0])
    looking = Preparation(trained.network, 1, protocol=trained.protocol, target="numpy")
    row = slice(stimulus, stimulus + 1)
    error = looking.present(DIGITS.x_test[row], DIGITS.y_test[row], learn=False, variables=("v_A",)).error
    cells = {k: [int(np.abs(error.v_A[k][-1, 0]).argmax())] for k in (1, 2, 3)}
    cells[4] = [int(DIGITS.labels_test[stimulus])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.npz"
        np.savez(path, **record(looking, DIGITS, [stimulus], cells))
        recording = read_recording(path)
    return compartment_voltages(recording, cells=cells)


def feedback_alignment():
    """Angle and accuracy over epochs."""
    histories = {
        loss: [Trained(f"digits_fa_{key}", seed).history(10) for seed in SEEDS]
        for loss, key in (("squared error", "mse"), ("cross-entropy", "ce"))
    }
    with publication_style():
        figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
        for ax, column in zip(axes, ("angle_1", "test_accuracy"), strict=True):
            courses(histories, column, ax=ax)
        axes[0].get_legend().remove()
        axes[0].set_ylabel("Angle between W[1] and the feedback (°)")
        axes[1].set_ylim(80, 100)
    return figure


def backpropagation():
    """Accuracy of both losses over epochs."""
    histories = {
        loss: [Trained(f"digits_bp_{key}", seed).history(10) for seed in SEEDS]
        for loss, key in (("squared error", "mse"), ("cross-entropy", "ce"))
    }
    ax = courses(histories)
    ax.set_ylim(80, 100)
    return ax.figure


def main(names):
    """Draw what is named, or all."""
    others = {
        "reciprocal_feedback": reciprocal_feedback,
        "feedback_alignment": feedback_alignment,
        "backpropagation": backpropagation,
    }
    for name in names or [*CIRCUITS, *others]:
        figure = others[name]() if name in others else circuit(name)
        path = HERE / f"{name}.png"
        figure.savefig(path, dpi=130, bbox_inches="tight")
        plt.close(figure)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
