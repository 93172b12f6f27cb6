"""PCX's predictive coding for `worker.py`."""

import jax
import numpy as np
import optax
import pcx.functional as pxf
import pcx.nn as pxnn
import pcx.predictive_coding as pxc
import pcx.utils as pxu

STEPS = 50
VALUES = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache)


class Network(pxc.EnergyModule):
    """Two layers of values before the sigmoid, as the simulator's; the output is clamped in training."""

    def __init__(self, sizes):
        super().__init__()
        self.layers = [pxnn.Linear(below, above) for below, above in zip(sizes, sizes[1:], strict=False)]
        self.vodes = [pxc.Vode(), pxc.Vode()]
        self.vodes[-1].h.frozen = True

    def __call__(self, x, y=None):
        """Predict the output, through the values of the hidden layer."""
        u = self.vodes[0](self.layers[0](x))
        u = self.vodes[1](self.layers[1](jax.nn.sigmoid(u)))
        if y is not None:
            self.vodes[1].set("h", y)
        return self.vodes[1].get("u")


@pxf.vmap(VALUES.to((None, 0)), in_axes=(0, 0), out_axes=0)
def forward(x, y, *, model):
    """Begin at the forward pass, and clamp the output."""
    return model(x, y)


@pxf.vmap(VALUES.to((None, 0)), in_axes=(0,), out_axes=(None, 0), axis_name="batch")
def energy(x, *, model):
    """½ Σ ‖e‖², summed over the minibatch."""
    output = model(x)
    return jax.lax.psum(model.energy(), "batch"), output


@pxf.jit()
def train_minibatch(x, y, *, model, of_values, of_weights):
    """Settle and learn."""
    model.train()
    with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
        forward(x, y, model=model)
    of_values.init(pxu.M_hasnot(pxc.VodeParam, frozen=True)(model))
    for _ in range(STEPS):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            _, gradient = pxf.value_and_grad(pxu.M_hasnot(pxc.VodeParam, frozen=True).to([False, True]), has_aux=True)(
                energy
            )(x, model=model)
        of_values.step(model, gradient["model"])
    of_values.clear()
    with pxu.step(model, clear_params=pxc.VodeParam.Cache):
        _, gradient = pxf.value_and_grad(pxu.M(pxnn.LayerParam).to([False, True]), has_aux=True)(energy)(x, model=model)
    of_weights.step(model, gradient["model"], scale_by=1.0 / len(x))


class PredictiveCoding:
    """The simulator's network with its initial weights, 50 steps of .1, Adam."""

    packages = ("pcx", "jax", "jaxlib", "equinox", "optax", "numpy")

    def __init__(self, weights):
        self.model = Network([weights["W/0"].shape[1], *(len(weights[f"W/{k}"]) for k in (0, 1))])
        for k, layer in enumerate(self.model.layers):
            layer.nn.weight.set(jax.numpy.asarray(weights[f"W/{k}"]))
            layer.nn.bias.set(jax.numpy.asarray(weights[f"b/{k}"]))
        self.of_values = pxu.Optim(lambda: optax.sgd(0.1))
        self.of_weights = pxu.Optim(lambda: optax.adam(1e-3), pxu.M(pxnn.LayerParam)(self.model))

    def run(self, portions):
        """Train all portions."""
        for x, y, _ in portions:
            target = (0.94 * y + 0.03).astype(np.float32)
            target = np.log(target / (1 - target))
            for stimuli, targets in zip(x, target, strict=True):
                train_minibatch(
                    jax.numpy.asarray(stimuli), jax.numpy.asarray(targets),
                    model=self.model, of_values=self.of_values, of_weights=self.of_weights,
                )  # fmt: skip

    def weights(self):
        """The present weights, by name."""
        for k, layer in enumerate(self.model.layers):
            yield f"W/{k}", np.asarray(layer.nn.weight.get())
            yield f"b/{k}", np.asarray(layer.nn.bias.get())

    def predict(self, x):
        """The forward pass, where its inference would stay."""
        weights = dict(self.weights())
        hidden = 1 / (1 + np.exp(-(x @ weights["W/0"].T + weights["b/0"])))
        return hidden @ weights["W/1"].T + weights["b/1"]

    def wait(self):
        """Let all computations end."""
        jax.block_until_ready(dict(self.weights()))
