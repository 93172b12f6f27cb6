"""Faults that come from outside: kills, signals, pauses, full disks, lacking rights, others at work, clocks."""

import os
import shutil
import signal
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from reliability_places import SlowDisk, SmallDisk, as_nobody, wrong_clock
from reliability_recordings import RECORDED, recording_trial
from reliability_runs import CASES, Child, Laboratory, Moment, Outcome, differences, temporaries
from reliability_trials import Trial, judged

#: Trials of each case; every fourth is killed up to three times before it may end.
KILLS, OF_FIGURES, SIGNALS, PAUSES = 8, 12, 2, 4
#: Sizes of a full disk, as fractions of what a run needs, and how many writers are tried.
LEVELS, WRITERS = 20, 6


#: A system without dynamics, whose figures are few; and such as differ in what they remember.
_STATIC = "backpropagation"
_DIFFERENT = ("corinfomax", "corinfomax, noise", "equilibrium", _STATIC)


def rng_of(*words: Any) -> np.random.Generator:
    """Random numbers that belong to a trial, the same each time."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, words)).encode()))


def kills(lab: Laboratory) -> Iterator[Trial]:
    """Kill training -9, resume, and compare; the same while figures are drawn, and while traces are recorded."""
    for seed in range(KILLS):
        for case in CASES:
            yield Trial("kill", case, seed, lambda case=case, seed=seed: killed(lab, case, seed))
    for seed in range(OF_FIGURES):
        run = lambda seed=seed: killed(lab, _STATIC, seed, figures=True)  # noqa: E731
        yield Trial("kill", f"{_STATIC}, figures", seed, run)
    for ending, trials in RECORDED.items():
        for seed in range(trials):
            run = lambda ending=ending, seed=seed: recording_trial(lab, ending, seed, rng_of)  # noqa: E731
            yield Trial("kill", f"recording, {ending}", seed, run)


def killed(
    lab: Laboratory,
    case: str,
    seed: int,
    figures: bool = False,
    number: int = signal.SIGKILL,
    under: Path | None = None,
) -> dict[str, Any]:
    """Send a signal at a random moment, up to three times, and then let the run end.

    Parameters
    ----------
    lab : Laboratory
    case : str
    seed : int
    figures : bool, default False
        Whether the moments are those at which figures are drawn, of a run that has been trained.
    number : int
        The signal.
    under : Path, optional
        Folder to train in.
    """
    rng = rng_of("kill", case, seed, figures, number)
    reference, whole = lab.reference(case, figures)
    folder = lab.place() if under is None else under / lab.place().name
    _anew(lab, case, figures, folder)
    if figures:
        _, before = lab.reference(case)
        whole = replace(whole, events=whole.events - before.events, seconds=whole.seconds - before.seconds)
    moments, left, hit, wanted = [], set(), 0, 1 if seed % 4 else 3
    for _ in range(wanted + 3):
        moment = Moment.drawn(rng, whole.seconds, whole.events)
        if number != signal.SIGKILL and moment.how == "before":
            moment = replace(moment, how="after")
        child = Child(lambda: lab.train(case, folder, figures), folder, moment)
        child.wait_until_moment()
        child.signal(number)
        ended = child.outcome()
        moments.append(str(moment))
        left |= set(temporaries(folder))
        if ended.kind in ("fault", "hung", "refused"):
            return judged(ended, "", moment="; ".join(moments), hits=hit)
        hit += ended.kind in ("killed", "interrupted")
        if hit == wanted:
            break
        if ended.kind == "done":  # before the moment came
            if differing := differences(reference, folder):
                return judged(ended, differing, moment="; ".join(moments), hits=hit)
            if hit:
                break
            _anew(lab, case, figures, folder)
    outcome = Child(lambda: lab.train(case, folder, figures)).outcome()
    differing = differences(reference, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return judged(outcome, differing, moment="; ".join(moments), hits=hit, left=" ".join(sorted(left)))


def _anew(lab: Laboratory, case: str, figures: bool, folder: Path):
    shutil.rmtree(folder, ignore_errors=True)
    if figures:
        shutil.copytree(lab.reference(case)[0], folder)


def signals(lab: Laboratory) -> Iterator[Trial]:
    """SIGINT and SIGTERM at random moments: the run ends by itself, and goes on to the same."""
    for case in _DIFFERENT:
        for number in (signal.SIGINT, signal.SIGTERM):
            for seed in range(1, 1 + SIGNALS):
                run = lambda case=case, seed=seed, number=number: killed(lab, case, seed, number=number)  # noqa: E731
                yield Trial("signal", f"{case}, {number.name}", seed, run)


def pauses(lab: Laboratory) -> Iterator[Trial]:
    """SIGSTOP at three random moments, and SIGCONT a little later; while it rests, others are turned away."""
    for case in _DIFFERENT:
        for seed in range(PAUSES):
            yield Trial("pause", case, seed, lambda case=case, seed=seed: paused(lab, case, seed))


def paused(lab: Laboratory, case: str, seed: int) -> dict[str, Any]:
    """Stop and continue; another process that would train into the folder meanwhile is refused."""
    rng = rng_of("pause", case, seed)
    reference, whole = lab.reference(case)
    folder, told = lab.place(), []
    at = sorted(rng.uniform(0, whole.seconds, 3))
    child = Child(lambda: lab.train(case, folder), folder, Moment("time", 0.0))
    for moment in at:
        child.until(moment)
        child.signal(signal.SIGSTOP)
        time.sleep(0.05)
        if moment == at[1] and (folder / "checkpoint.npz").exists():
            other = Child(lambda: lab.train(case, folder)).outcome()
            told.append(other.words)
            if other.kind not in ("refused", "done"):
                child.signal(signal.SIGKILL)
                child.outcome()
                return judged(other, "")
        child.signal(signal.SIGCONT)
    outcome = child.outcome()
    differing = differences(reference, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return judged(outcome, differing, moment="; ".join(f"{moment:.3f} s" for moment in at), words="; ".join(told))


def disks(lab: Laboratory) -> Iterator[Trial]:
    """Disks that are too small, at as many levels; then there is room again, and the run goes on."""
    for case, figures in (("corinfomax", False), (_STATIC, True)):
        for level in range(LEVELS):
            run = lambda case=case, figures=figures, level=level: filled(lab, case, figures, level)  # noqa: E731
            yield Trial("full disk", f"{case}{', figures' * figures}", level, run)
    for level in range(LEVELS // 2):
        run = lambda level=level: recording_trial(lab, "h5", level, rng_of, level / (LEVELS // 2))  # noqa: E731
        yield Trial("full disk", "recording, h5", level, run)


def filled(lab: Laboratory, case: str, figures: bool, level: int) -> dict[str, Any]:
    """Train on a disk of a fraction of the size that the run needs, then on one with room."""
    reference, _ = lab.reference(case, figures)
    need = sum(-(-path.stat().st_size // 4096) * 4096 for path in reference.rglob("*") if path.is_file())
    size = 4096 + int(need * level / (LEVELS - 1))
    with SmallDisk(lab.place(), size) as disk:
        folder = disk.path / "run"
        first = Child(lambda: lab.train(case, folder, figures), first=disk.limit).outcome()
        told, moment = {"words": first.words, "hits": int(first.kind == "refused")}, f"{size} bytes"
        if first.kind not in ("refused", "done"):
            return judged(first, "", moment=moment)
        disk.enlarge()
        outcome = Child(lambda: lab.train(case, folder, figures)).outcome()
        return judged(outcome, differences(reference, folder), moment=moment, how=disk.how, **told)


#: What an ordinary user may not do: which rights are taken from what, and whether a run is there already.
RIGHTS = {
    "the folder above": ("..", 0o555, False),
    "the run folder": (".", 0o555, True),
    "the run folder, not even to be looked into": (".", 0o000, True),
    "figures/": ("figures", 0o555, True),
    "checkpoint.npz": ("checkpoint.npz", 0o000, True),
    "config.toml": ("config.toml", 0o000, True),
    "history.csv": ("history.csv", 0o000, True),
    "history.csv, which may be read": ("history.csv", 0o444, True),
    "environment.json": ("environment.json", 0o000, True),
    ".lock": (".lock", 0o000, True),
    "the folder above, not even to be looked into": ("..", 0o000, True),
    "the stimuli": ("stimuli/toy.npz", 0o000, False),
    "the folder of the stimuli": ("stimuli", 0o000, False),
    "the file system": (None, 0, True),
}


def rights(lab: Laboratory) -> Iterator[Trial]:
    """What an ordinary user may not write or read; then it is allowed again."""
    for what in RIGHTS:
        yield Trial("rights", what, 0, lambda what=what: forbidden(lab, what))


def forbidden(lab: Laboratory, what: str) -> dict[str, Any]:
    """Resume half a run as nobody, first without, then with the rights that it needs."""
    name, mode, begun = RIGHTS[what]
    case, figures = _STATIC, name == "figures"
    reference, whole = lab.reference(case, figures)
    with SmallDisk(lab.place(), 2**26) as disk:
        above = disk.path / "above"
        above.mkdir()
        folder = above / "run"
        if begun:
            at = Moment("before", whole.events * 3 // 4)
            Child(lambda: lab.train(case, folder, figures), folder, at).outcome()
        (folder / "figures").mkdir(exist_ok=True) if name == "figures" else None
        disk.give_to_nobody()
        place = None if name is None else (lab.root if "stimuli" in name else folder) / name
        place = above if name == ".." else place
        before = None if place is None else place.stat().st_mode
        place.chmod(mode) if place is not None else disk.only_read()
        first = Child(lambda: lab.train(case, folder, figures), first=as_nobody).outcome()
        place.chmod(before) if place is not None else disk.enlarge()
        if first.kind not in ("refused", "done"):
            return judged(first, "", words=first.words)
        outcome = Child(lambda: lab.train(case, folder, figures), first=as_nobody).outcome()
        differing = differences(reference, folder)
        return judged(outcome, differing, words=first.words, hits=int(first.kind == "refused"), how=disk.how)


def writers(lab: Laboratory) -> Iterator[Trial]:
    """Two processes in one folder: both train; one draws or records while one trains; one resumes while one draws."""
    for other in ("trains", "draws", "records", "resumes"):
        for seed in range(WRITERS):
            yield Trial("two writers", other, seed, lambda other=other, seed=seed: two(lab, other, seed))


def two(lab: Laboratory, other: str, seed: int) -> dict[str, Any]:
    """Let another process into the folder at a random moment of the first one's; each ends well or with a line."""
    rng = rng_of("writers", other, seed)
    figures = other in ("draws", "resumes")
    case = _STATIC if figures else ("corinfomax", "equilibrium")[seed % 2]
    reference, whole = lab.reference(case, figures)
    folder = lab.place()
    if other == "resumes":
        shutil.copytree(reference, folder)
        whole = replace(whole, seconds=whole.seconds - lab.reference(case)[1].seconds)
    at = 0.0 if seed == 0 and other == "trains" else float(rng.uniform(0, whole.seconds))
    begun = lab.draw if other == "resumes" else lambda folder: lab.train(case, folder, figures)
    first = Child(lambda: begun(folder), folder, Moment("time", at))
    first.wait_until_moment()
    work = {
        "trains": lambda: lab.train(case, folder),
        "draws": lambda: lab.draw(folder),
        "records": lambda: lab.record(folder),
        "resumes": lambda: lab.train(case, folder),
    }[other]
    second = Child(work)
    ended: list[Outcome] = [second.outcome(), first.outcome()]
    for outcome in ended:
        if outcome.kind not in ("done", "refused"):
            return judged(outcome, "", moment=f"{at:.3f} s")
    last = Child(lambda: lab.train(case, folder, figures)).outcome()
    differing = differences(reference, folder)
    shutil.rmtree(folder, ignore_errors=True)
    both = [outcome.words for outcome in ended]
    if all(both) or (other != "trains" and both[1]):
        differing = differing or "the first one was refused"
    told = "; ".join(filter(None, both))
    return judged(last, differing, moment=f"{at:.3f} s", words=told, hits=sum(map(bool, both)))


def clocks(lab: Laboratory) -> Iterator[Trial]:
    """Clocks that go back or far ahead, and files of other times, in a run that is killed and taken up again."""
    for kind in ("goes back", "runs backwards", "goes ahead and back", "files of the future", "files of 1970"):
        for seed, case in enumerate(_DIFFERENT):
            run = lambda kind=kind, case=case, seed=seed: out_of_time(lab, kind, case, seed)  # noqa: E731
            yield Trial("clock", f"{kind}, {case}", seed, run)


def out_of_time(lab: Laboratory, kind: str, case: str, seed: int) -> dict[str, Any]:
    """Kill a run under a clock that is wrong, and let it end under another one."""
    rng = rng_of("clock", kind, seed)
    reference, whole = lab.reference(case)
    folder, moment = lab.place(), Moment.drawn(rng, whole.seconds, whole.events)
    clock = lambda: wrong_clock(kind, rng)  # noqa: E731
    child = Child(lambda: lab.train(case, folder), folder, moment, first=clock)
    child.wait_until_moment()
    child.signal(signal.SIGKILL)
    child.outcome()
    if kind.startswith("files") and folder.exists():
        time_of_files = time.time() + 86400 * 365 if "future" in kind else 0.0
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (time_of_files, time_of_files))
    outcome = Child(lambda: lab.train(case, folder), first=clock).outcome()
    differing = differences(reference, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return judged(outcome, differing, moment=str(moment), hits=1)


def slow_disks(lab: Laboratory) -> Iterator[Trial]:
    """A file system on which each call takes milliseconds: whole runs, and such that are killed."""
    for case in ("corinfomax", _STATIC):
        for seed in range(5):
            yield Trial("slow disk", case, seed, lambda case=case, seed=seed: slowed(lab, case, seed))


def slowed(lab: Laboratory, case: str, seed: int) -> dict[str, Any]:
    """Train on a slow disk; seed 0 without a kill."""
    with SlowDisk(lab.place()) as disk:
        if seed:
            return killed(lab, case, seed, under=disk.path) | {"how": disk.how}
        reference, _ = lab.reference(case)
        outcome = Child(lambda: lab.train(case, disk.path / "run"), first=disk.slow_down).outcome()
        return judged(outcome, differences(reference, disk.path / "run"), how=disk.how)
