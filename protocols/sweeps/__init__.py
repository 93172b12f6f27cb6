"""Sweeps: many runs that differ in some keys of a parameter file, on all cores, a cluster, or both."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "cluster": ["Slurm"],
        "estimation": ["Estimate", "estimate"],
        "plan": ["Plan", "Range"],
        "session": ["job_script", "opened", "sweep", "train", "workers_of", "written_in_the_end"],
        "folder": ["Sweep"],
        "task": ["Task"],
    },
)
