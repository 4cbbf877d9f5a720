"""causaldisc.validation.planners."""
