"""causaldisc.metrics."""
