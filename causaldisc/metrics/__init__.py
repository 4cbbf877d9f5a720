"""Metrics: graph against truth, one plug-in a module; :func:`score` runs them all."""

from causaldisc.metrics._score import score

__all__ = ["score"]
