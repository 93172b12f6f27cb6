"""How preparations and protocols show themselves."""

import numpy as np

from ...summary import Summary, Table, shown_unit
from ..recording.recordables import recordables
from .sources import shown_input


def summary_of_preparation(preparation) -> Summary:
    """Show populations with their shapes and what can be recorded of them, and the protocol.

    Parameters
    ----------
    preparation : Preparation
    """
    circuit, replicas = preparation.circuit, preparation.replicas
    rows = [
        (
            name,
            f"{replicas} × {population.size}",
            type(population.cell).__name__,
            ", ".join(f"{item.name} {shown_unit(item.unit)}".rstrip() for item in recordables(population)),
        )
        for name, population in preparation.populations.items()
    ]
    populations = Table(("population", "replicas × cells", "kind", "recordable"), rows)
    heading = (
        f"Preparation of {type(circuit).__name__} {'-'.join(map(str, circuit.sizes))}: "
        f"{replicas} replica{'s' if replicas > 1 else ''}, {preparation.dtype}"
    )
    return Summary(heading, [populations, *summary_of_protocol(preparation.protocol).tables])


def summary_of_protocol(protocol) -> Summary:
    """Show the phases in their order, and how time is stepped through.

    Parameters
    ----------
    protocol : Protocol
    """
    headings = ("phase", "steps", "time", "β", "teacher", "input", "course", "part")
    phases = Table(headings, [_row(protocol, phase) for phase in protocol.phases])
    rule = "" if protocol.step_rule == "constant" else f", {protocol.step_rule}"
    stepping = {
        "β in training": f"{'±' if protocol.random_sign else ''}{protocol.beta:g}",
        "step": f"{protocol.step:g} τ, {protocol.method}{rule}",
        "jitter": f"{protocol.jitter:g}" if protocol.jitter else "",
        "reset": protocol.reset,
        "allow_unstable": "true" if protocol.allow_unstable else "",
        "evaluation": "" if protocol.evaluation is None else "a protocol of its own",
    }
    heading = f"Protocol: {', '.join(phase.name for phase in protocol.phases)}"
    return Summary(heading, [phases, Table(tuple(stepping), [tuple(stepping.values())])])


def _row(protocol, phase) -> tuple[str, ...]:
    parts = [("plus", protocol.plus), ("minus", protocol.minus), ("predicts", protocol.predicting_phase)]
    return (
        phase.name,
        str(phase.steps),
        f"{protocol.eta(phase).sum():.4g} τ",
        _course(phase.beta),
        "yes" if phase.taught else "",
        shown_input(phase.input),
        ", ".join(f"{name} = {_course(values)}" for name, values in phase.course.items()),
        ", ".join(part for part, name in parts if name == phase.name),
    )


def _course(values) -> str:
    """Write a course: a constant, or from where to where it leads, or its shape."""
    values = np.asarray(values, dtype=float)
    if values.ndim == 2:
        return f"{values.shape[0]} × {values.shape[1]} values"
    values = np.atleast_1d(values)
    return f"{values[0]:g}" if (values == values[0]).all() else f"{values[0]:g} … {values[-1]:g}"
