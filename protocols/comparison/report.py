"""The table of a comparison, in words and numbers."""

import numpy as np
import pandas as pd
from tabulate import tabulate

from .energy import Prices
from .measures import EPSILON
from .plan import RULES, Plan

_YES = {True: "yes", False: "no", None: "–"}


def markdown(summary: pd.DataFrame, reference: str, plan: Plan | None = None, prices: Prices | None = None) -> str:
    """Write the table, and how its numbers came about.

    Parameters
    ----------
    summary : pandas.DataFrame
        Of `corinfomax.analysis.learners.summarise_learners`.
    reference : str
        Rule that differences are taken from.
    plan : Plan, optional
        None of runs that exist.
    prices : Prices, optional
        For a column of energy.
    """
    parts = []
    for stimuli, rows in summary.groupby("stimuli", sort=False):
        parts.append(f"## {stimuli}")
        table = performance(rows, reference, plan, str(stimuli))
        parts.append(tabulate(table, headers="keys", tablefmt="github", disable_numparse=True))
        parts.append(_means(rows, prices))
    parts.append(_explained(summary, reference, plan))
    if prices is not None:
        parts[-1] += (
            f"\n- Energy of one training stimulus: {prices.graded:g} pJ for an event with a number, "
            f"{prices.spike:g} pJ for a spike, {prices.plasticity:g} pJ for a weight change; "
            f"{prices.source or 'as stated'}. Memory and routing are not in it."
        )
    return "\n\n".join(parts) + "\n"


def performance(rows: pd.DataFrame, reference: str, plan: Plan | None, stimuli: str) -> list[dict[str, str]]:
    """Lines of the first table: how well each rule does on one set of stimuli.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of the summary, those of the set.
    reference, plan
        As in `markdown`.
    stimuli : str
        The set.
    """
    published = plan is not None and plan.layout == "published"
    table = []
    for row in rows.to_dict("records"):
        percent = row.get("score") == "accuracy"
        line = {
            "rule": row["rule"],
            "seeds": _seeds(row),
            "test": _plus_minus(row["test"], row["test_sd"], percent),
            f"less {reference}": _difference(row, percent) if row["rule"] != reference else "",
            "train": _plus_minus(row["train"], row["train_sd"], percent),
            "seconds": _number(row.get("seconds")),
            "network": row.get("architecture") or "–",
            "epochs": _number(row.get("epochs")),
        }
        if published:
            line["published"] = _published(row["rule"], stimuli) if row["rule"] in plan.rules else "–"
        elif plan is not None:
            line["rates ×"] = _number(row.get("factor"))
        table.append(line)
    return table


def _means(rows: pd.DataFrame, prices: Prices | None) -> str:
    table = [
        {
            "rule": row["rule"],
            "multiply-adds: activity": _large(row.get("activity")),
            "plasticity": _large(row.get("plasticity")),
            "synaptic events": _large(row.get("events")),
            **({} if prices is None else {"energy (nJ)": _number(prices.energy(row))}),
            "phases": row.get("phases") or "–",
            "weight transport": _yes(row.get("transport")),
            "symmetric weights": _yes(row.get("symmetric")),
            "local": _yes(row.get("local")),
            "angle": "–" if _missing(row.get("angle")) else f"{row['angle']:.1f}°",
            "CMI": "–" if _missing(row.get("cmi")) else f"{row['cmi']:.2f}",
        }
        for row in rows.to_dict("records")
    ]
    return tabulate(table, headers="keys", tablefmt="github", disable_numparse=True)


def _explained(summary: pd.DataFrame, reference: str, plan: Plan | None) -> str:
    lines = [
        "Test and train: last epoch, mean ± sample standard deviation over seeds, accuracies in per cent; `train` is "
        "what was predicted for each training stimulus as it was presented during the last epoch.",
        f"Less {reference}: mean over seeds of the paired difference of test scores, of accuracies in percentage "
        "points, with its 95 % t interval.",
        "Multiply-adds and synaptic events are of one training stimulus; an event is a presynaptic output other than 0 "
        "that a synapse carries in a step. Seconds are of training.",
        "Angle: between the way up and the transposed way down, 0 where they are the same. CMI: correlative mutual "
        f"information of the output layer and the one below, on test stimuli, ε = {EPSILON:g}; it grows with the scale "
        "of the rates, which rules choose differently.",
    ]
    if plan is not None and plan.layout == "matched":
        share = f"{100 * plan.validation:g} %"
        lines.append(
            f"Matched: one network, the same minibatches and epochs. The learning rates of each preset were multiplied "
            f"by {', '.join(f'{factor:g}' for factor in plan.factors)}; of these the factor was taken with the highest "
            f"accuracy on validation stimuli ({share} of the training stimuli), mean over seeds "
            f"{' and '.join(map(str, plan.tuning_seeds))}, the lower one where two tie. No test stimulus and no seed "
            "of the table took part. Initial weights are those that each rule was published with."
        )
        edges = _at_the_edge(summary, plan)
        if edges:
            lines.append(f"At the edge of what was tried, so that a better one may lie beyond: {', '.join(edges)}.")
    elif plan is not None:
        lines.append(
            "Published: each rule has the network and the settings of its preset. The published numbers are means ± "
            "sample standard deviations of ten seeds after 50 epochs, and of each grid the setting with the highest "
            "train accuracy; there was no validation split."
        )
    return "\n".join(f"- {line}" for line in lines)


def _at_the_edge(summary: pd.DataFrame, plan: Plan) -> list[str]:
    ends = {min(plan.factors), max(plan.factors)} if len(plan.factors) > 1 else set()
    return [
        f"{row['rule']} on {row['stimuli']} (× {row['factor']:g})"
        for row in summary.to_dict("records")
        if row.get("factor") in ends
    ]


def _published(rule: str, stimuli: str) -> str:
    from ...analysis.published import published

    found = published(stimuli if rule == RULES[0] else f"{stimuli}_{rule}")
    return "–" if found is None else f"{found.mean:.2f} ± {found.std:.2f}"


def _seeds(row: dict) -> str:
    failed = f", {row['failed']} failed" if row["failed"] else ""
    return f"{row['seeds']}{failed}"


def _plus_minus(mean: float, deviation: float, percent: bool) -> str:
    if _missing(mean):
        return "–"
    scale, digits = (100, 2) if percent else (1, 3)
    spread = "" if _missing(deviation) else f" ± {scale * deviation:.{digits}f}"
    return f"{scale * mean:.{digits}f}{spread}"


def _difference(row: dict, percent: bool) -> str:
    if _missing(row.get("difference")):
        return "–"
    scale, digits = (100, 2) if percent else (1, 3)
    value = f"{scale * row['difference']:+.{digits}f}"
    if _missing(row["low"]):
        return value
    return f"{value} [{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"


def _yes(value) -> str:
    return "–" if value is None or value is pd.NA or isinstance(value, float) else _YES[bool(value)]


def _missing(value) -> bool:
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def _number(value) -> str:
    return "–" if _missing(value) else f"{value:.4g}"


def _large(value) -> str:
    """Write a count with its thousands apart."""
    return "–" if _missing(value) else f"{value:,.0f}"
