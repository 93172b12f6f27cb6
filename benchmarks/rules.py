"""What a training step of each learning rule costs: the simulator against a hand-written NumPy loop of that rule.

    python benchmarks/rules.py [--quick]

The training step is one minibatch of 20 random stimuli, uniform x and one-hot y, which cost what real ones cost. Steps
are the published ones. The baselines are those of `rule_loops.py`. CorInfoMax has a benchmark of its own,
`training_step.py`.

Written are ``rules.md`` and ``rules.csv``.
"""

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import report
import rule_loops
import typer
from baseline import Settings
from measure import Case, in_turns, largest_difference, quartiles
from threadpoolctl import threadpool_limits

from corinfomax.networks import (
    Backpropagation,
    ContrastiveSimilarityMatching,
    EquilibriumPropagation,
    FeedbackAlignment,
    NudgedPredictiveCoding,
    PredictiveCoding,
    Trainable,
)
from corinfomax.protocols.clockwork import Preparation, Protocol, clamped, contrastive, nudged
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus

RESULTS = Path(__file__).parent / "results"
NETWORKS = ((784, 500, 10), (64, 128, 10))
BATCH, TARGET = 20, 1.3


@dataclass(frozen=True)
class Rule:
    """A learning rule, as published, in the simulator and by hand.

    Parameters
    ----------
    name : str
    trainable : callable
        ``trainable(architecture) -> Trainable``.
    kind : type
        Of the loop by hand, with ``train(x, y)`` and `weights`.
    settings : dict
        Its settings.
    protocol : callable, optional
        Makes the protocol; None for a network without dynamics.
    length : dict
        Steps of the longest phase, by the name that both protocol and loop give them.
    beta : float, default 1
    """

    name: str
    trainable: Callable[[list[int]], Trainable]
    kind: type
    settings: dict
    protocol: Callable[..., Protocol] | None = None
    length: dict[str, int] = field(default_factory=dict)
    beta: float = 1.0

    def longer(self, steps: int) -> "Rule":
        """The same with more steps."""
        return replace(self, length={name: number + steps for name, number in self.length.items()})

    def both(self, architecture: tuple[int, ...], dtype: str) -> tuple[Trainable, Any, Any]:
        """Trainable with its initial weights, what presents stimuli to it, and the loop with the same weights."""
        trainable = self.trainable(list(architecture))
        if self.protocol is None:
            learner = StaticLearner(trainable, BATCH, dtype=dtype)
        else:
            learner = Preparation(trainable, BATCH, dtype=dtype, protocol=self.protocol(**self.length))
        return trainable, learner, self.kind(trainable.weights, BATCH, **self.settings, **self.length)

    def minibatches(self, architecture: tuple[int, ...], dtype: str) -> Iterator[Stimulus]:
        """Random minibatches without end."""
        return Case(architecture, BATCH, dtype).minibatches(Settings(beta=self.beta))


#: CSM's published step is beyond its bound at first; the clip of the rates holds it.
CONTRASTIVE = functools.partial(contrastive, step=0.5, nudge_steps=4, allow_unstable=True)
RULES = [
    Rule(
        "EP",
        EquilibriumPropagation,
        rule_loops.ContrastiveLoop,
        {"beta": 1.0, "step": 0.5, "nudge_steps": 4, "rates": (0.1, 0.05)},
        CONTRASTIVE,
        {"free_steps": 20},
    ),
    Rule(
        "CSM",
        ContrastiveSimilarityMatching,
        rule_loops.ContrastiveLoop,
        {"beta": 1.0, "step": 0.5, "nudge_steps": 4, "rates": (0.5, 0.375), "rate_lateral": 0.01},
        CONTRASTIVE,
        {"free_steps": 20},
    ),
    Rule(
        "PC",
        PredictiveCoding,
        rule_loops.PredictiveLoop,
        {"rate": 1e-3, "step": 0.1},
        functools.partial(clamped, step=0.1),
        {"steps": 50},
    ),
    Rule(
        "PC-Nudge",
        NudgedPredictiveCoding,
        rule_loops.NudgedPredictiveLoop,
        {"rate": 1e-3, "beta": 1e-3, "step": 0.1},
        functools.partial(nudged, beta=1e-3, step=0.1),
        {"steps": 50},
        beta=1e-3,
    ),
    *(
        Rule(
            f"{name} {loss.upper()}",
            functools.partial(network, loss=loss),
            rule_loops.PerceptronLoop,
            {"rate": 1e-3, "loss": loss},
        )
        for name, network in (("FA", FeedbackAlignment), ("BP", Backpropagation))
        for loss in ("mse", "ce")
    ),
]
#: Minibatches in which simulator and loop are held against each other, and steps that are added to know one's cost.
CHECKED, ADDED = 5, 100


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few repetitions.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Rules to measure, and to write nothing.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report and table.")] = RESULTS,
):
    """Measure the training step of each rule and write the report."""
    # Long blocks, as training presents thousands of minibatches in a row: after a change of turns caches are cold.
    blocks, minibatches = (5, 5) if quick else (31, 25)
    rules = [rule for rule in RULES if not only or rule.name in only]
    with threadpool_limits(1):
        differences = {rule.name: agreement(rule) for rule in rules}
        rows = []
        for architecture in NETWORKS:
            for rule in rules:
                rows.append(compare(rule, architecture, blocks, minibatches))
                say("{rule} {network}: {ratio:.2f} ×, {baseline_ms:.2f} ms by hand".format(**rows[-1]))
        stepping = [rule for rule in rules if rule.length]
        longer = [compare(rule.longer(ADDED), NETWORKS[0], blocks // 2, 10) for rule in stepping]
    text = TEXT.format(
        command=report.command(),
        environment=report.environment(),
        minibatches=minibatches,
        blocks=blocks,
        checked=CHECKED,
        load=f"{os.getloadavg()[0]:.1f}",
        added=ADDED,
        difference=f"{max(differences.values()):.1e}",
        target=TARGET,
        verdict=verdict(rows),
        table=table(rows),
        longer=table(longer),
    )
    typer.echo(text)
    if not only:
        out.mkdir(parents=True, exist_ok=True)
        report.write_csv(rows, out / "rules.csv")
        (out / "rules.md").write_text(text)


def agreement(rule: Rule) -> float:
    """Largest difference of any weight after a few minibatches in float64; an `AssertionError` beyond 1e-10."""
    trainable, learner, by_hand = rule.both(NETWORKS[0], "float64")
    source = rule.minibatches(NETWORKS[0], "float64")
    stimuli = [next(source) for _ in range(CHECKED)]
    return largest_difference(learner, trainable, by_hand, stimuli, fixed=("W_fb",))


def compare(rule: Rule, architecture: tuple[int, ...], blocks: int, minibatches: int) -> dict:
    """Time simulator and loop by turns, in float32."""
    _, learner, by_hand = rule.both(architecture, "float32")
    simulator, baseline = [], []

    def keep(*times: float):
        simulator.append(times[0])
        baseline.append(times[1])

    in_turns(learner, by_hand, rule.minibatches(architecture, "float32"), blocks, minibatches, keep)
    row = {"rule": rule.name, "network": "-".join(map(str, architecture)), "blocks": blocks}
    return row | quartiles(simulator, baseline)


def table(rows: list[dict]) -> str:
    """Medians, quartiles of the ratio in brackets."""
    return report.table(
        ["rule, network", "simulator / ms", "NumPy loop / ms", "ratio"],
        [
            [
                f"{row['rule']}, {row['network']}",
                f"{row['simulator_ms']:.2f}",
                f"{row['baseline_ms']:.2f}",
                f"{row['ratio']:.2f} [{row['ratio_q1']:.2f}, {row['ratio_q3']:.2f}]",
            ]
            for row in rows
        ],
    )


def say(message: str):
    """Tell how far the benchmark is."""
    typer.echo(message, err=True)


def verdict(rows: list[dict]) -> str:
    """Which rules meet the target in the large network, and which do not."""
    large = "-".join(map(str, NETWORKS[0]))
    ratios = {row["rule"]: row["ratio"] for row in rows if row["network"] == large}
    beyond = [f"{name} ({ratio:.2f})" for name, ratio in ratios.items() if ratio > TARGET]
    if not beyond:
        return f"All rules meet it; the largest ratio is {max(ratios.values()):.2f}."
    return f"{len(ratios) - len(beyond)} of {len(ratios)} rules meet it. **Beyond it:** {', '.join(beyond)}."


TEXT = """# What each rule's training step costs

    {command}

{environment}

Each rule is measured against a plain NumPy loop of the same rule, written by hand (`benchmarks/rule_loops.py`):
products into arrays that are there already, all else in place, constants folded, weight changes accumulated by BLAS.
A training step is one minibatch of 20 random stimuli, float32, one BLAS thread. Steps are the published ones: EP and
CSM 20 free and 4 nudged, PC and PC-Nudge a forward pass and 50; FA and BP have none, only a forward and a backward
pass. PC, FA and BP learn by Adam. In float64 simulator and loop agree: after {checked} minibatches of 784-500-10 the
largest difference of any weight, of all rules, is {difference}.

Both run in one process, in turns: {minibatches} minibatches each, {blocks} times. Times are medians; the ratio is the
median over pairs of neighbouring blocks, its quartiles in brackets. At the end the machine's load was {load}; beyond
its processors others compute beside, times are longer, and only ratios tell something.

The target is a ratio of at most {target} at 784-500-10. {verdict}

{table}

## What the rest is spent on

The same at 784-500-10 with {added} further steps in a minibatch, so that little but steps is measured:

{longer}

In a step the simulator makes the loop's products and passes. Beside these its integration reads the gates and injected
currents of every cell, which a perturbation may change, and there are the calls of Brian2's clock and objects and of
the step's end. Once a minibatch it checks stimulus and weights, puts the cells at rest, begins and ends phases and
reads what rules and hooks may see; predictive coding makes a step of its forward pass, too. In the small network
64-128-10 all this takes as long as the products.

CorInfoMax's own training step is in [training_step.md](training_step.md).
"""

if __name__ == "__main__":
    typer.run(main)
