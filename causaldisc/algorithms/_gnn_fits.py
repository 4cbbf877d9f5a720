"""How well sources explain a target: fits on the channels that the network has learned, their scores and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from causaldisc.algorithms._gnn_panel import Panel

BENT = 2  # directions besides the linear one that a source contributes
# Constants of the maximum-entropy approximation of negentropy (Hyvärinen 1998).
_K1, _K2, _GAUSSIAN = 79.047, 7.4129, 0.37457
_RIDGE = 1e-6


@dataclass(frozen=True)
class Fit:
    """Parents of a target: the score of the fit, the sources (ascending), and whether they act bent or linearly."""

    score: float
    parents: tuple[int, ...]
    bent: bool


@dataclass(eq=False)
class Fits:
    """Least-squares fits of every target on the basis of a few sources, all from one Gram matrix a target.

    Attributes
    ----------
    basis : float[S, R, K], orthonormal columns: the source itself, then the directions of its other channels.
    panel : the targets.
    pools : for every target the sources that may be asked for, as a tuple.
    """

    basis: np.ndarray
    panel: Panel
    pools: tuple[tuple[int, ...], ...]
    _grams: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, int]]] = field(default_factory=dict)
    _memo: dict[tuple[int, frozenset[int]], Fit] = field(default_factory=dict)

    def fit(self, target: int, parents: frozenset[int]) -> Fit:
        """Return the better of a linear and a bent fit, by the Bayesian information criterion.

        The log-likelihood is Gaussian; noise that is clearly not Gaussian adds its negentropy, which tells cause from
        effect where a linear Gaussian model cannot (as in LiNGAM, Shimizu et al. 2006).
        """
        key = (target, parents)
        if key not in self._memo:
            ordered = tuple(sorted(parents))
            rows = int(self.panel.known[target].sum())
            fits = [Fit(self._score(target, ordered, False), ordered, False)]
            if ordered and (1 + BENT) * len(ordered) <= rows // 4:
                fits.append(Fit(self._score(target, ordered, True), ordered, True))
            self._memo[key] = max(fits, key=lambda f: f.score)
        return self._memo[key]

    def _score(self, target: int, parents: tuple[int, ...], bent: bool) -> float:
        design, y, gram, place = self._gram(target)
        columns = _columns([place[p] for p in parents], bent, self.basis.shape[2])
        beta = _solve(gram[np.ix_(columns, columns)], gram[columns, -1])
        residual = y - design[:, columns] @ beta
        rows = max(len(y), 1)
        variance = max(float(residual @ residual) / rows, 1e-9)
        return -0.5 * rows * np.log(variance) - 0.5 * np.log(rows) * len(columns) + negentropy(residual)

    def _gram(self, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, int]]:
        """Design of the pool over the target's rows, the target, and the Gram matrix of both (the target last)."""
        if target not in self._grams:
            known, pool = self.panel.known[target], self.pools[target]
            design = np.concatenate([self.basis[s][known] for s in pool] or [np.empty((known.sum(), 0))], axis=1)
            y = self.panel.targets[target][known]
            if len(y):
                design, y = (design - design.mean(axis=0)) * np.sqrt(len(known)), y - y.mean()
            both = np.column_stack([design, y])
            self._grams[target] = (design, y, both.T @ both, {s: k for k, s in enumerate(pool)})
        return self._grams[target]

    def residual(self, target: int, fit: Fit) -> np.ndarray:
        """Return float[R], what the parents leave unexplained, 0 where the target is unknown."""
        design, y, gram, place = self._gram(target)
        columns = _columns([place[p] for p in fit.parents], fit.bent, self.basis.shape[2])
        beta = _solve(gram[np.ix_(columns, columns)], gram[columns, -1])
        left = np.zeros(len(self.panel.rows))
        left[self.panel.known[target]] = y - design[:, columns] @ beta
        return left

    def test(self, target: int, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
        """Test every parent given the others: may all columns that it brings have no slope?

        The p-value is the larger of that of the F-test and of a Wald test with HC3 errors (MacKinnon & White 1985): the
        first is exact under Gaussian noise, the second allows for bursts and heavy tails, and either alone finds too much
        where it does not belong.

        Returns
        -------
        p_value : float[P]; 1 where the rows are too few.
        effect : float[P], standard deviation of what each parent adds, with the sign of its linear part.
        """
        design, y, _, place = self._gram(target)
        columns = _columns([place[p] for p in fit.parents], fit.bent, self.basis.shape[2])
        owner = np.repeat(np.arange(len(fit.parents)), len(columns) // max(len(fit.parents), 1))
        alive = (design[:, columns] ** 2).sum(axis=0) > 1e-9
        x, owner = design[:, columns[alive]], owner[alive]
        p_value, effect = np.ones(len(fit.parents)), np.zeros(len(fit.parents))
        if len(y) > 2 * (x.shape[1] + 1):
            beta = _solve(x.T @ x, x.T @ y)
            for k in np.unique(owner):
                p_value[k] = _no_slope(x, y, beta, owner == k)
                effect[k] = (x[:, owner == k] @ beta[owner == k]).std() * np.sign(beta[owner == k][0])
        return p_value, effect


def orthonormal_basis(channels: np.ndarray) -> np.ndarray:
    """Turn channels float[S, K, R] into float[S, R, 1 + BENT]: the source, then the main directions of the rest beside it.

    Columns are orthonormal within a source, or 0 where its channels hold no more directions (a source of two values has
    no bend).
    """
    sources, _, rows = channels.shape
    basis = np.zeros((sources, rows, 1 + BENT))
    for s in range(sources):
        line = channels[s, 0] / max(float(np.linalg.norm(channels[s, 0])), 1e-12)
        rest = channels[s, 1:] - np.outer(channels[s, 1:] @ line, line)
        values, vectors = np.linalg.eigh(rest @ rest.T)
        top = np.argsort(-values)[:BENT]
        top = top[values[top] > 1e-6 * rows]
        basis[s, :, 0] = line
        basis[s, :, 1 : 1 + len(top)] = rest.T @ (vectors[:, top] / np.sqrt(values[top]))
    return basis


def negentropy(residual: np.ndarray) -> float:
    """Return how much likelier the rows are than under Gaussian noise, in nats, less the price of two parameters; >= 0.

    >>> negentropy(np.random.default_rng(0).normal(size=500)), negentropy(np.random.default_rng(0).laplace(size=500)) > 5
    (0.0, True)
    """
    spread = float(residual.std()) if len(residual) else 0.0
    if spread < 1e-6:
        return 0.0
    u = residual / spread
    size = np.abs(u)
    log_cosh = float((size + np.log1p(np.exp(-2 * size)) - np.log(2)).mean())
    gain = _K1 * (log_cosh - _GAUSSIAN) ** 2 + _K2 * float((u * np.exp(-0.5 * u * u)).mean()) ** 2
    return max(0.0, len(u) * gain - float(np.log(len(u))))


def _no_slope(x: np.ndarray, y: np.ndarray, beta: np.ndarray, block: np.ndarray) -> float:
    """p-value of the hypothesis that the slopes of a block of columns are 0: the larger of F-test and HC3 Wald test."""
    from scipy.special import fdtrc

    size, freedom = int(block.sum()), len(y) - x.shape[1] - 1
    inverse = np.linalg.pinv(x.T @ x, hermitian=True)
    left = y - x @ beta
    leverage = np.einsum("ri,ij,rj->r", x, inverse, x, optimize=True)
    influence = (x @ inverse)[:, block] * (left / np.maximum(1 - leverage, 1e-3))[:, None]
    classical = inverse[np.ix_(block, block)] * float(left @ left) / freedom
    statistics = [
        beta[block] @ np.linalg.solve(variance + 1e-20 * np.eye(size), beta[block]) / size
        for variance in (classical, influence.T @ influence)
    ]
    return float(fdtrc(size, freedom, max(min(statistics), 0.0)))


def _columns(places: list[int], bent: bool, k: int) -> np.ndarray:
    """Columns of the design that sources take: one each, or all ``k``."""
    start = np.asarray(places, dtype=int) * k
    return (start[:, None] + np.arange(k)).ravel() if bent else start


def _solve(gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Least squares with a touch of ridge, so that copies and empty columns share instead of failing."""
    ridge = _RIDGE * max(float(np.trace(gram)) / max(len(gram), 1), 1e-12)
    return np.linalg.solve(gram + ridge * np.eye(len(gram)), moment)
