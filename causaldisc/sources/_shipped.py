"""Shipped data sets: recorded once, read from ``causaldisc.datasets``, and not to be experimented on."""

from __future__ import annotations

import io
import json
from abc import abstractmethod
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from causaldisc.core.dataset import Dataset
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import Source, System
from causaldisc.core.telemetry import Telemetry
from causaldisc.sources._streams import check_seed, stream

if TYPE_CHECKING:
    import pandas as pd


class RecordedSystem(System):
    """A system of which only a record exists; whoever wants an experiment is told so."""

    def __init__(self, source: Source, seed: int) -> None:
        """Remember whose record it is; the seed chooses rows and column order where a source does so."""
        self.source, self.seed = source, check_seed(seed)

    @abstractmethod
    def record(self) -> Dataset:
        """Return the data set as recorded."""

    def dataset(self, interventions: Sequence[Intervention] = ()) -> Dataset:
        """Return the record; raises InputError when it is asked for interventions."""
        if interventions:
            raise self._refusal()
        return self.record()

    def trial(self, interventions: Sequence[Intervention], run: int) -> Telemetry:
        """Raise InputError: what is recorded cannot be run again."""
        raise self._refusal()

    def _refusal(self) -> InputError:
        return InputError(
            f"source {self.source.name} must be used without interventions, since it is recorded data; "
            "valid for experiments: mesh, sem, var and other simulators"
        )


class SampledNetwork(RecordedSystem):
    """Rows of a Bayesian network with a known graph: ``n_samples`` of them, drawn without replacement by the seed."""

    def __init__(self, source: Source, seed: int, n_samples: int) -> None:
        """Check the number of rows against what is shipped."""
        super().__init__(source, seed)
        self.rows, self.facts = read_table(source.name, "data.parquet"), read_facts(source.name)
        self.n_samples = n_samples
        if n_samples > len(self.rows):
            raise InputError(f"{source.name}.n_samples must be at most the {len(self.rows)} rows shipped, got {n_samples}")

    def record(self) -> Dataset:
        """Draw rows, and columns in random order, so that no order gives the truth away."""
        rng = stream(self.seed, self.source.name, "rows")
        chosen = rng.permutation(len(self.rows))[: self.n_samples]
        names = [str(self.rows.columns[k]) for k in rng.permutation(len(self.rows.columns))]
        telemetry = Telemetry(self.rows[names].to_numpy(float)[chosen], names)
        edges = [Edge(a, b, evidence=("truth",)) for a, b in self.facts["edges"]]
        truth = CausalGraph(telemetry.variables, edges, "dag", provenance={"source": self.source.name})
        notes = {"seed": self.seed, "parameters": values_of(self.source), "rows_shipped": len(self.rows)}
        return Dataset(self.source.name, telemetry, truth, notes=notes)


def read_table(name: str, file: str) -> pd.DataFrame:
    """Read a shipped Parquet table."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(files("causaldisc.datasets").joinpath(name, file).read_bytes()))


def read_facts(name: str) -> Any:
    """Read the ``facts.json`` of a shipped data set."""
    return json.loads(files("causaldisc.datasets").joinpath(name, "facts.json").read_text(encoding="utf-8"))
