"""Validation: interventions chosen, run and judged, so that edges are confirmed, refuted, or honestly left untested."""

from causaldisc.validation._validate import validate

__all__ = ["validate"]
