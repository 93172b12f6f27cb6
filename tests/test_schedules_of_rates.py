"""Schedules of learning rates, against values written out by hand."""

import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import Constant, EpochDecay, InverseTime, Progress, Staircase
from corinfomax.networks.schedules import as_schedule


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(0.3), [0.3] * 6),
        (EpochDecay(2.0), [2.0] * 6),
        (EpochDecay(2.0, ((0, 0.5),)), [2, 1, 0.5, 0.25, 0.125, 0.0625]),
        (EpochDecay(1.0, ((0, 0.5), (3, 0.1))), [1, 0.5, 0.25, 1e-3, 1e-4, 1e-5]),
        (Staircase(8.0, 0.5, 2), [8, 8, 4, 4, 2, 2]),
        (Staircase(8.0, 0.5, 1), [8, 4, 2, 1, 0.5, 0.25]),
    ],
)
def test_by_epoch(schedule, values):
    """Values of the first six epochs, whatever the number of presentations, equal those written out."""
    for presentation in (0, 77):
        found = [schedule(Progress(epoch, presentation)) for epoch in range(6)]
        assert found == pytest.approx(values, rel=1e-14)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Staircase(8.0, 0.5, 3, "presentations"), [8, 8, 8, 4, 4, 4, 2]),
        (InverseTime(1.0, 20.0), [1 / 20, 1 / 21, 1 / 22, 1 / 23, 1 / 24, 1 / 25, 1 / 26]),
        (InverseTime(0.5, 2.0), [1 / 4, 1 / 6, 1 / 8, 1 / 10, 1 / 12, 1 / 14, 1 / 16]),
    ],
)
def test_by_presentation(schedule, values):
    """Values of the first seven presentations, whatever the epoch, equal those written out."""
    for epoch in (0, 5):
        found = [schedule(Progress(epoch, presentation)) for presentation in range(7)]
        assert found == pytest.approx(values, rel=1e-14)


def test_the_published_drop():
    """.95ᵉ before epoch 15, then .9ᵉ: from .4877 to .2059."""
    schedule = EpochDecay(1.0, ((0, 0.95), (15, 0.9)))
    assert [schedule(Progress(epoch)) for epoch in (14, 15)] == pytest.approx([0.4877, 0.2059], abs=5e-5)


def test_a_number_is_a_constant_schedule():
    """Numbers become constant schedules, schedules stay what they are."""
    assert as_schedule(3) == Constant(3.0)
    staircase = Staircase(1.0, 0.5, 2)
    assert as_schedule(staircase) is staircase


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Staircase(1.0, 0.5, 0), "every = 0: should be greater than or equal to 1"),
        (lambda: Staircase(1.0, 0.5, 2, "steps"), "unit = 'steps': should be 'epochs' or 'presentations'"),
        (lambda: InverseTime(1.0, 0.0), r"offset = 0\.0: must be above 0"),
    ],
)
def test_refused(make, message):
    """Schedules that would divide by 0 or count nothing are refused in one line."""
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize("decay", [((5, 0.9),), ((0, 1.0), (0, 0.9)), ((0, 1.0), (3, 0.9), (2, 0.8))])
def test_pieces_of_a_decay_begin_with_0_and_increase(decay):
    """Others are a `ParameterError` when the schedule is made."""
    with pytest.raises(ParameterError, match="first epochs must begin with 0 and increase"):
        EpochDecay(1.0, decay)
