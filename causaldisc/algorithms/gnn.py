"""gnn: a graph neural network that learns its own adjacency, acyclic at lag 0 and within the prior."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import DIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry

FEWEST = 10  # windows: fewer say nothing


@dataclass(frozen=True)
class GNN(Algorithm):
    """Learn a graph as the adjacency of a message-passing network that predicts every variable from the others and the past.

    Three steps:

    1. *Train.* Every variable sends messages to the others, lag by lag; a message is a small network with hidden units
       shared by all edges, node embeddings and a linear skip, and a target adds up what arrives (torch-geometric's
       ``MessagePassing``). The standard deviation of a message is the gate of its edge: a group penalty closes gates
       (Tank et al. 2021, Neural Granger causality), DAGMA's log-determinant keeps lag 0 acyclic (Bello et al. 2022), and
       the likelihood has a noise variance a variable (Ng et al. 2020). What the prior forbids is masked from the start;
       required edges have no penalty. A variable's own past may predict it even where the prior forbids to report that.
    2. *Order.* Gates above ``threshold`` are the candidates. On the channels that the network learned, the order of best
       score is searched (Andrews et al. 2023), from the network's own DAG and from random orders: gradient descent alone
       ends in poor orders when variables are standardised (Reisach et al. 2021).
    3. *Test.* An edge stays when its source explains the target beyond the other parents, by tests that hold under heavy
       tails; ``alpha`` bounds the false discovery rate over all allowed edges (Benjamini & Hochberg 1995), so that noise
       gives an empty graph.

    Learning a graph inside a graph network is from DAG-GNN (Yu et al. 2019) and neural relational inference (Kipf et al.
    2018), with lags as in NTS-NOTEARS (Sun et al. 2021) and CUTS (Cheng et al. 2023); the message design, the hand-over from
    gates to an order search and tests on the learned channels are ours.

    Effects of parents add up; their noise may be of any shape; no hidden common cause is assumed. Each environment has its
    own means. A missing value is replaced by the mean where it predicts and left out where it is predicted, as are the rows
    in which a labelled ``set`` intervention holds the target. Of more than 10,000 rows a random subset is used.

    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(400, 3))
    >>> values = np.column_stack([noise[:, 0], noise[:, 1], np.tanh(2 * noise[:, 0]) + noise[:, 1] + 0.5 * noise[:, 2]])
    >>> found = discover(Telemetry(values, ["a", "b", "c"]), "gnn", max_lag=0)
    >>> [(e.source, e.target) for e in found.graph.edges]
    [('a', 'c'), ('b', 'c')]
    """

    max_lag: int = parameter(3, "largest lag, in steps", low=0)
    alpha: float = parameter(0.01, "false discovery rate over all allowed edges", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    sparsity: float = parameter(
        0.7,
        "penalty on the messages, in units of the noise level sqrt(2 log(cells) / rows)",
        low=0.0,
        search=(0.1, 3.0, "log"),
    )
    threshold: float = parameter(
        0.03,
        "gate above which an edge is a candidate, in standard deviations of its target",
        low=0.0,
        search=(0.003, 0.3, "log"),
    )
    steps: int = parameter(500, "training steps", low=1)
    hidden: int = parameter(8, "hidden units of a message", low=1, search=(4, 32, "log"))
    lr: float = parameter(0.03, "first learning rate", low=1e-6, high=1.0, search=(0.003, 0.1, "log"))
    restarts: int = parameter(10, "random starts of the order search", low=0)
    device: str = parameter("cpu", "torch device of the training")
    deadline_s: float | None = parameter(None, "seconds after which to return the best graph so far; null = none", low=0.0)
    name: ClassVar[str] = "gnn"
    summary: ClassVar[str] = "graph neural network with a learned acyclic adjacency over lags, every edge tested"

    @property
    def kind(self) -> str:
        """``lagged`` with lags, else ``dag``."""
        return "lagged" if self.max_lag else "dag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph; the loading of torch does not count against ``deadline_s``."""
        # Late, so that listing the algorithms loads no torch.
        from causaldisc.algorithms._gnn_panel import Cells, Panel, unflat
        from causaldisc.algorithms._gnn_search import find
        from causaldisc.algorithms._gnn_training import Schedule, train
        from causaldisc.kernels.moments import canonical_order

        end = time.monotonic() + (np.inf if self.deadline_s is None else self.deadline_s)

        def late() -> bool:
            return time.monotonic() > end

        order = canonical_order(telemetry.values)
        panel = Panel.of(telemetry.select(order), self.max_lag, rng)
        if len(panel.rows) < FEWEST:
            raise InputError(
                f"telemetry must have at least {FEWEST} windows of max_lag + 1 = {self.max_lag + 1} rows, each within an "
                f"environment, for gnn, got {len(panel.rows)}; valid: more rows or a smaller max_lag"
            )
        cells = Cells.of(constraints.restrict(order), panel)
        penalty = self.sparsity * float(np.sqrt(2 * np.log(max(len(cells.open), 2)) / max(len(panel.rows), 1)))
        trained = train(panel, cells, Schedule(self.steps, self.hidden, self.lr, penalty, self.device), rng, late)
        found = find(panel, cells, trained, self.threshold, self.alpha, self.restarts, rng, late)
        back = np.argsort(order)
        arrays = (found.edges, cells.pinned, found.strength, found.p_value, found.scores)
        edges, pinned, strength, p_value, scores = (unflat(a, len(order))[np.ix_(back, back)] for a in arrays)
        graph = CausalGraph.from_codes(
            telemetry.variables,
            np.where(edges, DIRECTED, 0).astype(np.int8),
            kind=self.kind,
            strength=strength,
            p_value=p_value,
            evidence=dict.fromkeys(zip(*(axis.tolist() for axis in np.nonzero(pinned)), strict=True), ("prior",)),
        )
        report = {
            "windows": len(panel.rows),
            "steps": trained.steps,
            "candidates": found.candidates,
            "cyclicity": trained.cyclicity,
            "truncated": trained.truncated or late(),
        }
        return Learned(graph, np.where(constraints.allowed, scores, np.nan), report)
