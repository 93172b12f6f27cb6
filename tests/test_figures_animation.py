import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from corinfomax.analysis import LayerRecording, Recording
from corinfomax.analysis.figures import save_animation, settling_animation
from corinfomax.errors import ParameterError, RunError

matplotlib.use("Agg")

STEPS, REST = 9, -0.07


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def recording():
    """Two stimuli, six steps of the free phase and three of the nudge phase, two layers."""
    rng = np.random.default_rng(0)

    def layer(cells):
        potentials = ("V_soma", "V_basal", "V_apical")
        traces = {name: rng.uniform(-0.09, -0.03, (STEPS, 2, len(cells))) for name in potentials}
        return LayerRecording(np.array(cells), {**traces, "rate": rng.uniform(0, 100, (STEPS, 2, len(cells)))})

    return Recording(
        t=5e-4 * np.arange(1, STEPS + 1),
        s=0.05 * np.arange(1, STEPS + 1),
        phase=np.array(["free"] * 6 + ["nudge"] * 3),
        beta=np.array([0.0] * 6 + [-1.0] * 3),
        stimuli=np.array([4, 7]),
        layers={1: layer([2, 3, 9]), 2: layer([0, 1])},
        output_layer=2,
        V_rest=REST,
        labels=np.array([1, 0]),
    )


def test_bars_are_the_recording(recording):
    """Bars reach from rest to each compartment's potential (mV), to 1e-9, and output rates (Hz) are as recorded."""
    animation = settling_animation(recording, stimulus=1)
    output, hidden, rates = animation.figure.axes[:3]
    for step in (2, 7):
        animation._func(step)
        for ax, k in ((output, 2), (hidden, 1)):
            for bars, variable in zip(ax.containers, ("V_apical", "V_soma", "V_basal"), strict=True):
                tops = [bar.get_y() + bar.get_height() for bar in bars]
                np.testing.assert_allclose(tops, 1e3 * recording.layers[k][variable][step, 1], rtol=0, atol=1e-9)
                assert [bar.get_y() for bar in bars] == [1e3 * REST] * len(tops)
        found = [bar.get_width() for bar in rates.containers[0]]
        np.testing.assert_array_equal(found, recording.layers[2]["rate"][step, 1])
    assert [text.get_text() for text in rates.get_yticklabels()] == ["0 (target)", "1"]
    animation._draw_was_started = True  # no warning that it was never shown


def test_the_title_tells_phase_beta_and_time(recording):
    """Of each step, with the stimulus and its class."""
    animation = settling_animation(recording)
    titles = []
    for step in (0, 8):
        animation._func(step)
        titles.append(animation.figure.get_suptitle())
    assert titles == [
        r"Stimulus 4, class 1: free phase, $\beta$ = 0, 0.5 ms",
        r"Stimulus 4, class 1: nudge phase, $\beta$ = -1, 4.5 ms",
    ]
    animation._draw_was_started = True


@pytest.mark.parametrize(("every", "steps"), [(None, list(range(STEPS))), (3, [2, 5, 8])])
def test_a_gif_has_as_many_frames_as_steps_are_shown(recording, tmp_path, every, steps):
    """Frames of the file, read by Pillow, equal the steps shown, the last among them; the settings stay the user's."""
    settings = dict(matplotlib.rcParams)
    animation = settling_animation(recording, every=every)
    assert animation.steps.tolist() == steps
    path = save_animation(animation, tmp_path / "new" / "settling.gif")
    with Image.open(path) as picture:
        assert (picture.format, picture.n_frames) == ("GIF", len(steps))
        assert picture.width >= 1000
    assert [file.name for file in path.parent.iterdir()] == ["settling.gif"]
    assert dict(matplotlib.rcParams) == settings


def test_an_older_gif_stays_whole_when_writing_fails(recording, tmp_path, monkeypatch):
    """A disk that is full is told in one line, and the file before stays, byte for byte."""
    path = tmp_path / "settling.gif"
    path.write_bytes(b"older")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    animation = settling_animation(recording)
    monkeypatch.setattr(animation, "save", full)
    animation._draw_was_started = True
    with pytest.raises(RunError, match="No space left on device"):
        save_animation(animation, path)
    assert path.read_bytes() == b"older"
    with pytest.raises(ParameterError, match=r"must end in \.gif"):
        save_animation(animation, tmp_path / "settling.mp4")


def test_what_was_not_recorded_is_refused(recording):
    """Stimuli and layers that are not there, steps that are none."""
    for wrong, complaint in (
        ({"stimulus": 2}, "stimulus 2 is not among 0 to 1"),
        ({"layers": [3]}, "potentials of layer 3 were not recorded"),
        ({"layers": []}, "no potentials"),
        ({"every": 0}, "must be positive"),
    ):
        with pytest.raises(ParameterError, match=complaint):
            settling_animation(recording, **wrong)
