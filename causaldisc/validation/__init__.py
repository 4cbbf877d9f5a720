"""causaldisc.validation."""
