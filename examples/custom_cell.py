"""
A custom cell
=============

Hidden pyramidal cells with an adaptation current, in an otherwise unchanged circuit.

The cell inherits the equations of the paper's hidden layer, adds a slow variable a that follows its rate, and draws
the current b·a from its soma. Run: ``python examples/custom_cell.py``

A parameter file can name it too, and ``corinfomax train`` then trains a circuit of such cells:

.. code-block:: toml

    [circuit]
    cell = "examples/custom_cell.py:AdaptingPyramidal"
    cell_parameters = { b = 0.4, tau_a = 10.0 }    # times in ms; 97.4 % of the digits after 20 epochs
"""

import brian2 as b2

from corinfomax import CorInfoMax, Preparation
from corinfomax.models import HiddenPyramidal, Parameter
from corinfomax.stimuli import load_stimuli


class AdaptingPyramidal(HiddenPyramidal):
    """Hidden pyramidal cell with adaptation: τ_a da/ds = r - a, and the current -b a at the soma."""

    equations = (
        HiddenPyramidal.equations.replace("+ I_soma : 1", "- b*a + I_soma : 1") + "da/dt = pace*(r - a)/tau_a : 1\n"
    )
    parameters = (
        *HiddenPyramidal.parameters,
        Parameter("b", "1", "strength of adaptation", "this example"),
        Parameter("tau_a", "second", "time constant of adaptation", "this example"),
    )
    state = (*HiddenPyramidal.state, "a")


if __name__ == "__main__":
    stimuli = load_stimuli("digits").x_test[:20]
    print("mean rate of layer 1 (Hz), after so many ms of the free phase")
    for b in (0.0, 2.0, 5.0):
        circuit = CorInfoMax([64, 64, 10])
        circuit.exchange_cell("layer_1", AdaptingPyramidal, b=b, tau_a=10 * b2.ms)
        preparation = Preparation(circuit, replicas=20)
        free = preparation.present(stimuli, variables=("rate",)).free
        course = (f"{1e3 * free.t[n]:2.0f} ms: {free.rate[1][n].mean():5.2f}" for n in (1, 9, 29))
        print(f"b = {b:.0f}   {'   '.join(course)}")
