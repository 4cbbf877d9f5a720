"""causaldisc: causal discovery and graph learning on microservice telemetry, under an expert's prior."""

from causaldisc.core.dataset import Dataset
from causaldisc.core.discovery import Discovery
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import read_telemetry
from causaldisc.exporters._export import export
from causaldisc.ingest._ingest import IngestResult, ingest
from causaldisc.metrics._score import score
from causaldisc.rca._rca import rca
from causaldisc.runner.pipeline import discover
from causaldisc.sources._simulate import simulate
from causaldisc.validation._validate import validate

__all__ = [
    "CausalGraph",
    "Dataset",
    "Discovery",
    "Edge",
    "ExpertPrior",
    "IngestResult",
    "Intervention",
    "Telemetry",
    "discover",
    "export",
    "ingest",
    "rca",
    "read_telemetry",
    "score",
    "simulate",
    "validate",
]
