"""Tables of the report, in Markdown."""

import numpy as np
from evidence import Comparison, Evidence, Published, Sample, Task, compare
from experiments import Ablation
from tabulate import tabulate

#: Up to here Σr counts as held to 1.
_HELD = 1.01

NOT_RUN, NOTHING = "not run", "–"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and all others to the right."""
    rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    sides = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=sides)


def spread(sample: Sample, digits: int = 2) -> str:
    """Mean ± standard deviation, the latter only if there is one."""
    if not sample.n:
        return NOTHING
    std = "" if np.isnan(sample.std) else f" ± {sample.std:.{digits}f}"
    return f"{sample.mean:.{digits}f}{std}"


def overview(published: Published, found: list[Evidence]) -> str:
    """All published tasks with the experiments that repeat them, at the last epoch of all their seeds and of any."""
    header = ["published task", "final, published", "ours", "epoch", "seeds", "ours, %", "published there, %"]
    header += ["difference", "agrees"]
    rows = []
    for task in published.tasks.values():
        ours = [evidence for evidence in found if evidence.experiment.published == task.name]
        ran = [(evidence, each) for evidence in ours for each in _last(compare(evidence, task, published.seeds))]
        if not ran:
            rows.append([task.title, final(task), NOT_RUN, *[NOTHING] * 6])
        for evidence, comparison in ran:
            title, cells = evidence.experiment.title, _compared(comparison)
            rows.append([task.title, final(task), title, str(comparison.epoch), *cells[:4], cells[5]])
    return markdown(header, rows)


def final(task: Task) -> str:
    """Published final accuracy, or the range of all settings where none is marked as the reported one."""
    if task.final is not None:
        return f"{task.final[0]:.2f} ± {task.final[1]:.2f}"
    accuracies = [accuracy for accuracy, _ in task.settings]
    return f"{min(accuracies):.2f} to {max(accuracies):.2f}"


def accuracies(evidence: Evidence, task: Task, seeds: int) -> str:
    """Ours against the published curve, epoch by epoch; rows beyond tolerance with what explains them."""
    header = ["epoch", "seeds", "ours, %", "published, %", "difference", "tolerance", "agrees", "remark"]
    rows = []
    for comparison in compare(evidence, task, seeds):
        remark = evidence.experiment.notes.get(comparison.epoch, "")
        if not (remark or comparison.agrees):
            remark = "not explained yet"
        rows.append([str(comparison.epoch), *_compared(comparison), remark])
    return markdown(header, rows)


def unpublished(found: list[Evidence]) -> str:
    """Experiments without a published counterpart: accuracy after the last epoch of all seeds, and the best mean."""
    rows = []
    for evidence in found:
        if not evidence.epochs:
            rows.append([evidence.experiment.title, *[NOTHING] * 2, NOT_RUN, NOTHING])
            continue
        last = evidence.epochs[0]
        courses = {epoch: evidence.at(epoch) for epoch in range(1, last + 1)}
        best = max(courses, key=lambda epoch: courses[epoch].mean)
        seeds = ", ".join(map(str, courses[last].values))
        accuracy = f"{courses[best].mean:.2f} in {best}"
        rows.append([evidence.experiment.title, seeds, str(last), spread(courses[last]), accuracy])
    return markdown(["circuit", "seeds", "epoch", "ours, %", "best mean, in epoch"], rows) if rows else NOT_RUN


def angles(published: Published, found: list[Evidence]) -> str:
    """Angles at the start, at their minimum and at the end, over epochs."""
    header = ["circuit", "layers", "seeds", "after epoch 1", "minimum", "in epoch", "end", "epoch", "published start"]
    header += ["minimum", "in epoch", "end (epoch 50)"]
    rows = []
    for evidence in found:
        task = published.tasks.get(evidence.experiment.published)
        theirs = _published_angles(task)
        if not evidence.histories:
            rows.append([evidence.experiment.title, *[NOTHING] * 2, NOT_RUN, *[NOTHING] * 4, *theirs])
        for column in evidence.angles:
            k = int(column.removeprefix("angle_"))
            for end in evidence.epochs:
                last = evidence.at(end, column, 1)
                minimum, epoch = evidence.minimum(column, end)
                first = Sample({s: v for s, v in evidence.at(1, column, 1).values.items() if s in last.values})
                own = [spread(first, 1), spread(minimum, 1), f"{epoch.mean:.3g}", spread(last, 1), str(end)]
                seeds = ", ".join(map(str, last.values))
                rows.append([evidence.experiment.title, f"{k}, {k + 1}", seeds, *own, *theirs])
    return markdown(header, rows)


def sums(found: list[Evidence]) -> str:
    """What 99 % of the test stimuli have a Σr below, in circuits whose domain bounds it by 1, at the last epoch."""
    rows = []
    for evidence in found:
        columns = sorted({c for history in evidence.histories.values() for c in history.filter(regex=r"^excess_\d+$")})
        for column in columns:
            epoch = evidence.epochs[0]
            excess = evidence.at(epoch, column, 1)
            total = Sample({seed: 1 + value for seed, value in excess.values.items()})
            held = "yes" if max(total.values.values(), default=np.nan) <= _HELD else "**no**"
            layer = column.removeprefix("excess_")
            rows.append([evidence.experiment.title, layer, str(epoch), spread(total, 4), held])
    return markdown(["circuit", "layer", "epoch", "99 % have Σr below", "Σr ≤ 1.01"], rows) if rows else NOT_RUN


def ablation(which: Ablation, points: dict[float, Evidence], published: Published) -> str:
    """One row for each value of the quantity: ours, and what is published for it."""
    theirs = [published.ablations[name] for name in which.published]
    header = [which.quantity, f"ours: {which.title}, epoch {which.epochs}, %", "seeds"]
    header += [f"published: {each['title']}, final, %" for each in theirs]
    known = sorted({*points, *(x for each in theirs for x in each["x"])})
    rows = []
    for x in known:
        cells = [NOTHING, NOTHING]
        if x in points:
            cells = _point(points[x], which.epochs)
        rows.append([f"{x:g}", *cells, *(_published_point(each, x) for each in theirs)])
    return markdown(header, rows)


def _point(evidence: Evidence, epoch: int) -> list[str]:
    sample = evidence.at(epoch)
    parts = [spread(sample)] if sample.n else []
    stopped = [seed for seed in evidence.failures if seed not in sample.values]
    if stopped:
        parts.append("diverged" if not sample.n else f"diverged: seed {', '.join(map(str, stopped))}")
    seeds = ", ".join(map(str, sorted([*sample.values, *stopped])))
    return ["; ".join(parts) or NOT_RUN, seeds or NOTHING]


def _published_point(ablation: dict, x: float) -> str:
    if x not in ablation["x"]:
        return NOTHING
    accuracy = ablation["accuracy"][ablation["x"].index(x)]
    return f"{accuracy:.2f} ± {ablation['std'][x]:g}" if x in ablation["std"] else f"{accuracy:.2f}"


def _compared(comparison: Comparison) -> list[str]:
    """Seeds, ours, published, difference, tolerance, agreement."""
    return [
        ", ".join(map(str, comparison.ours.values)),
        spread(comparison.ours),
        f"{comparison.published:.2f}",
        f"{comparison.difference:+.2f}",
        f"{comparison.tolerance:.2f}",
        "yes" if comparison.agrees else "**no**",
    ]


def _last(comparisons: list[Comparison]) -> list[Comparison]:
    """The last epoch that as many seeds reached as any, and the last of all if that is another."""
    most = max((comparison.ours.n for comparison in comparisons), default=0)
    common = [comparison for comparison in comparisons if comparison.ours.n == most][-1:]
    return common + [comparison for comparison in comparisons[-1:] if comparison not in common]


def _published_angles(task: Task | None) -> list[str]:
    if task is None or not task.angle:
        return [NOTHING] * 4
    angle = task.angle
    epoch = f"{angle['iteration'] / angle['iterations_per_epoch']:.1f}" if "iteration" in angle else NOTHING
    return [f"{angle['start']:g}", f"{angle['minimum']:g}", epoch, f"{angle['end']:g}"]
