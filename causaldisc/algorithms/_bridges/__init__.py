"""causaldisc.algorithms._bridges."""
