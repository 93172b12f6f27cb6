"""Page and figures of the sensitivity analysis, of the rows that are kept."""

from pathlib import Path

import pandas as pd
from evidence import Sample
from sensitivity_designs import (
    POINTS,
    TRAJECTORIES,
    beyond_chance,
    effects,
    effects_between,
    halves,
    importance,
    partial_dependences,
    products,
)
from sensitivity_factors import SPACES, Factor, shown
from sensitivity_figures import draw_levels, draw_mnist, draw_morris
from sensitivity_parts import COMPARED, PARTS, TRIALS, best, read
from sensitivity_trials import Trials, digits
from tables import markdown, spread

from corinfomax.analysis.files import make_folder, replacing

#: Fractions: below the first a circuit has learnt nothing, from the second on it has learnt.
FAILED, LEARNT = 0.2, 0.5
MNIST_FIGURE = """![Accuracy against five parameters](figures/sensitivity_{preset}.png)

*Validation accuracy of each run, and its partial dependence by a random forest: the mean over all runs' other
parameters. Dotted: the preset.*"""

MNIST_FIGURE_ALONE = """![Accuracy against five parameters](figures/sensitivity_{preset}.png)

*Validation accuracy of each run. Dotted: the preset.*"""


def write_page(root: Path):
    """Write ``sensitivity.md`` and ``figures/sensitivity_*.png`` of what is kept in a folder.

    Parameters
    ----------
    root : Path
    """
    make_folder(root / "figures")
    text = (root / "sensitivity_notes.md").read_text(encoding="utf-8")
    screened = {preset: read(preset, root) for preset in ("digits", "digits_ep")}
    found = {preset: effects(rows, _space(preset).with_seed) for preset, rows in screened.items() if len(rows)}
    draw_morris(found, root / "figures" / "sensitivity_morris.png")
    centres = {preset: digits(preset).centre for preset in found}
    drawn = {preset: screened[preset] for preset in found}
    draw_levels(drawn, found, centres, root / "figures" / "sensitivity_levels.png")
    for preset, rows in screened.items():
        text = text.replace(f"<!-- {preset} -->", screening_table(digits(preset), rows))
        text = text.replace(f"<!-- products {preset} -->", products_table(rows))
    text = text.replace(
        "<!-- tuning -->", tests_table(pd.concat([read(f"tests_{preset}", root) for preset in COMPARED]))
    )
    text = text.replace("<!-- tuned -->", tuned_table(root))
    for preset in ("mnist", "mnist_ep"):
        rows = read(preset, root)
        told = "not run."
        if len(rows):
            factors, path = mnist_factors(preset, rows), root / "figures" / f"sensitivity_{preset}.png"
            important = importance(rows, factors)
            curves = partial_dependences(rows, factors) if important.attrs["r_squared"] > 0 else {}
            draw_mnist(rows, factors, curves, Trials(preset, None).centre, path)
            told = mnist_table(preset, rows, factors, important)
        text = text.replace(f"<!-- {preset} -->", told)
    text = text.replace("<!-- seconds -->", seconds_table(root))
    with replacing(root / "sensitivity.md") as file:
        file.write(text.encode())


def _space(preset: str):
    return SPACES["equilibrium" if preset.endswith("_ep") else "corinfomax"]


def percent(value: float) -> str:
    """A fraction in per cent, without the sign."""
    return f"{100 * value:.0f}"


def screening_table(trials: Trials, rows: pd.DataFrame) -> str:
    """Factors of a Morris design, the one that matters most first, and how its runs ended.

    Parameters
    ----------
    trials : Trials
    rows : DataFrame
    """
    if not len(rows):
        return "not run."
    factors = {factor.name: factor for factor in trials.space.with_seed}
    order = list(factors.values())
    found, learnt, tested = effects(rows, order), effects_between(rows, order, LEARNT), beyond_chance(rows, order)
    failed = halves(rows, order, rows["accuracy"] < FAILED)
    diverged = halves(rows, order, rows["status"] != "finished")
    table = []
    for name, row in found.iterrows():
        factor, centre = factors[name], trials.centre[name]
        preset = "–" if name == "seed" else shown(centre)
        both = [
            f"{percent(each.loc[name, 'lower'])}, {percent(each.loc[name, 'upper'])}" for each in (failed, diverged)
        ]
        among = learnt.loc[name]
        table.append(
            [
                factor.meaning,
                "two of each trajectory" if name == "seed" else factor.range_text(centre),
                preset,
                f"{100 * row['mu_star']:.1f} ± {100 * row['mu_star_conf']:.1f}",
                f"{100 * row['mu']:+.1f}",
                f"{100 * row['sigma']:.1f}",
                f"{100 * among['mu_star']:.1f} ({among['steps']:.0f})",
                "" if name == "seed" else f"{tested.loc[name, 'p']:.2g} ({tested.loc[name, 'holm']:.2g})",
                *both,
            ]
        )
    header = ["parameter", "range", "preset", "μ*", "μ", "σ", "μ* among circuits that learn (steps)", "p (Holm)"]
    return markdown([*header, "fail (%)", "diverge (%)"], table) + "\n\n" + outcome(rows)


def outcome(rows: pd.DataFrame) -> str:
    """How runs ended, in a sentence."""
    accuracies, beyond = rows["accuracy"], rows["beyond_bounds"].astype(bool)
    failed, trajectories = accuracies < FAILED, rows["trajectory"].nunique()
    return (
        f"{len(rows)} runs in {trajectories} of {TRAJECTORIES} trajectories: median accuracy "
        f"{100 * accuracies.median():.1f} %, best {100 * accuracies.max():.1f} %. {failed.sum()} fail, that is, stay "
        f"below {percent(FAILED)} %, {(rows['status'] != 'finished').sum()} of these for they diverge; "
        f"{(accuracies >= LEARNT).sum()} learn, that "
        f"is, reach {percent(LEARNT)} %. In {beyond.sum()} runs the step or β is beyond the bound of stability that "
        f"the circuit states; {failed[beyond].sum()} of these fail."
    )


def products_table(rows: pd.DataFrame) -> str:
    """Share of runs that fail, in quarters of both products.

    Parameters
    ----------
    rows : DataFrame
    """
    if not len(rows):
        return "not run."
    both, failed = products(rows), rows["accuracy"] < FAILED
    quarters = {name: pd.qcut(both[name], 4, duplicates="drop") for name in both}
    shares = failed.groupby([quarters["settling"], quarters["update"]], observed=False).mean().unstack()
    header = ["free phase \\ update", *(_interval(each) for each in shares.columns)]
    table = [[_interval(each), *map(percent, row)] for each, row in zip(shares.index, shares.to_numpy(), strict=True)]
    return markdown(header, table)


def _interval(found: pd.Interval) -> str:
    return f"{found.left:.3g} to {found.right:.3g}"


def mnist_factors(preset: str, rows: pd.DataFrame) -> tuple[Factor, ...]:
    """Factors of the rows of MNIST, in the order of their columns, which is that of their μ* on digits."""
    by_name = {factor.name: factor for factor in _space(preset).factors}
    return tuple(by_name[name] for name in rows.columns if name in by_name)


def mnist_table(preset: str, rows: pd.DataFrame, factors: tuple[Factor, ...], found: pd.DataFrame) -> str:
    """Rank correlations with the accuracy, and what a random forest makes of them."""
    forest = found.attrs["r_squared"] > 0
    centre = Trials(preset, None).centre
    table = []
    for factor in factors:
        row = found.loc[factor.name]
        value = centre[factor.name]
        cells = [f"{row['rho']:+.2f}", f"{row['low']:+.2f} to {row['high']:+.2f}", f"{row['p']:.1g}"]
        cells += [f"{row['importance']:.2f}"] * forest
        table.append([factor.meaning, factor.range_text(value), shown(value), *cells])
    accuracies, diverged = rows["accuracy"], (rows["status"] != "finished").sum()
    header = [
        "parameter",
        "range",
        "preset",
        "Spearman's ρ",
        "95 % interval",
        "p",
        *["permutation importance"] * forest,
    ]
    told = (
        f"{len(rows)} of {POINTS} runs: median {100 * accuracies.median():.1f} %, best {100 * accuracies.max():.1f} %; "
        f"{(accuracies < FAILED).sum()} fail, {diverged} of them diverge; {(accuracies >= 0.9).sum()} reach 90 %. "
    )
    told += (
        f"The forest explains {100 * found.attrs['r_squared']:.0f} % of the variance of points that it has not seen "
        "(out of bag)."
        if forest
        else "A forest explains nothing of what it has not seen, so that its importances are left out."
    )
    figure = MNIST_FIGURE if forest else MNIST_FIGURE_ALONE
    return "\n\n".join((markdown(header, table), told, figure.format(preset=preset)))


def tests_table(rows: pd.DataFrame) -> str:
    """Test accuracies of tuned settings and of presets."""
    if not len(rows):
        return "not run."
    table = []
    for (preset, tuned), group in rows.groupby(["preset", "tuned"], sort=False):
        accuracies = Sample({seed: 100 * value for seed, value in zip(group["seed"], group["accuracy"], strict=True)})
        least = f"{min(accuracies.values.values()):.2f}"
        settings = f"`{preset}`, tuned" if tuned else f"`{preset}`"
        table.append([settings, str(accuracies.n), spread(accuracies), least])
    return markdown(["settings", "seeds", "test accuracy (%)", "lowest seed"], table)


def tuned_table(root: Path) -> str:
    """What the searches found, beside the presets."""
    parts = []
    for preset in COMPARED:
        rows = read(f"tuning_{preset}", root)
        if len(rows) < TRIALS:
            parts.append(f"`{preset}`: {len(rows)} of {TRIALS} trials, not over.")
            continue
        trials, values = digits(preset), best(preset, root)
        accuracies = 100 * rows["accuracy"]
        table = [
            [
                factor.meaning,
                factor.range_text(trials.centre[factor.name]),
                shown(trials.centre[factor.name]),
                shown(value),
            ]
            for factor, value in ((trials.space.named([name])[0], value) for name, value in values.items())
        ]
        parts.append(
            f"`{preset}`: {len(rows)} trials; validation accuracy of the best {accuracies.max():.2f} % (trial "
            f"{int(rows.loc[accuracies.idxmax(), 'trial']) + 1}), median {accuracies.median():.2f} %, "
            f"{(accuracies < 100 * FAILED).sum()} fail.\n\n"
            + markdown(["parameter", "range", "preset", "tuned"], table)
        )
    return "\n\n".join(parts)


def seconds_table(root: Path) -> str:
    """Runs and processor time of each part."""
    table = []
    for part in PARTS:
        rows = read(part, root)
        spent = f"{rows['seconds'].sum():.0f}" if len(rows) else "–"
        table.append([f"`python results/sensitivity.py {part}`", str(len(rows)), spent])
    return markdown(["command", "rows", "seconds of processor time"], table)
