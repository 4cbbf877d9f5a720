"""causaldisc.trackers."""
