"""causaldisc.exporters."""
