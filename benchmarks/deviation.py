"""What `sst_every` costs in accuracy: the SST input is updated on every n-th step and held between."""

import numpy as np
from baseline import Settings

from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, calibrate, contrastive
from corinfomax.stimuli import Stimulus
from corinfomax.stimuli.bundled import digits

BATCH = 20


def deviations(settings: Settings, gains: dict[str, float], every=(2, 5, 10), epochs: int = 3) -> list[dict]:
    """Compare circuits of different `sst_every` on scikit-learn's digits, 64-500-10.

    Two comparisons: of the rates, all else equal, that is with the weights of the circuit trained at
    ``sst_every = 1``; and of the test accuracy when the circuit is also trained at its own `sst_every`.

    Parameters
    ----------
    settings : Settings
    gains : dict of str to float
        Label → `entropy_gain`.
    every : sequence of int
    epochs : int
        Epochs of training.

    Returns
    -------
    list of dict
        For each gain and n: largest and root mean square |Δr| of all layers, replicas and test stimuli at the ends of
        free and nudge phase, share of changed predictions, and test accuracy of the circuit trained with this n.
    """
    stimuli = digits()
    rows = []
    for label, gain in gains.items():
        exact = _trained(settings, gain, 1, stimuli, epochs)
        reference = _phase_ends(settings, gain, 1, exact.weights, stimuli)
        for n in (1, *every):
            ends = _phase_ends(settings, gain, n, exact.weights, stimuli)
            row = {"entropy_gain": label, "sst_every": n}
            for phase in ("free", "nudge"):
                difference = np.concatenate([(ends[phase][k] - reference[phase][k]).ravel() for k in (1, 2)])
                row[f"{phase}_max"] = float(np.abs(difference).max())
                row[f"{phase}_rms"] = float(np.sqrt(np.mean(difference**2)))
            row["predictions_changed"] = float(np.mean(_classes(ends) != _classes(reference)))
            own = exact if n == 1 else _trained(settings, gain, n, stimuli, epochs)
            own_ends = _phase_ends(settings, gain, n, own.weights, stimuli)
            row["test_accuracy"] = float(np.mean(_classes(own_ends) == stimuli.y_test.argmax(1)))
            rows.append(row)
    return rows


def intervals(settings: Settings, gains: dict[str, float], epochs: int = 3) -> list[dict]:
    """What calibrations find on digits, 64-500-10, float32: at the start of each epoch, in both schedules.

    Parameters
    ----------
    settings : Settings
    gains : dict of str to float
        Label → `entropy_gain`.
    epochs : int

    Returns
    -------
    list of dict
        For each gain and schedule: the intervals, and the deviation of the last one as it was measured.
    """
    stimuli, found_all = digits(), []
    for label, gain in gains.items():
        for schedule in ("synchronous", "sequential"):
            circuit = _circuit(settings, gain, None, schedule=schedule)
            preparation = _preparation(settings, circuit, BATCH, "float32")
            rng, found = np.random.default_rng(0), []
            for _ in range(epochs):
                minibatches = np.array_split(rng.permutation(len(stimuli.x_train)), len(stimuli.x_train) // BATCH + 1)
                shown = [
                    Stimulus(stimuli.x_train[i], stimuli.y_train[i], settings.beta, learn=True) for i in minibatches
                ]
                found.append(calibrate(preparation, shown[0])["sst_every"])
                preparation.run(shown)
            last = found[-1].deviations.get(found[-1].steps, 0.0)
            row = {"entropy_gain": label, "schedule": schedule, "intervals": [each.steps for each in found]}
            found_all.append(row | {"deviation": last, "tolerance": found[-1].tolerance})
    return found_all


def _circuit(settings: Settings, gain: float, every: int | None, weights=None, **options) -> CorInfoMax:
    return CorInfoMax(
        [64, 500, 10],
        epsilon=settings.epsilon,
        g_leak=settings.g_leak,
        forgetting=settings.forgetting,
        learning_rate_ff=list(settings.learning_rate_ff),
        learning_rate_fb=settings.learning_rate_fb,
        entropy_gain=gain,
        sst_every=every,
        weights=weights,
        **options,
    )


def _preparation(settings: Settings, circuit: CorInfoMax, replicas: int, dtype: str = "float64") -> Preparation:
    protocol = contrastive(free_steps=settings.free_steps, nudge_steps=settings.nudge_steps, step=settings.step)
    return Preparation(circuit, replicas, dtype=dtype, protocol=protocol)


def _trained(settings: Settings, gain: float, every: int, stimuli, epochs: int) -> CorInfoMax:
    circuit = _circuit(settings, gain, every)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(len(stimuli.x_train)) for _ in range(epochs)])
    minibatches = np.array_split(order, len(order) // BATCH + 1)
    _preparation(settings, circuit, BATCH).run(
        Stimulus(stimuli.x_train[rows], stimuli.y_train[rows], beta=rng.choice([-1, 1]) * settings.beta, learn=True)
        for rows in minibatches
    )
    return circuit


def _phase_ends(settings: Settings, gain: float, every: int, weights, stimuli) -> dict[str, dict[int, np.ndarray]]:
    """Rates of layers 1 and 2 at the ends of both phases, for all test stimuli."""
    x, y = stimuli.x_test, stimuli.y_test
    preparation = _preparation(settings, _circuit(settings, gain, every, weights), len(x))
    ends = {}
    preparation.on_presentation.append(lambda preparation, found: ends.update(found))
    preparation.run([Stimulus(x, y, beta=settings.beta)])
    return {name: {k: end.r[k] for k in (1, 2)} for name, end in ends.items()}


def _classes(ends) -> np.ndarray:
    return ends["free"][2].argmax(axis=1)
