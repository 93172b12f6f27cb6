import numpy as np
import pytest

from corinfomax.analysis import angle, cmi_backward, cmi_forward, read_history, summarise
from corinfomax.errors import ParameterError, RunError


@pytest.fixture
def circuit():
    """States and weights of a circuit with 6-5-4-3 units, 40 stimuli, P = 3."""
    rng = np.random.default_rng(0)
    sizes, P = [6, 5, 4, 3], 3
    u = {k: rng.normal(0.5, 0.5, (40, sizes[k])) for k in range(1, P + 1)}
    return {
        "r": {0: rng.random((40, 6)), **{k: np.clip(v, 0, 1) for k, v in u.items()}},
        "u": u,
        "residual": {k: 0.1 * k * np.ones((40, sizes[k])) for k in u},
        "W_ff": {k: rng.standard_normal((sizes[k + 1], sizes[k])) for k in range(P)},
        "W_fb": {k: rng.standard_normal((sizes[k], sizes[k + 1])) for k in range(1, P)},
        "B": {k: np.diag(np.arange(1.0, sizes[k] + 1)) for k in range(1, P + 1)},
        "epsilon": [0.1, 0.15, 0.2],
        "excess": {2: np.linspace(0, 1, 40)},
    }


def test_summary_has_exactly_the_columns_of_the_history(circuit):
    """The columns of two hidden layers, all of them floats."""
    of_layers = ("sparsity", "saturation", "participation_ratio", "stuck", "definiteness")
    layer_columns = {f"{name}_{k}" for name in of_layers for k in (1, 2, 3)}
    feedback_columns = {f"{name}_{k}" for name in ("angle", "cmi_backward", "norm_fb", "negative_fb") for k in (1, 2)}
    forward_columns = {f"{name}_{k}" for name in ("cmi_forward", "norm_ff", "negative_ff") for k in (0, 1, 2)}
    summary = summarise(**circuit)
    assert summary.keys() == layer_columns | feedback_columns | forward_columns | {"excess_2", "settling_residual"}
    assert all(type(value) is float for value in summary.values())


def test_summary_pairs_each_projection_with_its_own_layers(circuit):
    """Angle and information of projection 2 use r_2, r_3, W^(2) and ε_2; the residual is the worst layer's (exact)."""
    r, W_ff, W_fb = circuit["r"], circuit["W_ff"], circuit["W_fb"]
    summary = summarise(**circuit)
    assert summary["angle_2"] == angle(W_ff[2], W_fb[2])
    assert summary["cmi_forward_2"] == cmi_forward(r[2], r[3], 0.2)
    assert summary["cmi_backward_2"] == cmi_backward(r[2], r[3], 0.2)
    assert summary["settling_residual"] == pytest.approx(0.3)
    assert summary["norm_ff_1"] == pytest.approx(np.sqrt((W_ff[1] ** 2).sum()))
    assert summary["definiteness_2"] == pytest.approx(1 / 4)
    assert summary["excess_2"] == pytest.approx(0.99)


def test_summary_names_what_is_missing(circuit):
    """A projection without feedback weights is refused by name."""
    del circuit["W_fb"][2]
    with pytest.raises(ParameterError, match="W_fb has no entry 2"):
        summarise(**circuit)


def test_history_comes_back_as_written(tmp_path):
    """A history of two epochs, with an undefined value, is read unchanged."""
    (tmp_path / "history.csv").write_text("epoch,test_accuracy,angle_1\n1,0.875,90.0\n2,0.9,\n")
    history = read_history(tmp_path)
    assert history["epoch"].tolist() == [1, 2]
    assert history["test_accuracy"].tolist() == [0.875, 0.9]
    assert np.isnan(history["angle_1"][1])


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"epoch,angle_1\n",
        b"time\n1\n",
        b"epoch,angle_1\n1,ninety\n",
        b"epoch,angle_1\n1,90.0\n2,6",
        b"epoch\n1,2,3\n4,5\n6,7,8,9\n",
        b"\xff\xfe\x00",
    ],
)
def test_damaged_histories_are_named_in_one_line(tmp_path, content):
    """A missing, empty or damaged history is a RunError of one line that names the file."""
    if content is not None:
        (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"history\.csv: ") as caught:
        read_history(tmp_path)
    assert "\n" not in str(caught.value)
