"""Known failures of training, told from a history."""

import numpy as np
import pandas as pd
import pytest

from corinfomax.analysis import definiteness, diagnose, stuck

HEALTHY = {
    "epoch": 1,
    "settling_residual": 0.1,
    "angle_1": 65.0,
    "norm_ff_0": 10.0,
    "norm_fb_1": 2.0,
    "stuck_1": 0.3,
    "definiteness_1": -1e-7,
    "excess_1": 70.0,
}


def test_a_healthy_run_has_no_findings():
    """Neither a healthy history nor an empty one nor one of another circuit's columns finds anything."""
    assert diagnose([HEALTHY, {**HEALTHY, "epoch": 2, "norm_ff_0": 30.0}]) == []
    assert diagnose([]) == []
    assert diagnose(pd.DataFrame({"epoch": [1], "loss_of": [3.0]})) == []


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("settling_residual", 3.0, "does not settle"),
        ("angle_1", 5.0, "layers 1 and 2 have become symmetric"),
        ("norm_ff_0", 101.0, "W_ff of projection 0 grows"),
        ("norm_fb_1", 21.0, "W_fb of projection 1 grows"),
        ("stuck_1", 0.95, "layer 1 are dead or saturated"),
        ("definiteness_1", -0.01, "B of layer 1 is no longer positive definite"),
    ],
)
def test_each_failure_is_found(column, value, words):
    """One bad number in the last epoch gives one finding, which says what was found, what should be, what to do."""
    [finding] = diagnose([HEALTHY, {**HEALTHY, "epoch": 2, column: value}])
    assert words in finding.what
    assert finding.advice
    assert str(finding) == f"{finding.what}: {finding.found}, should be {finding.wanted}; {finding.advice}"
    assert diagnose([{**HEALTHY, column: HEALTHY[column]}]) == []


def test_stuck_cells():
    """Silent, saturated and constant cells count, one that moves for a single stimulus does not; exactly."""
    r = np.array([[0.0, 1.0, 0.4, 0.0], [0.0, 1.0, 0.4, 0.1], [0.0, 1.0, 0.4, 0.0]])
    assert stuck(r) == 0.75
    assert stuck(r[:1]) == 0.0


def test_definiteness():
    """Is the ratio of the ends of a spectrum that a rotation hides, to 1e-12."""
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))
    assert definiteness(Q @ np.diag([3.0, -0.25, 1, 2, 5]) @ Q.T) == pytest.approx(-0.05, abs=1e-12)
