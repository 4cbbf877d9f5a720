"""causaldisc.algorithms."""
