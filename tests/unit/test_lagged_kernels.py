"""The kernels below PCMCI: partial correlations, p-values, orientation, by hand and against plain linear algebra."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy import stats

from causaldisc.kernels import compiled
from causaldisc.kernels.conditioning import factor, grow, judge, log_p_values, moments
from causaldisc.kernels.pcmci import false_discovery
from causaldisc.kernels.pcmci_orientation import CONFLICT, DIRECTED, REVERSED, UNDIRECTED, links_between, orient, unshielded


def correlated(rng, rows, columns):
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))


@njit
def judged(given, room, wanted, base, count, y, tally):
    """Judge the last of the wanted columns given the first ``count``, of which ``base`` are in the room's base."""
    begin = grow(given, None, room, 0, 0, wanted, 0, base, y)
    if base:
        for column in range(len(room.base)):
            grow(given, None, room, 0, begin, np.array([column]), 0, 1, y)
            room.base[column] = room.rows[begin, :begin]
    size = grow(given, None, room, begin, begin, wanted, base, count, y)
    grown = grow(given, None, room, begin, size, wanted, count, count + 1, y)
    return judge(given, None, room, size, grown, wanted[count], y, count, tally)


def partial(R, rows, conditions, x, y, alpha=0.01, base=0):
    """(r, freedom, significant, tests cut) of our kernels."""
    n, tally = np.full(R.shape, float(rows)) if np.ndim(rows) == 0 else rows, np.zeros(2, np.int64)
    room, wanted = factor(len(R), len(R), base), np.array([*conditions, x])
    return (*judged(moments(R, n, alpha), room, wanted, base, len(conditions), y, tally), int(tally[1]))


def log_p(r, freedom):
    out = np.empty(1)
    log_p_values(np.array([r]), np.array([freedom]), out)
    return out[0]


def residual_correlation(X, conditions, x, y):
    Z = np.column_stack([np.ones(len(X)), X[:, list(conditions)]])
    rest = X[:, [x, y]] - Z @ np.linalg.lstsq(Z, X[:, [x, y]], rcond=None)[0]
    return np.corrcoef(rest.T)[0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_partial_correlation_is_that_of_regression_residuals(seed):
    rng = np.random.default_rng(seed)
    X = correlated(rng, 60, 9)
    R = np.corrcoef(X.T)
    for size in range(8):
        x, y, *conditions = rng.permutation(9)[: size + 2].tolist()
        r, freedom, significant, cut = partial(R, 60, conditions, x, y)
        expected = residual_correlation(X, conditions, x, y)
        assert r == pytest.approx(expected, abs=1e-10)
        assert (freedom, cut) == (58 - size, 0)
        p = 2 * stats.t.sf(abs(expected) * np.sqrt(freedom / (1 - expected**2)), freedom)
        assert significant == (p <= 0.01)
        assert np.exp(log_p(r, freedom)) == pytest.approx(p, rel=1e-9, abs=1e-12)


def test_a_base_gives_the_same_correlations():
    R = np.corrcoef(correlated(np.random.default_rng(0), 50, 8).T)
    plain = partial(R, 50, [4, 2, 6], 0, 7)
    assert plain[0] == pytest.approx(
        residual_correlation(correlated(np.random.default_rng(0), 50, 8), [4, 2, 6], 0, 7), abs=1e-10
    )
    for base in (1, 2, 3):
        assert partial(R, 50, [4, 2, 6], 0, 7, base=base)[0] == pytest.approx(plain[0], abs=1e-12)


def test_the_fewest_rows_among_all_pairs_count():
    R, n = np.eye(4), np.full((4, 4), 100.0)
    n[1, 2] = n[2, 1] = 30.0
    assert partial(R, n, [1, 2], 0, 3, 0.05)[1] == 30 - 2 - 2


def test_redundant_and_determining_conditions():
    rng = np.random.default_rng(1)
    X = correlated(rng, 80, 4)
    X = np.column_stack([X, X[:, 2], X[:, 0]])  # 4 repeats 2, 5 repeats 0
    R = np.corrcoef(X.T)
    plain = partial(R, 80, [2, 3], 0, 1)
    repeated = partial(R, 80, [2, 3, 4], 0, 1)
    assert repeated[0] == pytest.approx(plain[0], abs=1e-10)
    assert repeated[1] == plain[1] - 1  # it still costs a degree of freedom
    determined = partial(R, 80, [2, 3, 5], 0, 1)  # 5 determines the source: it is left out
    assert determined[0] == pytest.approx(plain[0], abs=1e-10)
    assert determined[3] == 1
    assert partial(R, 80, [2, 3, 5], 1, 0)[0] == pytest.approx(plain[0], abs=1e-10)  # and the target
    assert abs(partial(R, 80, [1], 0, 5)[0]) == 1.0


@pytest.mark.parametrize("freedom", [1.0, 2.0, 7.0, 40.0, 500.0, 20000.0])
def test_log_p_is_that_of_student(freedom):
    for r in [0.0, 1e-9, -0.003, 0.05, 0.2, -0.4, 0.9, 0.99999]:
        p = 2 * stats.t.sf(abs(r) * np.sqrt(freedom / (1 - r * r)), freedom)
        assert np.exp(log_p(r, freedom)) == pytest.approx(p, rel=1e-8, abs=1e-14)


def test_log_p_keeps_the_order_where_p_vanishes():
    strong = [log_p(r, 5000.0) for r in (0.9, 0.99, 0.999, 1.0)]
    assert np.all(np.isfinite(strong))
    assert np.all(np.diff(strong) < 0)
    assert log_p(0.9, 0.0) == 0.0


def test_critical_values():
    given = moments(np.eye(2), np.full((2, 2), 30.0), 0.02)
    for freedom in (1, 5, 28):
        t = stats.t.isf(0.01, freedom)
        assert given.critical[freedom] == pytest.approx(t / np.sqrt(freedom + t * t), rel=1e-12)
    assert (moments(np.eye(2), np.full((2, 2), 9.0), 0.0).critical[1:] == 1.0).all()
    assert (moments(np.eye(2), np.full((2, 2), 9.0), 1.0).critical[1:] < 1e-15).all()


def test_false_discovery_is_benjamini_hochberg():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=200) ** 3
    family = rng.random(200) < 0.7
    adjusted = np.exp(false_discovery(np.log(p), family))
    assert adjusted[family] == pytest.approx(stats.false_discovery_control(p[family]), rel=1e-10)
    assert adjusted[~family] == pytest.approx(p[~family])


def graph(n, undirected=(), directed=(), lagged=(), lags=0):
    codes = np.zeros((n, n, lags + 1), np.int8)
    for i, j in undirected:
        codes[i, j, 0] = codes[j, i, 0] = UNDIRECTED
    for i, j in directed:
        codes[i, j, 0], codes[j, i, 0] = DIRECTED, REVERSED
    for i, j, lag in lagged:
        codes[i, j, lag] = DIRECTED
    return codes


def oriented(codes, votes=None):
    """Orient with every triple a non-collider, unless ``votes`` gives (found, with the middle) by (i, lag, k, j)."""
    triples = unshielded(codes)
    counts = np.array([(votes or {}).get(tuple(t), (1, 1)) for t in triples.tolist()]).reshape(-1, 2)
    return orient(codes, triples, counts[:, 0], counts[:, 1])[:, :, 0]


def test_collider_by_majority_and_ties():
    codes = graph(3, undirected=[(0, 1), (1, 2)])
    both = {(0, 0, 1, 2): (4, 1), (2, 0, 1, 0): (4, 1)}
    assert oriented(codes, both).tolist() == [[0, 1, 0], [4, 0, 4], [0, 1, 0]]
    tie = {(0, 0, 1, 2): (4, 2), (2, 0, 1, 0): (4, 2)}
    assert (oriented(codes, tie) == codes[:, :, 0]).all()


def test_lagged_collider_and_rule_one():
    codes = graph(2, undirected=[(0, 1)], lagged=[(0, 0, 1)], lags=1)
    assert oriented(codes, {(0, 1, 0, 1): (1, 0)}).tolist() == [[0, 4], [1, 0]]  # 0(t-1) → 0 ← 1
    assert oriented(codes).tolist() == [[0, 1], [4, 0]]  # 0(t-1) → 0 → 1
    assert oriented(codes, {(0, 1, 0, 1): (0, 0)}).tolist() == [[0, 2], [2, 0]]  # ambiguous: neither


def test_rule_two_and_rule_three():
    chain = oriented(graph(3, undirected=[(0, 2)], directed=[(0, 1), (1, 2)]))
    assert chain[0, 2] == DIRECTED
    kite = oriented(graph(4, undirected=[(0, 1), (0, 2), (0, 3)], directed=[(1, 3), (2, 3)]))
    assert kite[0, 3] == DIRECTED
    assert kite[0, 1] == kite[0, 2] == UNDIRECTED


def test_an_edge_wanted_both_ways_is_in_conflict():
    codes = graph(4, undirected=[(0, 1), (1, 2), (2, 3)])
    votes = dict.fromkeys([(0, 0, 1, 2), (2, 0, 1, 0), (1, 0, 2, 3), (3, 0, 2, 1)], (1, 0))
    found = oriented(codes, votes)
    assert found[1, 2] == found[2, 1] == CONFLICT
    assert found[0, 1] == found[3, 2] == DIRECTED


def test_links_between_the_ends_of_triples():
    triples = unshielded(graph(3, undirected=[(0, 1), (1, 2)], lagged=[(1, 1, 2)], lags=2))
    links, place = links_between(triples)
    assert sorted(map(tuple, triples.tolist())) == [(0, 0, 1, 2), (1, 2, 1, 0), (1, 2, 1, 2), (2, 0, 1, 0)]
    for (i, lag, _, j), (a, b, gap) in zip(triples.tolist(), links[place].tolist(), strict=True):
        assert gap == lag
        assert (a, b) == (i, j) or (lag == 0 and (b, a) == (i, j))


def test_a_change_in_one_kernel_recompiles_those_that_call_it(tmp_path):
    """numba alone would go on with the old code of ``part`` inside ``whole``, and stop at the renamed type."""
    package = tmp_path / "few_kernels"
    package.mkdir()
    (package / "__init__.py").write_text("")
    shutil.copy(Path(compiled.__file__), package / "compiled.py")
    start = "from typing import NamedTuple\nfrom few_kernels.compiled import kernel\n"
    (package / "whole.py").write_text(
        start + "from few_kernels.part import part\n@kernel\ndef whole(box):\n    return part(box.x) + 1\n"
    )
    script = textwrap.dedent("""
        from few_kernels import part
        from few_kernels.whole import whole
        print(whole(part.box(1)), sum(whole.stats.cache_hits.values()))
    """)
    outputs = []
    for times, name in ((10, "Box"), (10, "Box"), (20, "Box"), (20, "Case")):
        (package / "part.py").write_text(
            f"{start}class {name}(NamedTuple):\n    x: int\nbox = {name}\n@kernel\ndef part(x):\n    return {times} * x\n"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
        outputs.append(done.stdout.split())
    assert outputs == [["11", "0"], ["11", "1"], ["21", "0"], ["21", "0"]]
