"""Where two systems are the same one; the others of docs/relations.md are tested where one of the two is."""

import re
from pathlib import Path

import numpy as np

from corinfomax.networks import ReciprocalFeedback, SimilarityMatchingCircuit
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, recirculating, settling
from corinfomax.stimuli import Stimulus

ROOT = Path(__file__).resolve().parents[1]


def test_output_layer_without_teacher_is_a_similarity_matching_layer(unsaturated_circuit, minibatch):
    """β = 0, unsaturated: CorInfoMax's output for r_{P-1} is that of similarity matching, M = I - εκγB, to 1e-10.

    By eq 14 ε τ dr/ds = W_ff r_{P-1} - (I - εκγB) r, which is τ dy/dt = W x - M y.
    """
    circuit = unsaturated_circuit(entropy_gain=2.0)
    x, _ = minibatch(circuit)
    P, epsilon = circuit.output, circuit.epsilon[-1]
    M = np.eye(circuit.sizes[P]) - epsilon * circuit.entropy_gain * circuit.gamma * circuit.weights["B"][P]
    assert np.abs(M - np.eye(len(M))).max() > 0.005
    protocol = Protocol([Phase("free", 1500)], minus="")
    r = Preparation(circuit, len(x), protocol=protocol).settle(x, ("r",)).r
    weights = {"W_ff": {0: circuit.weights["W_ff"][P - 1]}, "M": {1: M}}
    matching = SimilarityMatchingCircuit(circuit.sizes[P - 1 :], weights=weights)
    settled = Preparation(matching, len(r[P]), protocol=settling(steps=200, step=0.4)).settle(r[P - 1], ("r",))
    assert 0 < r[P].min() <= r[P].max() < 1
    np.testing.assert_allclose(settled.r[1], r[P], rtol=0, atol=1e-10)


def test_every_relation_names_a_test_that_exists():
    """Tests that docs/relations.md names are functions of the files that it names (the suite itself)."""
    page = (ROOT / "docs" / "relations.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", page)
    assert len(named) > 8
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_for_orthonormal_rows_the_pseudoinverse_is_the_transpose():
    """Contracting circuit with orthogonal W: feedback W⁺ equals Wᵀ, so that both send the same errors, to 1e-12."""
    x, y = np.random.default_rng(1).random((4, 6)), np.eye(3)[[0, 1, 2, 0]]
    found = []
    for feedback in ("pseudoinverse", "transposed"):
        circuit = ReciprocalFeedback([6, 8, 5, 3], initial_forward="orthogonal", initial_feedback=feedback)
        protocol = recirculating(noise=False)
        Preparation(circuit, 4, protocol=protocol).run([Stimulus(x, y, learn=True)])
        found.append({place: change.dense() for place, change in circuit.changes.items()})
    for place, change in found[0].items():
        assert np.abs(change).max() > 0
        np.testing.assert_allclose(found[1][place], change, rtol=0, atol=1e-12, err_msg=str(place))
