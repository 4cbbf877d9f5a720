"""causaldisc.sources."""
