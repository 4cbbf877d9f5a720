"""Hydra configuration groups of ``causaldisc run``."""
