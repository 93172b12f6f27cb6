"""The CorInfoMax circuit: layers of pyramidal cells and SST interneurons that maximise correlative information.

Layer k of N_k pyramidal cells, k = 1 … P, the stimulus being layer 0::

    layer k+1 ──W_fb^(k)──▶ apical ◀── i_SST = -O r ── SST_k ◀──O── layer k
                              │g_A = 1/ε_k      D r (autapse) ◀──── layer k
                             soma ──▶ r = σ(u)
                              │g_B = 1/ε_{k-1}
    layer k-1 ──W_ff^(k-1)─▶ basal

with D - O = M = ε_k(2γB + g_lk I), γ = (1-λ)/λ. In the output layer the apical dendrite receives the teacher, and
the lateral term γBr + g_lk r is a current of its own at the soma. A layer whose domain has constraints also has
multiplier cells, one for each, which sum up its rates and inhibit it.
"""

import operator
from operator import attrgetter
from typing import Any

import brian2 as b2
import numpy as np

from ...errors import ParameterError
from ...parameters import Deep, extends
from .. import custom_cells
from ..circuit import Circuit
from ..spikes import send_spikes
from . import anatomy, initial, lateral, learning
from .parameters import check_tolerance, resolve

#: Relative error of 1/λ - 1 that a floating-point type may have. B's unexcited directions grow by it.
_GROWTH_TOLERANCE = 0.01


class CorInfoMax(Circuit):
    """A supervised CorInfoMax circuit of any depth.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1.
    epsilon : float or sequence of P floats, default .15
        ε_k of each projection k → k+1: the coupling conductances are 1/ε (A1).
    forgetting : float, default .99999
        Forgetting factor λ of the correlations (A2).
    g_leak : float, default .5
        Leak conductance g_lk (A2, MNIST setting 3).
    learning_rate_ff : float or sequence of P floats, default 1.0
        Rate of eq 26 for each W_ff^(k).
    learning_rate_fb : float or sequence of P - 1 floats, default .15
        Rate of eq 27 for each W_fb^(k), k ≥ 1. A sequence of P, as the paper's tables have it,
        loses its first, which may be NaN.
    learning_rate_decay : float, list of (epoch, factor), or {"linear": int}, default [[0, .95], [15, .9]]
        Factor d of rate · dᵉ; with a list, each from its epoch on (A1). With "linear", rates fall in a straight line
        to a fiftieth over so many minibatches (not in the paper).
    weight_decay : float, default 0
        The optional decay η ε W of W_ff and W_fb is ``weight_decay = ε``.
    optimiser : {"descent", "adam"}
        Whether W_ff, W_fb and b step along ΔW (eqs 26, 27), or along ΔW scaled by its moments in each synapse (Adam,
        not in the paper): for circuits of many layers, whose ΔW differ by orders of magnitude. The learning rates
        are then by how much a weight moves in a step, and must be given: at most .1, such as 1e-3.
    bias : bool, default False
        Whether each pyramidal cell's basal dendrite also has an input from a unit whose rate is always 1, with weight
        b, which learns by eq 26 like W_ff (in the paper there is none).
    convention : {"normative", "printed", "authors"}
        How eq 21 and the order of updates are read; see `conventions`.
    schedule : {"synchronous", "sequential"}, optional
        Whether all layers step at once, or each layer sees what the layer below has become in the same step: a stimulus
        then arrives at the output in one step. By default as the convention has it.
    entropy_gain : float, default 1
        Multiplies γ wherever it enters the dynamics: 1 as published, 1/(1-λ) the weight that eq 6 implies.
    lateral_rule : {"published", "regularised"}
        Eq 28, or B = (R + εI)⁻¹ renewed every `lateral_refresh` presentations, and at first I/ε.
    lateral_refresh : int, default 100
        Presentations between two renewals of the regularised B.
    lateral_form : {"inverse", "autapse"}
        Whether B learns by eq 28 and D, O follow from it, or D and O learn by eqs 29, 30 and B follows from them.
    sst_every : int, optional
        Update the SST input on every n-th step only (multirate integration); 1 is exact. By default 1 until a
        calibration, which training begins each epoch with, has found the most that `sst_tolerance` allows.
    sst_tolerance : float, optional
        By how much rates at the phases' ends may deviate from the exact scheme, as the calibration measures it; 0 is
        exact. By default one rounding of the floating-point type. Nothing is measured where `sst_every` is given.
    tau_u : float, default 10
        Somatic time constant, in ms (not in the paper, which has no physical time).
    domain : str, dict or Domain, or a list of P of them, default "B_inf_plus"
        Domain of each layer 1 … P; see `corinfomax.models.domains`. Those with parameters are
        ``{"name": "polytope", "A": …, "b": …}``.
    constraints : {"enforced", "as_published"}
        Where the inhibition arrives that enforces a domain's constraints: in the threshold of r = σ(u), or as the
        current of the published sparse circuits, whose multipliers are too slow to enforce anything.
    tau_multiplier : float or sequence of P floats, optional
        Time constant of the multiplier cells, in ms: dt/η_λ in the paper's terms. By default .7, about that of the
        pyramidal cells; and as published 500 s in hidden layers, 50 ms in the output layer (A3, MNIST).
    tau_SST, tau_A, tau_B : float, default 0
        Time constants, in ms, of SST cells and of the apical and basal dendrites of pyramidal cells. 0 is the
        paper's: they follow their input at once.
    noise_soma, noise_basal, noise_apical, noise_SST : float, default 0
        Background input (Ornstein-Uhlenbeck currents) of this standard deviation into each pyramidal cell's
        compartments and each SST cell; 1 would move a compartment by 20 mV across a unit conductance. Not in the
        paper.
    tau_noise : float, default 5
        Correlation time of the background input, in ms; about that of synaptic currents.
    dale : list of {"W_ff", "W_fb", "O"}, default []
        Projections that obey Dale's law (in the paper, none does). W_ff, W_fb: pyramidal cells excite, weights begin
        as the moduli of the random ones and are kept from becoming negative. O: SST cells inhibit, those of their
        synapses that would excite are 0; `B` itself, which eq 28 moves, goes on with both signs.
    cell : str or dict of str to str, optional
        Custom cells, as ``"module:Class"`` or ``"path/module.py:Class"``: those of all hidden layers, or by
        population, ``{"layer_1": …, "SST_1": …}``.
    cell_parameters : dict of str to float
        Parameters of these cells that the circuit's own cells do not have; times in ms, potentials in mV.
    projection : {"dense", "synapses"}
        BLAS products, or Brian2 `Synapses`.
    initial_gain_ff, initial_gain_fb : float or sequence of P, P - 1 floats, default 1
        Multiply the random initial W_ff^(k), W_fb^(k): in deep circuits each layer else loses part of the signal.
    initial_feedback : {"random", "transposed"}
        Whether W_fb^(k) begins as random weights of its own, as in the paper, or as `initial_gain_fb` times the
        transpose of the W_ff^(k) that the circuit begins with.
    signal : {"rates", "spikes"}
        What layers send each other, inputs too. Spike trains are not in the paper; plasticity then reads their means
        over the last `spikes_read` steps of a phase.
    spike_generator : {"coding", "integrate_and_fire", "poisson", "leaky_integrate_and_fire"}
        What decides when a cell spikes; see `corinfomax.models.spiking`. The last is the soma itself, with a threshold
        and a reset, and needs a membrane time constant tau_u/(g_lk + 2/ε) of some ms.
    r_max : float, default 200
        Spikes per second for which r = 1 stands.
    tau_s, tau_ref : float, default 40, 2
        Time constant of the filtered train, and refractory time, in ms.
    cells_per_unit : int, default 1
        Cells that each unit stands for, inputs too: it sends the mean of their trains.
    sst_signal : {"rates", "trains", "spikes"}
        Where layers send spikes, what SST cells see: rates; or trains; or trains, and they spike themselves, which
        needs tau_SST > 0. Cells that spike cannot excite: where O r < 0 they are silent.
    spikes_read : int, default 100
        Steps at a phase's end over which plasticity averages.
    delay : float, default 0
        Time, in ms, that rates are on their way from layer to layer, up and down, in whole steps (in the paper, none).
    forward_rule : {"error", "soma"}
        What W_ff learns from: the error of the prediction W_ff r (eq 26), or how the postsynaptic rate σ(u)
        follows the teacher, without the prediction (not in the paper; see `SomaRule`).
    contrast : {"phases", "oscillation"}
        Whether learning compares phases (eqs 26, 27), or goes by how the layers follow a teacher that oscillates (not
        in the paper; see `OscillationRule` and the protocol `oscillating`).
    gate_lag : int, default 4
        Steps by which the gate of the oscillation's rule lags behind the teacher.
    oscillation_rule : {"running_sums", "moving", "moving_high_pass"}
        When weights move by an oscillation: at a presentation's end, by running sums; or within it, in every step, by
        s(t) e rᵀ, or by that less the product of means so far (not in the paper).
    tau_trace : float, default 0
        Time constant, in ms, of a trace in each synapse through which weights that move within a presentation follow;
        0 for none.
    seed : int, default 0
        Seed of the initial weights.
    weights : mapping, optional
        Initial weights in place of the random ones, keyed as `weights`; see `initial.replaced`. D and O may stand
        beside B, from which they follow.
    dtype : dtype, default float64
        Floating-point type that weights are made in, float32 or float64. They are the same as if `astype` rounded them
        later (B of more than 512 cells to one rounding), but large ones need less memory while they are made.

    Attributes
    ----------
    weights : dict
        Of pairs of layers, ``W_ff[k]`` (N_{k+1}, N_k), k = 0 … P-1, and ``W_fb[k]`` (N_k, N_{k+1}), k = 1 … P-1. Of
        layers k = 1 … P, ``B[k]``, ``O[k]`` (N_k, N_k) and ``D[k]`` (N_k,); with biases ``b[k]`` (N_k,); and
        where their domains have constraints, ``A[k]`` and ``shunts[k]`` (constraints, N_k).
    parameters : Parameters
        All parameters, resolved. The properties below are those that others ask for.

    Raises
    ------
    ParameterError
        For parameters out of range or at odds with the architecture.
    """

    architecture = property(attrgetter("parameters.architecture"), doc="N_0, …, N_P.")
    epsilon = property(attrgetter("parameters.epsilon"), doc="ε_k of each pair of layers k, k + 1.")
    forgetting = property(attrgetter("parameters.forgetting"), doc="λ.")
    gamma = property(attrgetter("parameters.gamma"), doc="γ = (1 - λ)/λ.")
    g_leak = property(attrgetter("parameters.g_leak"), doc="g_lk.")
    entropy_gain = property(attrgetter("parameters.entropy_gain"), doc="κ, which multiplies γ in the dynamics.")
    convention = property(attrgetter("parameters.convention"), doc="How eq 21 and the order of updates are read.")
    lateral_form = property(attrgetter("parameters.lateral_form"), doc="Whether B learns, or D and O.")
    domains = property(attrgetter("parameters.domains"), doc="Domain of each layer 1, …, P.")
    constraints = property(attrgetter("parameters.constraints"), doc="How constraints of domains are enforced.")

    @property
    def sst_every(self) -> int:
        """Steps between two updates of the SST input, at present."""
        return operator.index(self.parameters.sst_every)

    @extends(resolve, without=("architecture",))
    def __init__(self, architecture: Deep, *, weights: Any = None, dtype: Any = np.float64, **parameters: Any):
        self.parameters = resolve(architecture, **parameters)
        self._check_precision(dtype)
        reading, autapse = self.parameters.reading, self.parameters.lateral_form == "autapse"
        super().__init__(
            populations=list(anatomy.populations(self.parameters)),
            projections=list(anatomy.projections(self.parameters)),
            plasticity=learning.plasticity(self.parameters),
            weights=initial.weights(self.parameters, weights, dtype),
            layers=anatomy.layers(self.parameters),
            teacher=anatomy.teacher(self.parameters),
            tau=self.parameters.tau_u * b2.ms,
            schedule=self.parameters.schedule,
            restart_from_rate=reading.restart_from_rate,
            signals=anatomy.signals(self.parameters),
            double_precision=("D",) if autapse else (),
            derived=(*(("B",) if autapse else ("D", "O")), "A", "shunts"),
        )
        self.refresh()
        if np.dtype(dtype) != self.dtype:
            self.astype(dtype)
        if (spikes := self.parameters.spikes) is not None:
            times = {name: getattr(spikes, name) * b2.ms for name in ("tau_s", "tau_ref")}
            pooled = {"cells": spikes.cells, "interneurons": spikes.interneurons}
            send_spikes(self, spikes.generator, r_max=spikes.r_max * b2.Hz, **pooled, **times)
        custom_cells.install(self, self.parameters.cell, self.parameters.cell_parameters)

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η(g_lk + g_A + g_B) < 2 in every layer, the output's g_A as the convention has it.

        Leaky interneurons, leaky dendrites and multiplier cells have bounds of their own, η < 2 τ/tau_u. What an
        exchanged cell's equations have beside these parameters is not counted.
        """
        reading, bounds = self.parameters.reading, []
        output_g_A = reading.stiffness_constant + reading.stiffness_per_beta * abs(beta)
        for values in (spec.cell.values for spec in self.populations):
            if "g_B" in values:
                bounds.append(2 / (values["g_lk"] + values.get("g_A", output_g_A) + values["g_B"]))
            own = [values[name] for name in ("tau_SST", "tau_A", "tau_B", "tau_lambda") if name in values]
            bounds += [2 * float(tau / self.tau) for tau in own]
        return min(bounds)

    def beta_bound(self) -> float:
        """Least β, above which the nudged output has an equilibrium, and below which it runs into its bounds.

        There the teacher's negative conductance undoes the basal coupling 1/ε_{P-1} and what the convention adds to it.
        """
        reading = self.parameters.reading
        return -(1 / self.epsilon[-1] + reading.stiffness_constant) / reading.stiffness_per_beta

    def astype(self, dtype):
        """Keep the weights in `dtype`, unless it is too coarse for 1/λ, the growth of eqs 28-30."""
        self._check_precision(dtype)
        super().astype(dtype)

    def _check_precision(self, dtype):
        try:
            known = np.dtype(dtype) in (np.float32, np.float64)
        except TypeError:
            known = False
        if not known:
            raise ParameterError(f"dtype = {dtype}: must be float32 or float64")
        growth = 1 / self.forgetting - 1
        rounded = float(np.dtype(dtype).type(1 / self.forgetting)) - 1
        if abs(rounded - growth) > _GROWTH_TOLERANCE * growth:
            raise ParameterError(
                f"forgetting = {self.forgetting!r}: {np.dtype(dtype)} rounds 1/λ - 1, the growth of B, to "
                f"{rounded:.3g} in place of {growth:.3g}; take dtype = float64"
            )
        check_tolerance(self.parameters.sst_tolerance, dtype)

    @np.errstate(over="ignore")  # a presentation reports, by name, what is not finite
    def refresh(self):
        """Let D and O follow from B, or in the autapse form B from D and O."""
        if self.lateral_form == "inverse":
            lateral.follow_inverse(self.weights, self.parameters)
        else:
            lateral.follow_autapses(self.weights, self.parameters)
