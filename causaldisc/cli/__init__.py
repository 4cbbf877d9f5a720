"""causaldisc.cli."""
