"""causaldisc: causal discovery and graph learning on microservice telemetry, under an expert's prior."""

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import read_telemetry
from causaldisc.ingest._ingest import IngestResult, ingest
from causaldisc.runner.pipeline import discover

__all__ = ["CausalGraph", "Edge", "ExpertPrior", "IngestResult", "Telemetry", "discover", "ingest", "read_telemetry"]
