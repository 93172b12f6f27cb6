"""Units and masks: converted where they belong, refused elsewhere, never dropped."""

from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nA, second, volt

from corinfomax.errors import CorInfoMaxError, ParameterError, StimulusError
from corinfomax.models import Cell
from corinfomax.networks import (
    Circuit,
    CorInfoMax,
    EquilibriumPropagation,
    PopulationSpec,
    PredictiveCoding,
)
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.stimuli import Stimuli
from corinfomax.units import in_milliseconds, unit_of

X = np.linspace(0, 1, 8).reshape(2, 4)
MASKED = np.ma.masked_greater(X, 0.9)


class Dendrite(Cell):
    """A cell with an injected potential, which has a unit."""

    equations = "I_ext : volt\ndv/dt = (I_ext - v)/(10*ms) : volt"
    outputs = ()


def _preparation(**course):
    return Preparation(CorInfoMax([4, 5, 3]), protocol=Protocol([Phase("free", 5, course=course)]))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda tau: CorInfoMax([4, 5, 3], tau_u=tau).tau / ms, 20),
        (lambda tau: EquilibriumPropagation([4, 5, 3], tau=tau).tau / ms, 20),
        (lambda tau: PredictiveCoding([4, 5, 3], tau=tau).tau / ms, 20),
        (lambda tau: CorInfoMax([4, 5, 3], tau_A=tau).parameters.tau_A, 20),
        (lambda tau: CorInfoMax([4, 5, 3], tau_noise=tau).parameters.tau_noise, 20),
    ],
)  # fmt: skip
def test_times_are_converted(build, expected):
    """A time with a unit is the number of milliseconds that it is, .02 s as 20 ms as 20: by arithmetic."""
    for tau in (20, 20 * ms, 0.02 * second):
        assert float(build(tau)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CorInfoMax([4, 5, 3], tau_u=10 * mV), ParameterError, "tau_u .* mV; should be a time"),
        (lambda: CorInfoMax([4, 5, 3], epsilon=[0.1 * mV, 0.2]), ParameterError, "epsilon"),
        (lambda: CorInfoMax([4, 5, 3], weights={"W_ff": {0: np.ones((5, 4)) * mV}}), ParameterError, r"W_ff\[0\] .*mV"),
        (lambda: _preparation().present(100 * Hz * X[:1]), StimulusError, "x has the unit Hz"),
        (lambda: _preparation().present(X[:1], X[:1, :3] * mV), StimulusError, "y has the unit [mu]V"),
        (lambda: _preparation().present(X[:1], X[:1, :3], beta=1 * mV), ParameterError, "beta"),
        (lambda: _preparation(I_soma=1 * nA), ParameterError, "I_soma has no unit .* nA"),
        (lambda: _preparation(**{"layer_1.u": [0.5 * mV] * 5}), ParameterError, r"layer_1\.u has no unit .* mV"),
        (lambda: _preparation().layer(1).write("u", 1 * mV), ParameterError, r"layer_1\.u has no unit"),
        (lambda: Phase("free", 5, beta=1 * mV), ParameterError, "beta"),
        (lambda: Phase("free", 5, input=np.ones(4) * Hz), ParameterError, "input"),
        (lambda: Protocol([Phase("free", 5)], step=0.1 * ms), ParameterError, "step"),
        (lambda: _preparation().present(MASKED[:2]), StimulusError, "x has masked entries"),
        (lambda: Phase("free", 5, course={"I": np.ma.masked_equal([[1.0, 0]], 0)}), ParameterError, "course of I"),
        (lambda: Stimuli(name="mine", x_train=MASKED, x_test=X, task="none"), StimulusError, "x_train has masked"),
        (lambda: Stimuli(name="mine", x_train=X * Hz, x_test=X, task="none"), StimulusError, "x_train has the unit Hz"),
        (lambda: Stimuli.from_labels("mine", X, np.ma.masked_equal([0, 1], 1), X, [0, 1]), StimulusError, "labels_tr"),
    ],
)  # fmt: skip
def test_others_are_refused(make, error, message):
    """A unit where there is none, or another one, and masked entries are refused by name in one line."""
    with pytest.raises(CorInfoMaxError, match=message) as refused:
        make()
    assert isinstance(refused.value, error)
    assert "\n" not in str(refused.value)


def test_units_that_a_variable_has():
    """A course in mV of a variable in volts puts these volts there; one in nA is refused."""
    circuit = Circuit(
        populations=[PopulationSpec("cells", Dendrite(), 2, layer=0)],
        projections=[],
        plasticity=[],
        weights={},
        layers=["cells"],
        teacher=None,
        tau=10 * ms,
    )
    seen = []
    population = Preparation(circuit).populations["cells"]
    population.write("I_ext", 3 * mV)
    seen.append(population.read("I_ext"))
    np.testing.assert_allclose(seen[0], 3e-3, rtol=1e-12)
    with pytest.raises(ParameterError, match="the unit V; given is"):
        population.write("I_ext", 3 * nA)


def test_quantities_of_other_libraries():
    """What has the attributes of Pint's and Astropy's quantities: a unit is named, and times are converted."""
    pint = SimpleNamespace(
        magnitude=2.0,
        units="second",
        dimensionless=False,
        check=lambda dimension: dimension == "[time]",
        to=lambda unit: SimpleNamespace(magnitude=2000.0),
    )
    astropy = SimpleNamespace(
        unit=SimpleNamespace(is_equivalent=lambda other: other == "ms"), to_value=lambda unit: 2000.0
    )
    assert unit_of(pint) == "second"
    assert in_milliseconds(pint) == in_milliseconds(astropy) == 2000.0
    assert unit_of([1.0, 2 * volt]) == "V"
    assert unit_of(3.0) is unit_of(np.ones(2)) is unit_of(1 * mV / mV) is None
