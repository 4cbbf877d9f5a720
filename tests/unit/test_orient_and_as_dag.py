"""The parameters ``orient`` and ``as_dag`` of the four searches, from telemetry to a signed graph."""

from __future__ import annotations

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph

SEARCHES = ("pc", "ges", "pcmci", "pcmci_plus")
NAMES = ["shop:latency", "shop:requests", "shop:cpu", "shop:errors"]


def chain(noise: str = "normal", rows: int = 800, seed: int = 0) -> cd.Telemetry:
    """Requests → cpu → latency → errors: a chain, of which the class directs nothing."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(rows, 4)) if noise == "normal" else rng.exponential(size=(rows, 4))
    requests = e[:, 0]
    cpu = requests + e[:, 1]
    latency = cpu + e[:, 2]
    return cd.Telemetry(np.column_stack([latency, requests, cpu, latency + e[:, 3]]), NAMES)


def directions(graph: CausalGraph) -> set[tuple[str, str]]:
    return {(e.source.split(":")[1], e.target.split(":")[1]) for e in graph.edges if e.is_directed and e.lag == 0}


TRUE = {("requests", "cpu"), ("cpu", "latency"), ("latency", "errors")}


@pytest.mark.parametrize("name", SEARCHES)
def test_nothing_is_directed_unasked_and_roles_direct_the_chain(name: str) -> None:
    data = chain()
    plain = cd.discover(data, name, bootstrap=0)
    assert plain.graph == cd.discover(data, name, bootstrap=0, orient="class", as_dag=False).graph
    assert not directions(plain.graph) & TRUE and "oriented" not in plain.report
    found = cd.discover(data, name, bootstrap=0, orient="roles")
    assert directions(found.graph) >= TRUE
    assert found.report["oriented"]["roles"] >= 3
    assert {e.evidence for e in found.graph.edges if directions(found.graph) and e.lag == 0} == {("data", "roles")}
    assert found.graph.kind == ("mpdag" if name in ("pc", "ges") else "lagged")


@pytest.mark.parametrize("name", ["pc", "ges", "pcmci_plus"])
def test_distributions_direct_the_chain_where_they_are_not_gaussian(name: str) -> None:
    found = cd.discover(chain("exponential"), name, bootstrap=0, orient="nongaussian")
    assert directions(found.graph) == TRUE and found.report["oriented"] == {"nongaussian": 3}
    silent = cd.discover(chain("normal"), name, bootstrap=0, orient="nongaussian")
    assert directions(silent.graph) == set() and silent.report["oriented"] == {}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("bootstrap", [0, 5])
def test_a_dag_has_every_edge_directed_and_obeys_the_prior(name: str, bootstrap: int) -> None:
    prior = cd.ExpertPrior(forbidden=[("shop:requests", "shop:cpu")])
    found = cd.discover(chain(), name, prior=prior, bootstrap=bootstrap, as_dag=True)
    assert found.certificate.ok and found.report["as_dag"] == "exact"
    assert all(e.is_directed for e in found.graph.edges) and found.graph.is_acyclic()
    assert found.graph.kind == ("dag" if name in ("pc", "ges") else "lagged")
    assert ("cpu", "requests") in directions(found.graph)
    plain = cd.discover(chain(), name, prior=prior, bootstrap=bootstrap)
    assert {frozenset((e.source, e.target, str(e.lag))) for e in plain.graph.edges} == {
        frozenset((e.source, e.target, str(e.lag))) for e in found.graph.edges
    }
    if name != "pcmci":  # what the class leaves of a chain with one arrow against its middle: no collider
        assert found.report["as_dag_new_colliders"] == 0


def test_ways_come_first_and_the_dag_fills_in_the_rest() -> None:
    found = cd.discover(chain(), "pc", bootstrap=0, orient="roles", as_dag=True)
    assert directions(found.graph) == TRUE and {e.evidence for e in found.graph.edges} == {("data", "roles")}
    renamed = cd.Telemetry(chain().values, ["a", "b", "c", "d"])
    found = cd.discover(renamed, "pc", bootstrap=0, orient="roles", as_dag=True)
    assert {e.evidence for e in found.graph.edges} == {("data", "scores")} and found.report["oriented"] == {}


def test_required_directions_win_over_roles() -> None:
    prior = cd.ExpertPrior(required=[("shop:latency", "shop:cpu")])
    found = cd.discover(chain(), "pc", prior=prior, bootstrap=0, orient="all", as_dag=True)
    assert found.certificate.ok and ("latency", "cpu") in directions(found.graph)
    assert ("cpu", "requests") in directions(found.graph)  # else a collider that the data do not show


def test_what_resampling_said_of_an_open_edge_is_not_said_of_its_direction() -> None:
    found = cd.discover(chain(), "pc", bootstrap=10, orient="roles")
    assert all(e.confidence is not None and e.orientation_confidence is None for e in found.graph.edges)


def test_unknown_values_are_refused() -> None:
    with pytest.raises(InputError, match="orient"):
        cd.discover(chain(rows=50), "pc", orient="role")
    with pytest.raises(InputError, match="as_dag"):
        cd.discover(chain(rows=50), "ges", as_dag="yes")
