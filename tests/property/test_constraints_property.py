"""Whatever a prior says, mask, pinned edges and certificate agree with each other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import PriorError
from causaldisc.core.graph import DIRECTED, CausalGraph, acyclic
from causaldisc.core.prior import ExpertPrior

NAMES = [f"{s}:{m}" for s in ("a", "b", "c") for m in ("requests", "cpu", "latency")]
name = st.sampled_from([*NAMES, "*:cpu", "a:*", "*:traffic", "*"])
window = st.none() | st.tuples(st.integers(0, 2), st.integers(0, 2)).map(sorted)
clause = st.fixed_dictionaries({"source": name, "target": name, "lag": window})
exact = st.fixed_dictionaries({"source": st.sampled_from(NAMES), "target": st.sampled_from(NAMES), "lag": window})
service = st.sampled_from(["a", "b", "c"])
priors = st.fixed_dictionaries(
    {},
    optional={
        "required": st.lists(exact, max_size=3),
        "forbidden": st.lists(clause, max_size=3),
        "tiers": st.just([["*:traffic"], ["*:cpu"], ["*:latency"]]),
        "roots": st.lists(st.sampled_from(NAMES), max_size=2),
        "leaves": st.lists(st.sampled_from(NAMES), max_size=2),
        "calls": st.lists(st.tuples(service, service), max_size=3),
        "call_rules": st.sampled_from(["default", "open"]),
        "co_located": st.lists(st.tuples(service, service), max_size=1),
        "max_lag": st.integers(0, 3),
    },
)


def constraints_or_none(clauses, max_lag):
    try:
        return Constraints.of(ExpertPrior(**clauses), NAMES, max_lag)
    except PriorError:
        return None


@settings(max_examples=150, deadline=None)
@given(priors, st.integers(0, 2))
def test_the_mask_is_the_clauses(clauses, max_lag):
    limits = constraints_or_none({k: v for k, v in clauses.items() if k != "required"}, max_lag)
    assert limits is not None, "without required edges only tiers could contradict each other"
    cells = np.ndindex(limits.allowed.shape)
    by_hand = [not any(r.forbids(*cell) for r in limits.rules) and not (cell[0] == cell[1] and cell[2] == 0) for cell in cells]
    assert limits.allowed.ravel().tolist() == by_hand


@settings(max_examples=150, deadline=None)
@given(priors, st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_pinned_required_edges_alone_satisfy_every_clause(clauses, max_lag, seed):
    limits = constraints_or_none(clauses, max_lag)
    if limits is None:
        return
    rng = np.random.default_rng(seed)
    pinned = limits.pin(rng.normal(size=limits.allowed.shape))
    assert not (pinned & ~limits.allowed).any()
    assert acyclic(pinned[:, :, 0])
    graph = CausalGraph.from_codes(NAMES, pinned * DIRECTED, kind="lagged")
    assert certify(graph, limits).ok


@settings(max_examples=100, deadline=None)
@given(priors, st.integers(0, 2**32 - 1))
def test_the_certificate_convicts_exactly_the_disallowed_edges(clauses, seed):
    limits = constraints_or_none({k: v for k, v in clauses.items() if k != "required"}, 2)
    assert limits is not None
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(NAMES))
    codes = (rng.random(limits.allowed.shape) < 0.05).astype(np.int8)
    codes[:, :, 0] &= np.less.outer(order, order)
    graph = CausalGraph.from_codes(NAMES, codes * DIRECTED, kind="lagged")
    assert certify(graph, limits).ok == (not ((codes > 0) & ~limits.allowed).any())


@settings(max_examples=50, deadline=None)
@given(priors, st.permutations(range(len(NAMES))))
def test_constraints_do_not_depend_on_column_order(clauses, order):
    limits = constraints_or_none(clauses, 2)
    shuffled = constraints_or_none_named(clauses, [NAMES[k] for k in order])
    assert (limits is None) == (shuffled is None)
    if limits is not None:
        assert np.array_equal(limits.allowed[np.ix_(order, order)], shuffled.allowed)


def constraints_or_none_named(clauses, names):
    try:
        return Constraints.of(ExpertPrior(**clauses), names, 2)
    except PriorError:
        return None
