"""causaldisc.ingest."""
