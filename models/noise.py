"""Background input: Ornstein-Uhlenbeck currents into the compartments of a layer's cells (not in the paper)."""

import re
from collections.abc import Mapping
from typing import Literal

import brian2 as b2

from ..errors import ParameterError
from ..parameters import NonNegative, validated
from .cell import Cell, Parameter, Recordable

#: What can receive background input: the compartments of pyramidal cells, and the soma of their SST interneurons.
COMPARTMENTS = ("soma", "basal", "apical", "SST")


class BackgroundInput(Cell):
    """Ornstein-Uhlenbeck currents, one into each noisy compartment of a pyramidal cell and its interneuron.

    For each compartment

        τ_n dn/dt = -n + σ √(2 τ_n) ξ(t),

    of standard deviation σ and correlation time τ_n. It is advanced by its exact solution over a step, whatever the
    step and the method of the cells; a presentation that begins at rest begins with the stationary distribution.

    Parameters
    ----------
    sigma : mapping of str to float
        σ by compartment, of "soma", "basal", "apical" and "SST", in units of the potential that the current would cause
        across a unit conductance; 1 is 20 mV.
    tau_noise : Quantity
        Correlation time.

    Notes
    -----
    Sends `noise_soma`, … It has no pace: published decaying step rules concern u only. Brian2's generator draws the
    numbers: `brian2.seed` and `Stimulus.seed` fix them, for one target and type.
    """

    parameters = (Parameter("tau_noise", "second", "correlation time", "not in the paper; 5 ms here"),)

    @validated
    def __init__(
        self, *, sigma: Mapping[Literal["soma", "basal", "apical", "SST"], NonNegative], tau_noise: b2.Quantity
    ):
        super().__init__(tau_noise=tau_noise)
        self.sigma = dict(sigma)
        self.state = self.outputs = tuple(f"noise_{compartment}" for compartment in sigma)
        self.recordables = tuple(Recordable(name, "1", name.removeprefix("noise_"), "current") for name in self.state)
        self.equations = "".join(f"{name} : 1\n" for name in self.state)
        self.each_step = "".join(
            f"noise_{name} = noise_{name}*exp(-dt/tau_noise) + {value!r}*sqrt(1 - exp(-2*dt/tau_noise))*randn()\n"
            for name, value in self.sigma.items()
        )
        self.at_rest = {f"noise_{name}": value for name, value in self.sigma.items()}

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return {"sigma": self.sigma, **self.values}


def with_noise(equations: str, compartments: tuple[str, ...]) -> str:
    """Add background input to the injected currents of a cell's equations, behind the compartment's gate.

    Parameters
    ----------
    equations : str
        In which ``I_soma`` stands for the current injected into the soma, and so on.
    compartments : tuple of str
        Of "soma", "basal" and "apical".

    Raises
    ------
    ParameterError
        If the equations do not use the injected current.
    """
    for compartment in compartments:
        use = rf"(?<=[ (+*-])I_{compartment}\b"  # not where it is declared, at a line's beginning
        noisy = f"(I_{compartment} + gate_{compartment}*noise_{compartment})"
        equations, uses = re.subn(use, noisy, equations)
        if not uses:
            raise ParameterError(f"noise_{compartment}: adds to I_{compartment}, which the cell's equations do not use")
        equations += f"noise_{compartment} : 1 (linked)\n"
    return equations
