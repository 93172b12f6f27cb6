"""Which packages the reference describes, and where it describes what several of them offer."""

import importlib
from types import ModuleType

#: The packages whose `__all__` is public; what several offer is described with the first.
PACKAGES = (
    "corinfomax",
    "corinfomax.models",
    "corinfomax.networks",
    "corinfomax.protocols.clockwork",
    "corinfomax.protocols.comparison",
    "corinfomax.protocols.perturbations",
    "corinfomax.protocols.recording",
    "corinfomax.protocols.runs",
    "corinfomax.protocols.sweeps",
    "corinfomax.protocols.systems",
    "corinfomax.stimuli",
    "corinfomax.analysis",
    "corinfomax.analysis.figures",
)


def homes() -> dict[str, dict[str, str]]:
    """Where each package's public names are described: package → name → full name."""
    found, first = {}, {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        offered = {name: getattr(module, name) for name in module.__all__}
        things = {name: thing for name, thing in offered.items() if not isinstance(thing, ModuleType)}
        found[package] = {name: first.setdefault(id(thing), f"{package}.{name}") for name, thing in things.items()}
    return found
