"""Single cells with frozen drives, against their closed forms."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import NONNEGATIVE_UNIT_BOX, SST, Domain, HiddenPyramidal, LeakySST, OutputPyramidal

STEP, STEPS = 0.05, 40
G_LK, G_A, G_B = 0.5, 4.0, 20 / 3
ROOM = (2, 3)  # replicas, cells


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def hidden(**changes):
    return HiddenPyramidal(**({"g_A": G_A, "g_B": G_B, "g_lk": G_LK, "tau_u": 10 * b2.ms} | changes))


def output(g_A="beta", v_A="drive_apical"):
    return OutputPyramidal(g_A=g_A, v_A=v_A, g_B=G_B, g_lk=G_LK, tau_u=10 * b2.ms)


def randomise(mounted, rng):
    """Give every cell drives, an initial potential and a rate of its own; return them, with i_SST."""
    drawn = {name: rng.uniform(-1, 1, ROOM) for name in ("drive_basal", "drive_apical", "drive_autapse", "u", "r")}
    for name, value in drawn.items():
        mounted.cells.write(name, value)
    drawn["i_SST"] = -rng.uniform(-1, 1, ROOM)
    mounted.interneurons.write("drive_soma", -drawn["i_SST"])
    return drawn


def relaxed(method, u_0, u_inf, G):
    """u after STEPS steps of η = STEP towards u_inf under total conductance G."""
    left = (1 - STEP * G) ** STEPS if method == "euler" else np.exp(-STEP * STEPS * G)
    return u_inf + (u_0 - u_inf) * left


@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
def test_hidden_cell_relaxes(mount, rng, method):
    """u follows u∞ + (u₀ - u∞)·exp(-G t/τ), in Euler's scheme (1 - ηG)ⁿ for the exponential, both to 1e-12."""
    mounted = mount(hidden(), STEP, method)
    drawn = randomise(mounted, rng)
    v_A, v_B = drawn["drive_apical"] + drawn["drive_autapse"] + drawn["i_SST"], drawn["drive_basal"]
    G = G_LK + G_A + G_B
    mounted.advance(STEPS)
    theory = relaxed(method, drawn["u"], (G_A * v_A + G_B * v_B) / G, G)
    np.testing.assert_allclose(mounted.cells.view("u"), theory, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
def test_output_cell_relaxes(mount, rng, method, beta):
    """The output cell relaxes with g_A = β, a negative conductance for β < 0, and I_lat as a current, to 1e-12."""
    mounted = mount(output(), STEP, method)
    mounted.cells.write("beta", beta)
    drawn = randomise(mounted, rng)
    G = G_LK + beta + G_B
    I_lat = drawn["drive_autapse"] + drawn["i_SST"]
    mounted.advance(STEPS)
    theory = relaxed(method, drawn["u"], (beta * drawn["drive_apical"] + G_B * drawn["drive_basal"] + I_lat) / G, G)
    np.testing.assert_allclose(mounted.cells.view("u"), theory, rtol=0, atol=1e-12)
    np.testing.assert_allclose(mounted.cells.read("I_lat"), I_lat, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("g_A", "v_A", "current"),
    [
        ("beta", "drive_apical", lambda u, r, y, beta: beta * (y - u)),
        ("beta", "drive_apical - r", lambda u, r, y, beta: -beta * (r - y) - beta * u),
        ("1", "beta*(drive_apical - r)", lambda u, r, y, beta: -beta * (r - y) - u),
    ],
    ids=["normative", "printed", "authors"],
)
def test_teaching_current_of_each_convention(mount, rng, g_A, v_A, current):
    """g_A (v_A - u) of the output cell equals the term that each convention has in place of eq 14's, to 1e-14."""
    mounted = mount(output(g_A, v_A))
    drawn, beta = randomise(mounted, rng), -0.7
    mounted.cells.write("beta", beta)
    theory = current(drawn["u"], drawn["r"], drawn["drive_apical"], beta)
    conductance, v_A = mounted.cells.read("g_A"), mounted.cells.read("v_A")
    np.testing.assert_allclose(conductance * (v_A - drawn["u"]), theory, rtol=0, atol=1e-14)


@pytest.mark.parametrize("cell", [hidden(), output()], ids=["hidden", "output"])
def test_physical_units(mount, rng, cell):
    """Brian2's volts and hertz equal -70 mV + 20 mV·(u, v_B, v_A, -i_SST) and 100 Hz·r, to 1e-15 V and 1e-12 Hz."""
    mounted = mount(cell)
    randomise(mounted, rng)
    potentials = {
        f"V_{part}": mounted.cells.read(name) for part, name in {"soma": "u", "basal": "v_B", "apical": "v_A"}.items()
    }
    for volts, potential in {**potentials, "V_SST": mounted.interneurons.read("u")}.items():
        value = getattr(mounted.cells.group, volts)[:]
        assert b2.have_same_dimensions(value, b2.volt)
        theory = -0.070 + 0.020 * potential
        np.testing.assert_allclose(np.asarray(value).reshape(ROOM), theory, rtol=0, atol=1e-15)
    rate = mounted.cells.group.rate[:]
    assert b2.have_same_dimensions(rate, b2.Hz)
    np.testing.assert_allclose(np.asarray(rate).reshape(ROOM), 100 * mounted.cells.read("r"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", [hidden(), output()], ids=["hidden", "output"])
def test_read_equals_brian2(mount, rng, cell, dtype):
    """`Population.read` gives for every variable what Brian2's own evaluation gives, to rounding of the type."""
    mounted = mount(cell, dtype=dtype)
    randomise(mounted, rng)
    mounted.cells.write("gate_apical", 0.25)
    mounted.cells.write("I_soma", 0.125)
    for name in mounted.cells.group.equations.names:
        theory = np.broadcast_to(np.asarray(getattr(mounted.cells.group, name)[:]).reshape(-1), (6,)).reshape(ROOM)
        np.testing.assert_allclose(mounted.cells.read(name), theory, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_nanovolts_in_single_precision(mount):
    """An SST potential of 1e-8, 0.2 nV, beside a rest of -70 mV is read from float32 cells to 1e-15 V."""
    mounted = mount(hidden(), dtype=np.float32)
    mounted.interneurons.write("drive_soma", 1e-8)
    np.testing.assert_allclose(mounted.cells.read("V_SST") + 0.070, 2e-10, rtol=0, atol=1e-15)


def test_rest_of_a_domain_that_is_active_at_rest(mount):
    """Cells at rest have u = 0 and r = σ(0), here .25, exactly."""
    domain = Domain("shifted", "clip(u + 0.25, 0, 1)", lambda u, out: np.clip(u + 0.25, 0, 1, out=out))
    mounted = mount(hidden(domain=domain))
    mounted.cells.write("u", 0.5)
    mounted.cells.rest()
    assert not mounted.cells.view("u").any()
    np.testing.assert_array_equal(mounted.cells.view("r"), 0.25)


def test_read_gives_a_copy(mount):
    """What `read` returns stays as it was when the cells go on; `view` is live."""
    mounted = mount(hidden())
    kept, live = mounted.cells.read("u"), mounted.cells.view("u")
    mounted.cells.write("u", 0.5)
    np.testing.assert_array_equal(kept, np.zeros(ROOM))
    np.testing.assert_array_equal(live, np.full(ROOM, 0.5))


def test_domain_string_equals_in_place_function(mount):
    """σ as Brian2's string, run by Brian2, and σ in place agree exactly below 0, inside, at the bounds and above 1."""
    u = np.array([[-1.5, -1e-300, 0.0], [0.25, 1.0, 1.75]])
    theory = np.array([[0.0, 0.0, 0.0], [0.25, 1.0, 1.0]])
    in_place = np.empty(ROOM)
    NONNEGATIVE_UNIT_BOX.in_place(u, out=in_place)
    np.testing.assert_array_equal(in_place, theory)

    mounted = mount(hidden(domain=Domain("same", NONNEGATIVE_UNIT_BOX.nonlinearity)))
    mounted.cells.rate_update().when = "after_groups"
    mounted.cells.write("u", u)
    mounted.cells.write("pace", 0)
    mounted.advance(1)
    np.testing.assert_array_equal(mounted.cells.view("r"), theory)


def test_in_place_update_writes_the_rates(mount):
    """`rate_update` of a domain with an in-place function gives r = clip(u, 0, 1) exactly, upper clip included."""
    mounted = mount(hidden())
    mounted.cells.write("u", [[-0.5, 0.5, 1.5]] * 2)
    mounted.cells.rate_update()()
    np.testing.assert_array_equal(mounted.cells.view("r"), [[0.0, 0.5, 1.0]] * 2)


@pytest.mark.parametrize("layer", ["hidden", "output"])
def test_dendritic_gates_and_currents(mount, rng, layer):
    """gate·drive + current is each dendrite's potential, and a cut dendrite stays coupled to the soma, to 1e-14."""
    mounted = mount(hidden() if layer == "hidden" else output())
    drawn = randomise(mounted, rng)
    gates = {name: rng.uniform(0, 1, ROOM) for name in ("gate_basal", "gate_apical")}
    currents = {name: rng.uniform(-1, 1, ROOM) for name in ("I_basal", "I_apical", "I_soma")}
    for name, value in (gates | currents).items():
        mounted.cells.write(name, value)
    u, lateral, beta = drawn["u"], drawn["drive_autapse"] + drawn["i_SST"], 0.6
    if layer == "hidden":
        g_A, apical, somatic = G_A, lateral + drawn["drive_apical"], 0.0
    else:
        mounted.cells.write("beta", beta)
        g_A, apical, somatic = beta, drawn["drive_apical"], lateral
    v_B = gates["gate_basal"] * drawn["drive_basal"] + currents["I_basal"]
    v_A = gates["gate_apical"] * apical + currents["I_apical"]
    I_net = -G_LK * u + g_A * (v_A - u) + G_B * (v_B - u) + somatic + currents["I_soma"]
    for name, value in {"v_B": v_B, "v_A": v_A, "I_net": I_net}.items():
        np.testing.assert_allclose(mounted.cells.read(name), value, rtol=0, atol=1e-14)


@pytest.mark.parametrize("cell", [hidden(), output()], ids=["hidden", "output"])
def test_closed_somatic_gate_leaves_the_leak(mount, rng, cell):
    """With gate_soma = 0 the soma decays as (1 - η g_lk)ⁿ towards I_soma/g_lk whatever the dendrites do, to 1e-13."""
    mounted = mount(cell)
    drawn = randomise(mounted, rng)
    mounted.cells.write("gate_soma", 0)
    mounted.cells.write("I_soma", 0.2)
    mounted.advance(STEPS)
    theory = relaxed("euler", drawn["u"], 0.2 / G_LK, G_LK)
    np.testing.assert_allclose(mounted.cells.view("u"), theory, rtol=0, atol=1e-13)


def test_pace_scales_time(mount, rng):
    """Steps at pace p relax as (1 - p η G)ⁿ: the published decaying steps, to 1e-13."""
    mounted = mount(hidden())
    drawn = randomise(mounted, rng)
    mounted.cells.write("pace", 0.3)
    v_A = drawn["drive_apical"] + drawn["drive_autapse"] + drawn["i_SST"]
    G = G_LK + G_A + G_B
    u_inf = (G_A * v_A + G_B * drawn["drive_basal"]) / G
    mounted.advance(STEPS)
    theory = u_inf + (drawn["u"] - u_inf) * (1 - 0.3 * STEP * G) ** STEPS
    np.testing.assert_allclose(mounted.cells.view("u"), theory, rtol=0, atol=1e-13)


def test_instantaneous_interneuron(mount, rng):
    """i_SST = -(gate·O r + I_soma) at once, and reaches the pyramidal cell cell by cell, exactly."""
    mounted = mount(hidden())
    drive, gate = rng.uniform(-1, 1, ROOM), rng.uniform(0, 1, ROOM)
    for name, value in {"drive_soma": drive, "gate_soma": gate, "I_soma": 0.25}.items():
        mounted.interneurons.write(name, value)
    theory = -(gate * drive + 0.25)
    np.testing.assert_array_equal(mounted.interneurons.read("i_SST"), theory)
    np.testing.assert_array_equal(mounted.cells.read("i_SST"), theory)
    np.testing.assert_array_equal(mounted.cells.read("v_A"), theory)


@pytest.mark.parametrize("pace", [1.0, 0.3])
@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
def test_leaky_interneuron_relaxes(mount, rng, method, pace):
    """LeakySST relaxes to O r with τ_SST/pace (by Euler (1 - dt/τ_SST)ⁿ), the instantaneous one's value, to 1e-13."""
    mounted = mount(hidden(), STEP, method, interneuron=LeakySST(tau_SST=2 * b2.ms))
    drive = rng.uniform(-1, 1, ROOM)
    mounted.interneurons.write("drive_soma", drive)
    mounted.interneurons.write("pace", pace)
    mounted.advance(STEPS)
    dt_in_tau = pace * STEP * 10 / 2
    left = (1 - dt_in_tau) ** STEPS if method == "euler" else np.exp(-dt_in_tau * STEPS)
    theory = -drive * (1 - left)
    np.testing.assert_allclose(mounted.cells.read("i_SST"), theory, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", [SST, LeakySST, HiddenPyramidal], ids=lambda cell: cell.__name__)
def test_parameter_table_is_complete_and_enforced(cell):
    """Constructing a cell with a parameter that its table does not list raises one line naming the cell."""
    names = {row.name: 1.0 if row.unit == "1" else getattr(b2, row.unit) for row in cell.parameters}
    assert set(cell(**names).values) == set(names)
    with pytest.raises(ParameterError, match=f"{cell.__name__}: needs the parameters.*got.*tau_x") as caught:
        cell(**names, tau_x=1.0)
    assert "\n" not in str(caught.value)
