"""causaldisc.core."""
