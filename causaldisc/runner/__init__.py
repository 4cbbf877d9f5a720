"""causaldisc.runner."""
