"""FabricPC's predictive coding for `worker.py`."""

import fabricpc
import jax
import numpy as np
import optax
from fabricpc.core.activations import SigmoidActivation
from fabricpc.core.inference import InferenceSGD
from fabricpc.core.topology import Edge
from fabricpc.graph_assembly import TaskMap, graph
from fabricpc.graph_initialization import initialize_params
from fabricpc.nodes import Linear
from fabricpc.training import make_train_step


class PredictiveCoding:
    """784-500-10, sigmoid cells, 50 steps of .1, Adam, the clamped output of the simulator; own initial weights.

    Its values are those after the sigmoid, the simulator's those before it; so errors are of other units.
    """

    packages = ("fabricpc", "jax", "jaxlib", "optax", "numpy")

    def __init__(self, weights):
        fabricpc.setup_jax("cpu")
        stimulus = Linear(shape=(784,), name="stimulus")
        hidden = Linear(shape=(500,), name="hidden", activation=SigmoidActivation())
        output = Linear(shape=(10,), name="output")
        self.structure = graph(
            nodes=[stimulus, hidden, output],
            edges=[
                Edge(source=stimulus, target=hidden.slot("in")),
                Edge(source=hidden, target=output.slot("in")),
            ],
            task_map=TaskMap(x=stimulus, y=output),
            inference=InferenceSGD(eta_infer=0.1, infer_steps=50),
        )
        self.key = jax.random.PRNGKey(0)
        self.parameters = initialize_params(self.structure, self.key)
        optimiser = optax.adam(1e-3)
        self.state, self.step = optimiser.init(self.parameters), make_train_step(self.structure, optimiser)

    def run(self, portions):
        """Train all portions."""
        for x, y, _ in portions:
            target = (0.94 * y + 0.03).astype(np.float32)
            target = np.log(target / (1 - target))
            for stimuli, targets in zip(x, target, strict=True):
                self.parameters, self.state, *_ = self.step(
                    self.parameters, self.state, {"x": stimuli, "y": targets}, self.key
                )

    def predict(self, x):
        """The forward pass, where its inference would stay."""
        for name in ("hidden", "output"):
            node = self.parameters.nodes[name]
            (W,) = node.weights.values()
            x = x @ np.asarray(W) + np.asarray(node.biases["b"])
            if name == "hidden":
                x = 1 / (1 + np.exp(-x))
        return x

    def wait(self):
        """Let all computations end."""
        jax.block_until_ready((self.parameters, self.state))
