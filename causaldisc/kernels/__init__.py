"""causaldisc.kernels."""
