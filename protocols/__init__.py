"""Experiments in time: the clockwork, recording, perturbations, runs and presets."""
