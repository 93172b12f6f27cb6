"""The table of claims: what is said of the simulator, the file that proves it, and what is open."""

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import tables
from evidence import Sample
from experiments import HERE, read_toml

LIST = HERE / "claims.toml"
#: Stands for the seed of what has none, such as a measured time.
NO_SEED = -1


@dataclass(frozen=True)
class Claim:
    """A number, and where it stands.

    Parameters
    ----------
    what, command : str
        In words; the command that gives it.
    file : str
        Below the project's root; with ``*`` several, one for each seed, as ``seed_N/…`` or ``…_N.csv``.
    column : str, default "test_accuracy"
        That has the number.
    scale : float, default 100
        Factor from the column to the number: per cent.
    unit : str, default "%"
    seconds : str, default "seconds"
        Column with the seconds of a row; they are summed over a seed's rows. Empty if there is none.
    where : dict
        Column → value of the rows that count.
    epoch : int, optional
        The row that counts of each seed; seeds that did not reach it do not. By default each one's last.
    """

    what: str
    command: str
    file: str
    column: str = "test_accuracy"
    scale: float = 100.0
    unit: str = "%"
    seconds: str = "seconds"
    where: dict = field(default_factory=dict)
    epoch: int | None = None

    @functools.cached_property
    def rows(self) -> pd.DataFrame:
        """The rows that count, with a column `seed`, NO_SEED where there is none; an empty table if nothing was run."""
        parts = []
        for path in sorted(HERE.parent.glob(self.file)):
            part = pd.read_csv(path)
            if "seed" not in part:
                named = re.search(r"_(\d+)$", path.stem) or re.search(r"^seed_(\d+)$", path.parent.name)
                part["seed"] = int(named[1]) if named else NO_SEED
            parts.append(part)
        if not parts:
            return pd.DataFrame(columns=["seed", self.column])
        found = pd.concat(parts, ignore_index=True)
        for column, value in self.where.items():
            found = found[found[column] == value]
        if self.epoch is not None:
            reached = found.loc[found["epoch"] == self.epoch, "seed"]
            found = found[(found["epoch"] <= self.epoch) & found["seed"].isin(reached)]
        return found

    @property
    def sample(self) -> Sample:
        """The number by seed: of each the last row that counts."""
        last = self.rows.groupby("seed")[self.column].last()
        return Sample({int(seed): self.scale * float(value) for seed, value in last.items()})

    @property
    def duration(self) -> float | None:
        """Mean seconds of a seed, None if they were not kept."""
        found = self.rows
        if self.seconds not in found or found.empty:
            return None
        return float(found.groupby("seed")[self.seconds].sum().mean())


def read_claims(path: Path = LIST) -> tuple[list[Claim], list[str]]:
    """All claims, and what is open, one sentence each."""
    values = read_toml(path)
    return [Claim(**keys) for keys in values["claims"]], values["open"]


def table(claims: list[Claim]) -> str:
    """A row for each claim."""
    rows = []
    for claim in claims:
        sample, duration = claim.sample, claim.duration
        number = f"{tables.spread(sample)} {claim.unit}" if sample.n else tables.NOT_RUN
        seeds = ", ".join(str(seed) for seed in sample.values if seed != NO_SEED) or tables.NOTHING
        seconds = tables.NOTHING if duration is None else f"{duration:,.0f}"
        rows.append([claim.what, number, seeds, seconds, f"`{claim.command}`", f"`{claim.file}`"])
    header = ["claim", "number", "seeds", "seconds a seed", "command", "proved by"]
    return tables.markdown(header, rows)
