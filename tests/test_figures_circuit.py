import json
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import ArrowStyle, Circle, FancyArrowPatch
from point_cells import recurrent_circuit, symmetric_circuit

from corinfomax.analysis.figures import circuit_diagram
from corinfomax.errors import ParameterError
from corinfomax.networks import (
    ContrastiveSimilarityMatching,
    CorInfoMax,
    NudgedPredictiveCoding,
    PredictiveCoding,
    SimilarityMatchingCircuit,
)

matplotlib.use("Agg")

NOISE = {f"noise_{compartment}": 0.1 for compartment in ("soma", "basal", "apical", "SST")}
SIZES = (784, 500, 128, 64, 32, 16, 10)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def small(**options):
    """A circuit of two hidden layers."""
    return CorInfoMax((6, 5, 4, 3), **options)


CIRCUITS = {
    "plain": {},
    "leaky": {"tau_A": 5.0, "tau_B": 5.0, "tau_SST": 5.0},
    "noisy": NOISE,
    "sparse": {"domain": ["B_1_plus", "B_inf_plus", "simplex"]},
    "as published": {"domain": "B_1_plus", "constraints": "as_published"},
}


@pytest.mark.parametrize("options", CIRCUITS.values(), ids=CIRCUITS)
def test_the_description_is_complete_and_plain(options):
    """Each population, projection and link once, with its numbers and weights' shape; JSON gives it back, exactly."""
    circuit = small(**options)
    found = circuit.description()
    assert json.loads(json.dumps(found)) == found
    assert found["layers"] == list(circuit.layers)
    assert [(p["name"], p["kind"], p["layer"], p["size"]) for p in found["populations"]] == [
        (spec.name, type(spec.cell).__name__, spec.layer, spec.size) for spec in circuit.populations
    ]
    keys = ("source", "target", "slot", "pattern", "signal", "name")
    assert [[p[key] for key in keys] for p in found["projections"]] == [
        [getattr(item, key) for key in keys] for item in circuit.projections
    ]
    sizes = {p["name"]: p["size"] for p in found["populations"]}
    for item in found["projections"]:
        key, k = item["weights"]
        shape = (sizes[item["target"]], sizes[item["source"]])[:: -1 if item["transposed"] else 1]
        assert circuit.weights[key][k].shape == (shape[:1] if item["pattern"] == "one_to_one" else shape)
    assert [(item["target"], item["slot"], item["source"], item["variable"]) for item in found["links"]] == [
        (spec.name, name, *read) for spec in circuit.populations for name, read in spec.links
    ]
    assert found["teacher"] == {"population": "layer_3", "slot": "drive_apical", "compartment": "apical"}


@pytest.mark.parametrize("name", ["plain", "leaky", "noisy"])
def test_compartments_are_those_of_the_paper(name):
    """W_ff enters basal dendrites, W_fb apical ones; the lateral input apical ones, in the output layer the soma."""
    found = small(**CIRCUITS[name]).description()
    compartments = {p["name"]: set(p["compartments"]) for p in found["populations"]}
    assert compartments["layer_1"] == compartments["layer_3"] == {"soma", "basal", "apical"}
    assert compartments["SST_2"] == {"soma"}
    assert compartments["stimulus"] == set()
    entered = {(item["weights"][0], item["target"]): item["compartment"] for item in found["projections"]}
    for k in (1, 2, 3):
        lateral = "soma" if k == 3 else "apical"
        assert entered["W_ff", f"layer_{k}"] == "basal"
        assert entered["D", f"layer_{k}"] == lateral
        assert entered["O", f"SST_{k}"] == "soma"
        assert {
            "compartment": lateral,
            "sign": -1,
            "slot": "i_SST",
            "source": f"SST_{k}",
            "target": f"layer_{k}",
            "variable": "i_SST",
        } in found["links"]
    assert entered["W_fb", "layer_1"] == entered["W_fb", "layer_2"] == "apical"


def test_noise_enters_the_compartment_it_is_named_after():
    """Each of the links of background input ends in its own compartment."""
    links = [item for item in small(**NOISE).description()["links"] if item["source"].startswith("noise")]
    assert len(links) == 12
    assert all(item["slot"] == f"noise_{item['compartment']}" for item in links)


def test_inhibition_by_multipliers_is_told_apart():
    """As published it is an apical current, of output cells a somatic one; enforced, it enters no compartment."""
    for constraints, theory in (("as_published", ["apical", "apical", "soma"]), ("enforced", [None] * 3)):
        found = small(domain="B_1_plus", constraints=constraints).description()["projections"]
        assert [item["compartment"] for item in found if item["transposed"]] == theory


def drawn(description):
    """Arrows and labels of a diagram by their gid."""
    ax = circuit_diagram(description)
    arrows = [patch.get_gid() for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    return ax, arrows, [text.get_gid() for text in ax.texts]


def assert_legible(ax):
    """Compare boxes: no two labels overlap or leave the page, the legend's included."""
    figure = ax.figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    names = [text.get_gid() for text in ax.texts]
    boxes.append(ax.get_legend().get_window_extent())
    for n, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert [names[m] for m, other in enumerate(boxes[:n]) if box.overlaps(other)] == []


DEPTHS = [(depth, name) for depth in (2, 3, 5, 6) for name in ("plain", "noisy")] + [
    (2, "sparse and noisy"),
    (3, "sparse and noisy"),
    (5, "sparse and noisy"),
]


@pytest.mark.parametrize(("depth", "name"), DEPTHS)
def test_everything_is_drawn_once_and_legible(depth, name):
    """A label for each population, arrow and label for each projection; no two labels overlap or leave the page."""
    options = CIRCUITS.get(name, {"domain": "B_1_plus", **NOISE})
    description = CorInfoMax(SIZES[: depth + 1], **options).description()
    ax, arrows, labels = drawn(description)
    projections = [item["name"] for item in description["projections"]]
    links = [f"{item['source']}_to_{item['target']}_{item['slot']}" for item in description["links"]]
    assert sorted(arrows) == sorted([*projections, *links, "teacher"])
    populations = [item["name"] for item in description["populations"]]
    synaptic = [link for link in links if not link.startswith("noise")]
    assert sorted(labels) == sorted(f"label {name}" for name in [*populations, *projections, *synaptic, "teacher"])
    assert_legible(ax)


def test_labels_tell_cells_and_shapes():
    """Numbers of cells stand beside populations, target × source beside weights."""
    ax, _, _ = drawn(CorInfoMax((784, 500, 10)).description())
    texts = {text.get_gid(): text.get_text() for text in ax.texts}
    assert texts["label layer_1"] == "Layer 1\n500 pyramidal cells"
    assert texts["label SST_2"] == "10 SST cells"
    assert texts["label stimulus_to_layer_1_drive_basal"].endswith("500 × 784")
    assert texts["label layer_2_to_layer_1_drive_apical"].endswith("500 × 10")


POINTS = {
    "one layer": recurrent_circuit(),
    "two layers": symmetric_circuit(),
    "four layers": symmetric_circuit((784, 500, 200, 100, 10)),
}


@pytest.mark.parametrize("circuit", POINTS.values(), ids=POINTS)
def test_circuits_of_point_cells_are_drawn_with_round_cells(circuit):
    """Biases, both directions of one array, recurrent weights: each once, and legible; classes keep their names."""
    description = circuit.description()
    ax, arrows, labels = drawn(description)
    names = [item["name"] for item in description["projections"]]
    teacher = ["teacher"] * (circuit.teacher is not None)
    assert sorted(arrows) == sorted([*names, *teacher])
    populations = [item["name"] for item in description["populations"]]
    assert sorted(labels) == sorted(f"label {name}" for name in [*populations, *names, *teacher])
    cells = [patch for patch in ax.patches if patch.get_gid() in populations]
    assert len(cells) == len(circuit.layers) - 1
    assert all(isinstance(cell, matplotlib.patches.Circle) for cell in cells)
    assert_legible(ax)


def test_labels_tell_transposes_and_biases():
    """W_fb is Wᵀ of the same array, its shape target × source; a bias has as many as there are cells."""
    ax, _, _ = drawn(symmetric_circuit((784, 500, 10)).description())
    texts = {text.get_gid(): text.get_text() for text in ax.texts}
    assert texts["label layer_1_to_layer_2_drive"] == "$W^{(1)}$\n10 × 500"
    assert texts["label layer_2_to_layer_1_drive"] == "$W^{(1)\\top}$\n500 × 10"
    assert texts["label bias_of_layer_1_drive"] == "$b$, 500"
    assert texts["label layer_2"] == "Output layer\n10 NudgedCell"


def test_wiring_that_corinfomax_has_not_is_drawn():
    """Connections past a layer, two of one kind, and three kinds of interneurons that inhibit one another: all once."""
    description = small().description()
    description["populations"] += [
        {"name": f"{kind}_1", "kind": kind, "layer": 1, "size": 2, "compartments": []} for kind in ("PV", "VIP")
    ]
    pairs = [("layer_1", "layer_3"), ("layer_3", "layer_1"), ("layer_1", "layer_2"), ("layer_2", "layer_2")]
    pairs += [("layer_1", "PV_1"), ("PV_1", "layer_1"), ("layer_2", "VIP_1"), ("VIP_1", "SST_1"), ("VIP_1", "VIP_1")]
    more = [
        {"name": f"more {n}", "source": source, "target": target, "compartment": None, "slot": "drive", "signal": "r"}
        for n, (source, target) in enumerate(pairs)
    ]
    description["projections"] += [item | {"weights": ["W_more", 0], "pattern": "dense"} for item in more]
    ax, arrows, labels = drawn(description)
    assert [name for name in arrows if name.startswith("more")] == [item["name"] for item in more]
    assert len(labels) == len(set(labels))
    assert {patch.get_gid() for patch in ax.patches} >= {item["name"] for item in description["populations"]} - {
        "stimulus"
    }


def test_a_diagram_is_drawn_on_the_axis_given():
    """The axis is returned; a description that lacks something is refused, and named."""
    given = plt.subplots()[1]
    description = small().description()
    assert circuit_diagram(description, given) is given
    with pytest.raises(ParameterError, match="has no 'projections'"):
        circuit_diagram({key: value for key, value in description.items() if key != "projections"})
    with pytest.raises(ParameterError, match="is damaged"):
        circuit_diagram([1, 2])


def ends(ax, description):
    """By gid: whether an arrow ends in a bar, and how far from the middles of its cells it begins and ends."""
    middles = {patch.get_gid(): np.array(patch.center) for patch in ax.patches if isinstance(patch, Circle)}
    found = {}
    for item in (*description["projections"], *description["links"]):
        name = item.get("name", f"{item['source']}_to_{item['target']}_{item['slot']}")
        (arrow,) = [patch for patch in ax.patches if patch.get_gid() == name]
        corners = arrow._path_original.vertices  # what was drawn, in the diagram's coordinates
        away = [
            np.hypot(*(corner - middles[cell])) if cell in middles else None
            for corner, cell in ((corners[0], item["source"]), (corners[-1], item["target"]))
        ]
        found[name] = isinstance(arrow.get_arrowstyle(), ArrowStyle.BarAB), *away
    return found


PREDICTIVE = (PredictiveCoding((64, 128, 32, 10)), NudgedPredictiveCoding((64, 128, 32, 10)))


@pytest.mark.parametrize("circuit", PREDICTIVE, ids=["clamped", "nudged"])
def test_error_cells_are_drawn_as_their_equations_say(circuit):
    """e = u - (W r + b) and du/dt = -e + σ' Wᵀe: bars for the minus signs; lines from edge to edge, to .06 radii."""
    description = circuit.description()
    ax, _, _ = drawn(description)
    bars = {"drive_prediction", "drive_bias", "error_own"}
    for name, (bar, start, stop) in ends(ax, description).items():
        assert bar == any(name.endswith(slot) for slot in bars), name
        assert start is None or start == pytest.approx(0.32)
        assert 0.32 <= stop < 0.39
    assert_legible(ax)
    assert_clear(ax)


@pytest.mark.parametrize(
    "circuit", [ContrastiveSimilarityMatching((64, 128, 10)), SimilarityMatchingCircuit((64, 10)), recurrent_circuit()]
)
def test_recurrent_inhibition_ends_in_a_bar(circuit):
    """-M r: the recurrent weights end in a bar, feedforward and feedback ones do not."""
    description = circuit.description()
    ax, _, _ = drawn(description)
    assert {name for name, (bar, *_) in ends(ax, description).items() if bar} == {"layer_1_to_layer_1_drive_lateral"}
    assert_clear(ax)


def assert_clear(ax):
    """No label lies over a line or a round cell: in pixels, of lines that are sampled every half pixel or so."""
    ax.figure.draw_without_rendering()
    points = []
    for patch in ax.patches:
        arrow = isinstance(patch, FancyArrowPatch)
        path = patch._path_original if arrow else patch.get_path()
        transform = ax.transData if arrow else patch.get_transform()
        (line,) = path.transformed(transform).to_polygons(closed_only=False)
        steps = np.linspace(0, 1, 200)[:, None]
        points += [(1 - steps) * a + steps * b for a, b in pairwise(line)]
    points = np.concatenate(points)
    for label in ax.texts:
        box = label.get_window_extent()
        assert not box.count_contains(points), label.get_gid()


CROWDED = {
    **{name: small(**options) for name, options in CIRCUITS.items()},
    "points": symmetric_circuit((784, 500, 200, 10)),
    "constraints and noise": CorInfoMax(SIZES[:4], domain="B_1_plus", **NOISE),
}


@pytest.mark.parametrize("circuit", CROWDED.values(), ids=CROWDED)
def test_labels_lie_beside_lines(circuit):
    """No label of a circuit lies over a line or a cell, in a crowd of constraints and noise neither."""
    assert_clear(circuit_diagram(circuit.description()))


def test_the_label_of_a_loop_stands_beside_its_arc():
    """The label, box included, ends left of where the loop's arc begins, in pixels."""
    description = recurrent_circuit().description()
    ax, _, _ = drawn(description)
    ax.figure.draw_without_rendering()
    loops = [item["name"] for item in description["projections"] if item["source"] == item["target"]]
    assert loops
    for name in loops:
        (arc,) = [patch for patch in ax.patches if patch.get_gid() == name]
        (label,) = [text for text in ax.texts if text.get_gid() == f"label {name}"]
        assert label.get_bbox_patch().get_window_extent().x1 < arc.get_window_extent().x0
