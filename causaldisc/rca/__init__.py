"""causaldisc.rca."""
