"""Continuous-time simulation of cortical circuits that learn by correlative information maximization."""
