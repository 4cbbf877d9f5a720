"""Permutation z: the part of F1 that density cannot buy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import perm, sqrt
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import NAN, summary_weights


@dataclass(frozen=True)
class Permutation(Metric):
    """Directed F1 in standard deviations above its mean over all relabellings of the graph's nodes.

    Edge counts do not change when labels are permuted, so F1 is linear in the hits, and the hits are a quadratic assignment
    statistic whose first two moments are known exactly (Mantel, 1967; Hubert & Schultz, 1976): no sampling, no seed. NaN when
    every relabelling scores the same (an empty graph, a complete one, a single node).

    >>> from causaldisc.core.graph import Edge
    >>> truth = CausalGraph(["a", "b"], [Edge("a", "b")])
    >>> Permutation()(truth, truth, None), Permutation()(CausalGraph(["a", "b"]), truth, None)
    ({'directed_f1_z': 1.0}, {'directed_f1_z': nan})
    """

    name: ClassVar[str] = "permutation"
    summary: ClassVar[str] = "directed F1 against the same graph with its node labels permuted, in standard deviations"
    keys: ClassVar[tuple[str, ...]] = ("directed_f1_z",)

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Standardise the hits by their exact permutation moments."""
        found, true = summary_weights(graph), summary_weights(truth)
        mean, variance = overlap_moments(found, true)
        hits = Fraction(int(2 * np.minimum(found, true).sum()), 2)
        return {"directed_f1_z": float(hits - mean) / sqrt(variance) if variance else NAN}


def overlap_moments(found: np.ndarray, true: np.ndarray) -> tuple[Fraction, Fraction]:
    """Return exact mean and variance of Σ min(found[π, π], true) over uniformly random permutations π.

    Both are float[N, N] with cells 0, 1/2 or 1 and an empty diagonal. Since min(w, t) is half of [w ≥ 1/2][t ≥ 1/2] plus
    half of [w ≥ 1][t ≥ 1], the sum is the mean of two statistics of 0/1 matrices, and its variance the mean of four
    covariances. Fractions keep a variance of exactly 0 apart from a small one.
    """
    steps = [((found >= level).astype(np.int64), (true >= level).astype(np.int64)) for level in (0.5, 1.0)]
    mean = sum((_mean(a, b) for a, b in steps), Fraction(0)) / 2
    square = sum((_product(a, b, c, d) for a, b in steps for c, d in steps), Fraction(0)) / 4
    return mean, square - mean**2


def _mean(a: np.ndarray, b: np.ndarray) -> Fraction:
    pairs = perm(len(a), 2)
    return Fraction(int(a.sum()) * int(b.sum()), pairs) if pairs else Fraction(0)


def _product(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> Fraction:
    """E[Σ a_π(i)π(j) b_ij · Σ c_π(k)π(l) d_kl]: each way in which (k, l) can share nodes with (i, j) on its own."""
    n = len(a)
    total = Fraction(0)
    for (moved, size), (still, _) in zip(_pattern_sums(a, c), _pattern_sums(b, d), strict=True):
        if still and moved:
            total += Fraction(moved * still, perm(n, size))
    return total


def _pattern_sums(x: np.ndarray, y: np.ndarray) -> list[tuple[int, int]]:
    """(Σ x_ij y_kl, distinct nodes) over pairs that are the same, reversed, share a row, a column, head to tail, or no node."""
    same, reverse = int((x * y).sum()), int((x * y.T).sum())
    out_x, in_x, out_y, in_y = x.sum(axis=1), x.sum(axis=0), y.sum(axis=1), y.sum(axis=0)
    touching = [
        (int(out_x @ out_y) - same, 3),
        (int(in_x @ in_y) - same, 3),
        (int(in_x @ out_y) - reverse, 3),
        (int(out_x @ in_y) - reverse, 3),
    ]
    apart = int(x.sum()) * int(y.sum()) - same - reverse - sum(s for s, _ in touching)
    return [(same, 2), (reverse, 2), *touching, (apart, 4)]
