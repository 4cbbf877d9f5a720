"""What the controls share: they name the cells they claim, and here those become a graph that obeys the prior."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._orders import reachable
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True, eq=False)
class Claim:
    """What a control says before the prior is laid on it.

    Attributes
    ----------
    cells : bool[N, N, L + 1]; ``[i, j, lag]`` claims i → j. At lag 0 both cells of a pair claim an undirected edge.
        Cells that the prior forbids may be set: they are dropped.
    ranking : float[N, N, L + 1], the scores; None = 1 for the edges of the graph and 0 for the rest.
    strength, p_value : of the same shape, or None.
    """

    cells: np.ndarray
    ranking: np.ndarray | None = None
    strength: np.ndarray | None = None
    p_value: np.ndarray | None = None


@dataclass(frozen=True)
class Control(Algorithm):
    """A baseline that needs no method: :meth:`claim` says which edges, and the prior has the last word."""

    max_lag: int = parameter(3, "largest lag, in steps", low=0)
    control: ClassVar[bool] = True
    flat_kind: ClassVar[str] = "dag"
    evidence: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> str:
        """``lagged`` with lags, else the kind of this control's graphs."""
        return "lagged" if self.max_lag else self.flat_kind

    @abstractmethod
    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Say which cells are edges; ``pinned`` (bool[N, N, L + 1]) are the required ones, one lag each."""

    def association(self, telemetry: Telemetry, constraints: Constraints) -> np.ndarray:
        """Return float[N, N, L + 1] by which a required edge gets its lag; without a look at the data, the first allowed."""
        return np.zeros(constraints.allowed.shape)

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Lay the prior on the claim."""
        pinned = constraints.pin(self.association(telemetry, constraints))
        claim = self.claim(telemetry, constraints, pinned, rng)
        codes = settle(claim.cells, constraints.allowed, pinned)
        cells = zip(*(axis.tolist() for axis in np.nonzero(codes)), strict=True)
        evidence = {c: (*(self.evidence if claim.cells[c] else ()), *(("prior",) if pinned[c] else ())) for c in cells}
        graph = CausalGraph.from_codes(
            telemetry.variables,
            codes,
            kind=self.kind,
            strength=claim.strength,
            p_value=claim.p_value,
            evidence={c: tuple(dict.fromkeys(e)) for c, e in evidence.items()},
        )
        ranking = (codes > 0).astype(float) if claim.ranking is None else claim.ranking
        return Learned(graph, np.where(constraints.allowed, ranking, np.nan))


def settle(cells: np.ndarray, allowed: np.ndarray, pinned: np.ndarray) -> np.ndarray:
    """Turn claimed cells into the codes of a graph that obeys the prior.

    At lag 0 a pair claimed and allowed both ways is undirected, unless it is pinned one way. Where the directed edges
    form a cycle, those on it are left out, except the pinned ones: no order of the columns is preferred.

    Parameters
    ----------
    cells, allowed, pinned : bool[N, N, L + 1]; the pinned cells have no cycle at lag 0.

    Returns
    -------
    int8[N, N, L + 1] of cell codes.

    >>> both = np.array([[0, 1], [1, 0]], dtype=bool)[:, :, None]
    >>> settle(both, both, np.zeros_like(both))[:, :, 0].tolist()
    [[0, 2], [2, 0]]
    """
    kept = (cells & allowed) | pinned
    now, must = kept[:, :, 0], pinned[:, :, 0]
    undirected = now & now.T & ~must & ~must.T
    directed = (now & ~now.T) | must
    directed &= must | ~reachable(directed).T
    codes = np.where(kept, DIRECTED, 0).astype(np.int8)
    codes[:, :, 0] = np.where(undirected, UNDIRECTED, np.where(directed, DIRECTED, 0))
    return codes
