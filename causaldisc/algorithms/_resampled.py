"""What the searches share that can be made again on resampled rows: confidence, stability selection, abstention, a deadline."""

from __future__ import annotations

import logging
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from causaldisc.algorithms._beliefs import weighed
from causaldisc.algorithms._calibration import Shares, calibrated
from causaldisc.algorithms._directions import directed
from causaldisc.core.confidence import Confidence
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import DIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry

logger = logging.getLogger(__name__)

# Resamples made unasked, where they cost no more than so many seconds in all.
USUAL, CHEAP_SECONDS = 100, 1.0
_LONG_SECONDS = 3.0  # from which on a bar tells how far it is
# Share of the half-samples in which a stable edge must be found (Meinshausen & Bühlmann 2010, JRSSB 72, advise .6 to .9).
STABLE = 0.9


class Draft(NamedTuple):
    """What a search on resampled rows says: int8[N, N, L + 1] cell codes, and how strong each edge is.

    ``strength`` float[N, N, L + 1] is -log10 p of the weakest test, or of what a score gains by the edge.
    """

    codes: np.ndarray
    strength: np.ndarray


class Study(NamedTuple):
    """A search that was made on all rows and can be made again on some of them.

    Attributes
    ----------
    learned : what it found.
    again : makes the search on rows of its windows, int[T'] with repetitions, in the order of the input's columns; past the end
        it is cut short, and what it says does not count.
    labels : int[T'], the environment of every window.
    cost : seconds that one resample takes, roughly, worked out from counts alone so that it is the same everywhere.
    """

    learned: Learned
    again: Callable[[np.ndarray], Draft]
    labels: np.ndarray
    cost: float


@dataclass(frozen=True)
class Repeated(Algorithm):
    """A search that is made again on resampled rows, so that every edge comes with probabilities."""

    bootstrap: int | None = parameter(
        None, "resamples behind the confidence of edges; null = 100 where they cost under a second, else none", low=0
    )
    select: str = parameter(
        "all", "edges to keep: all that the search finds, or those stable over half-samples", choices=("all", "stability")
    )
    false_edges: float = parameter(1.0, "expected number of false edges that stability selection may keep", low=0.0)
    min_confidence: float = parameter(0.0, "edges less probable are left out and listed", low=0.0, high=1.0)
    deadline_s: float | None = parameter(None, "seconds after which to return the graph so far; null = none", low=0.0)
    judges_colliders: ClassVar[bool] = True  # whether it says anything of directions at lag 0

    def __post_init__(self) -> None:
        """Refuse to choose edges by resamples without any."""
        if self.bootstrap == 0 and (self.select == "stability" or self.min_confidence > 0.0):
            asked = "select=stability" if self.select == "stability" else f"min_confidence={self.min_confidence:g}"
            raise InputError(f"{self.name}.bootstrap must be > 0 with {asked}, got 0; valid: null (= {USUAL}), or a number")

    @abstractmethod
    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all rows, until ``time.monotonic()`` is past the end, and prepare to search again."""

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph; only its confidence and what is chosen by it depend on ``rng``."""
        end = time.monotonic() + (math.inf if self.deadline_s is None else self.deadline_s)
        study = self.study(telemetry, constraints, end)
        learned = study.learned
        if constraints.beliefs:

            def without(limits: Constraints) -> CausalGraph:
                return self.study(telemetry, limits, end).learned.graph

            learned = weighed(learned, constraints, without, study.cost, end)
        wanted = 0 if learned.report.get("truncated") else self._wanted(study)
        if not wanted:
            return replace(learned, report={**learned.report, "bootstrap": 0})
        from causaldisc.kernels.resampling import block_length

        block = block_length(telemetry.values, telemetry.environments)
        report = dict(learned.report)
        if self.select == "stability":
            stable, facts = self._stability(study, constraints, wanted, block, rng, end)
            report |= facts
            learned = _keep(learned, constraints, stable, report, "unstable_edges")
        votes = _bootstrap(study, wanted, block, rng, end)
        report |= {"bootstrap": votes.resamples, "block_length": block}
        if votes.resamples < wanted:
            report["truncated"] = True
        if not votes.resamples:
            return replace(learned, report=report)
        search = f"{self.name}@{min(self.max_lag, 1)}"
        confidence = _confidence(search, telemetry, votes, constraints, block, self.judges_colliders)
        learned = replace(learned, graph=confidence.of(learned.graph), confidence=confidence)
        if self.min_confidence > 0.0:
            learned = _keep(learned, constraints, confidence.adjacency >= self.min_confidence, report, "abstained_edges")
        return replace(learned, report=report)

    def _wanted(self, study: Study) -> int:
        """How many resamples to make: what was asked for, or the usual number where that is cheap or nothing goes without."""
        if self.bootstrap is not None:
            return self.bootstrap
        needed = self.select == "stability" or self.min_confidence > 0.0
        return USUAL if needed or USUAL * study.cost <= CHEAP_SECONDS else 0

    def _stability(
        self,
        study: Study,
        constraints: Constraints,
        wanted: int,
        block: int,
        rng: np.random.Generator,
        end: float,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return bool[N, N, L + 1] of stable adjacencies, symmetric at lag 0, and facts (Shah & Samworth 2013, JRSSB 75).

        By their theorem 1, of ``p`` pairs that a half-sample lets through with a chance of at most ``level`` each, no more
        than ``level² p / (2 STABLE - 1)`` are stable on average: the level follows from the number of false edges asked for.
        A false edge is one between variables that some set of the search separates; the tests have to keep their level.
        """
        from causaldisc.kernels.resampling import halves

        asked = _pairs(constraints.adjacent)
        level = min(1.0, math.sqrt((2 * STABLE - 1) * self.false_edges / max(int(asked.sum()), 1)))
        found, made = np.zeros(asked.shape), 0
        with _at_work(study.cost * wanted, wanted) as progress:
            for _ in range(math.ceil(wanted / 2)):
                for rows in halves(study.labels, block, rng):
                    draft = study.again(rows) if time.monotonic() <= end else None
                    if draft is None or time.monotonic() > end:
                        break  # cut short
                    found += _either_way((draft.codes > 0) & (draft.strength >= -math.log10(max(level, 1e-300))))
                    made += 1
                    progress.update()
        facts = {"half_samples": made, "level_of_half_samples": level, "expected_false_edges": float(self.false_edges)}
        return found >= STABLE * made, facts  # all of them where there was no time for any


@dataclass(frozen=True)
class Resampled(Repeated):
    """A repeated search of graphs without hidden variables: edges that the data leave open can be directed beyond them."""

    orient: str = parameter(
        "class",
        "what directs edges that the data leave open at lag 0: nothing beyond their class, roles and calls, the shape of "
        "distributions, delays beyond one scrape, or all of these in this order",
        choices=("class", "roles", "nongaussian", "lags", "all"),
    )
    as_dag: bool = parameter(
        False, "direct all that is left open: the most probable acyclic orientation, within the class if any is"
    )

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph; only its confidence and what is chosen by it depend on ``rng``."""
        learned = super().discover(telemetry, constraints, rng)
        return directed(learned, telemetry, constraints, self.orient, self.as_dag, self.judges_colliders)


class Votes(NamedTuple):
    """What resamples say, float[N, N, L + 1] each.

    Attributes
    ----------
    adjacent, directed : how many had an adjacency (symmetric at lag 0), and how many directed it i → j.
    strength : its mean strength over all of them, symmetric at lag 0.
    resamples : how many there were.
    """

    adjacent: np.ndarray
    directed: np.ndarray
    strength: np.ndarray
    resamples: int


def seconds_of_moments(windows: np.ndarray) -> float:
    """Seconds that the moments of float[T', M] take on a common machine, roughly.

    With missing values there are four times as many products, and a matrix to repair.
    """
    products, columns = float(windows.size) * windows.shape[1], float(windows.shape[1])
    return 4e-10 * products + 5e-9 * columns**3 if np.isnan(windows).any() else 1e-10 * products


def _bootstrap(study: Study, wanted: int, block: int, rng: np.random.Generator, end: float) -> Votes:
    """Search on so many resamples, or on as many as there is time for."""
    from causaldisc.kernels.resampling import draw

    shape = study.learned.scores.shape
    adjacent, directed, strength, made = np.zeros(shape), np.zeros(shape), np.zeros(shape), 0
    with _at_work(study.cost * wanted, wanted) as progress:
        while made < wanted and time.monotonic() <= end:
            draft = study.again(draw(study.labels, block, rng))
            if time.monotonic() > end:
                break  # cut short
            adjacent += _either_way(draft.codes > 0)
            directed += draft.codes == DIRECTED
            strength += draft.strength
            made += 1
            progress.update()
    logger.debug("%d resamples of %d", made, wanted)
    strength[:, :, 0] = np.fmax(strength[:, :, 0], strength[:, :, 0].T)
    return Votes(adjacent, directed, strength / max(made, 1), made)


@contextmanager
def _at_work(seconds: float, total: int) -> Iterator[Any]:
    """Work on one thread of linear algebra, with a bar on a terminal where it takes long.

    Other threads would wait busily through everything between two products, and cost twice the time of the processor.
    """
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    with (
        threadpool_limits(limits=1, user_api="blas"),
        tqdm(total=total, unit="resample", leave=False, disable=None if seconds > _LONG_SECONDS else True) as bar,
    ):
        yield bar


def _confidence(
    search: str, telemetry: Telemetry, votes: Votes, constraints: Constraints, block: int, directs: bool
) -> Confidence:
    """Turn votes into probabilities, by the map of the search where it has one; what the prior settles is certain."""
    frequency = votes.adjacent / votes.resamples
    directed = np.divide(votes.directed, votes.adjacent, out=np.zeros_like(frequency), where=votes.adjacent > 0)
    directed[:, :, 1:] = 1.0
    shares = Shares(frequency, votes.directed / votes.resamples, votes.strength, votes.resamples)
    found = calibrated(search, telemetry.values, shares, _pairs(constraints.adjacent), block)
    sure, way = np.array(frequency), np.array(directed)
    if found is not None:
        sure, way[:, :, 0] = found
    if not directs:
        way[:, :, 0] = np.nan
    may = constraints.allowed
    np.copyto(way[:, :, 0], may[:, :, 0], where=may[:, :, 0] != may[:, :, 0].T)
    for i, j, (low, high) in constraints.required:
        needed = np.arange(low, high + 1)[directed[i, j, low : high + 1] == 1.0]
        for lag in needed[frequency[i, j, needed] == 1.0]:
            sure[i, j, lag] = way[i, j, lag] = 1.0
            if lag == 0:
                sure[j, i, 0], way[j, i, 0] = 1.0, 0.0
    for array in (sure, way, frequency, directed):
        array[~constraints.adjacent] = np.nan
    return Confidence(sure, way, frequency, directed, votes.resamples, block, "none" if found is None else search)


def _pairs(adjacent: np.ndarray) -> np.ndarray:
    """The pairs in question, those of lag 0 once and no variable beside itself."""
    asked = np.array(adjacent)
    asked[:, :, 0] = np.triu(asked[:, :, 0], 1)
    return asked


def _either_way(edges: np.ndarray) -> np.ndarray:
    """Make bool[N, N, L + 1] symmetric at lag 0."""
    both = np.array(edges)
    both[:, :, 0] |= edges[:, :, 0].T
    return both


def _keep(learned: Learned, constraints: Constraints, kept: np.ndarray, report: dict[str, Any], key: str) -> Learned:
    """Leave out edges that are not kept, but for required ones, and list them under a key of the report."""
    index, edges, gone = learned.graph.index, [], []
    for edge in learned.graph.edges:
        i, j, lag = index[edge.source], index[edge.target], edge.lag
        needed = any((i, j) == (a, b) and low <= lag <= high for a, b, (low, high) in constraints.required)
        if needed or kept[i, j, lag] or (lag == 0 and kept[j, i, 0]):
            edges.append(edge)
        else:
            gone.append(f"{edge.source} - {edge.target}" if edge.lag == 0 else f"{edge.source} -> {edge.target} at lag {lag}")
    report[key] = gone
    return replace(learned, graph=learned.graph.replace(edges=edges))
