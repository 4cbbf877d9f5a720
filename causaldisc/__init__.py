"""causaldisc: causal discovery and graph learning on microservice telemetry, under an expert's prior."""

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import read_telemetry
from causaldisc.runner.pipeline import discover

__all__ = ["CausalGraph", "Edge", "ExpertPrior", "Telemetry", "discover", "read_telemetry"]
