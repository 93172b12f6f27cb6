"""Experiments in time: the clockwork, stimuli, runs, presets, and the command line."""

from .clockwork import Phase, Preparation, Presentation, Protocol, Stimulus, contrastive

__all__ = ["Phase", "Preparation", "Presentation", "Protocol", "Stimulus", "contrastive"]
