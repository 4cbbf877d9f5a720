"""Topologies as YAML, the named systems, and what an expert knows of a system."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError
from causaldisc.core.variables import Variable
from causaldisc.sources._system import topology_yaml
from causaldisc.sources._system.checks import service_visits, thread_use, usual_ms, utilisation, validate
from causaldisc.sources._system.known import call_graph, known_to_expert
from causaldisc.sources._system.named_systems import named
from causaldisc.sources._system.random_mesh import draw_mesh
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.topology_yaml import dump_topology, load_topology

SHOP = """
version: 1
name: shop
rate: 40                       # users' requests per second, daily mean
entries: {frontend/home: 0.6, frontend/checkout: 0.4}
hosts: {node-1: 8}
defaults: {policy: {timeout_ms: 1e+3}, service: {cores: 3, host: node-1}}
services:
  frontend:
    replicas: 2
    operations:
      home: {work_ms: 4, calls: [[catalog/list, {to: ads/get, required: false}], [currency/convert]]}
      checkout: {work_ms: 6, calls: [cart/get, [], {to: email/send, waits: false, probability: 5e-1}]}
  catalog: {operations: {list: {work_ms: 2}}}
  ads: {cores: 1, threads: null, operations: {get: {work_ms: 2, first: 1}}}
  currency: {operations: {convert: {work_ms: 2}}}
  cart: {locks: 2, operations: {get: {work_ms: 2, writes: 0.25}}}
  email: {operations: {send: {work_ms: 2}}}
policies: {frontend->cart: {connections: 32, retries: 2, breaker: null}}
"""


def test_the_example_is_read_field_by_field() -> None:
    host = {"cores": 3, "host": "node-1"}
    calls = (Call("cart", "get", 0), Call("email", "send", 2, probability=0.5, waits=False))
    home = (Call("catalog", "list", 0), Call("ads", "get", 0, required=False), Call("currency", "convert", 1))
    assert load_topology(SHOP) == Topology(
        "shop",
        (
            Service("frontend", (Operation("home", 4, home), Operation("checkout", 6, calls)), replicas=2, **host),
            Service("catalog", (Operation("list", 2),), **host),
            Service("ads", (Operation("get", 2, first=1),), cores=1, threads=None, host="node-1"),
            Service("currency", (Operation("convert", 2),), **host),
            Service("cart", (Operation("get", 2, writes=0.25),), locks=2, **host),
            Service("email", (Operation("send", 2),), **host),
        ),
        {("frontend", "home"): 0.6, ("frontend", "checkout"): 0.4},
        rate=40,
        hosts={"node-1": 8},
        policies={("frontend", "cart"): Policy(1000.0, connections=32, retries=2, breaker=None)},
        policy=Policy(1000.0),
    )


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    topology = load_topology(SHOP)
    text = dump_topology(topology, tmp_path / "shop.yaml")
    assert (tmp_path / "shop.yaml").read_text() == text
    assert load_topology(tmp_path / "shop.yaml") == load_topology(str(tmp_path / "shop.yaml")) == load_topology(text) == topology
    assert (
        "home:\n        work_ms: 4\n        calls:\n        - - catalog/list\n          - {to: ads/get, required: false}\n"
        in text
    )


def _swap(old: str, new: str) -> str:
    assert SHOP.count(old) == 1
    return SHOP.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n", "topology: a topology must be a mapping, got 'a'"),
        ("\n", "topology: a topology must be a mapping, got None"),
        ("version: 1\nname: x\n", "topology: rate must be given"),
        (_swap("version: 1", "version: 2"), "topology: version must be 1, got 2"),
        (_swap("hosts:", "host:"), "a topology: unknown key 'host'; did you mean hosts? valid: defaults, entries"),
        (_swap("replicas: 2", "replica: 2"), "services.frontend: unknown key 'replica'; did you mean replicas?"),
        (_swap("required: false", "needed: false"), "operations.home.calls[0]: unknown key 'needed'; valid: hit,"),
        (_swap("retries: 2", "retry: 2"), "policies.frontend->cart: unknown key 'retry'; did you mean retries?"),
        (_swap("{timeout_ms: 1e+3}", "{timeout: 1}"), "defaults.policy: unknown key 'timeout'; did you mean timeout_ms?"),
        (_swap("writes: 0.25", "write: 0.25"), "services.cart.operations.get: unknown key 'write'; did you mean writes?"),
        (_swap("{cores: 3, host: node-1}", "{name: x}"), "defaults.service: unknown key 'name'"),
        (_swap("to: ads/get, ", ""), "services.frontend.operations.home.calls[0].to must be given"),
        (_swap("[currency/convert]", "[7]"), "services.frontend.operations.home.calls[1] must be a mapping, got 7"),
        (
            _swap("[[catalog/list, {to: ads/get, required: false}], [currency/convert]]", "{}"),
            "home.calls must be a list of stages",
        ),
        (_swap("cart/get", "cart"), "checkout.calls[0] must be given as service/operation, got 'cart'"),
        (_swap("cart/get", "cart/get/it"), "checkout.calls[0] must be given as service/operation, got 'cart/get/it'"),
        (_swap("frontend->cart", "frontend-cart"), "policies must be given as caller->callee, got 'frontend-cart'"),
        (
            _swap("frontend->cart", "frontend->catalogue"),
            "that it calls, got 'frontend->catalogue'; did you mean frontend->catalog?",
        ),
        (_swap("frontend/checkout: 0.4", "frontend: 0.4"), "entries must be given as service/operation, got 'frontend'"),
        (_swap("{frontend/home: 0.6, frontend/checkout: 0.4}", "[frontend/home]"), "entries must be a mapping, got a list of 1"),
        (_swap("  email:", "  on:"), "services must have text as keys, got True (put it in quotes)"),
        (_swap("  email:", "  cart:"), "topology: must be YAML, got the key 'cart' twice, line 18"),
        (_swap("{work_ms: 2, first: 1}", "{first: 1}"), "services.ads.operations.get.work_ms must be given"),
        (_swap("{work_ms: 2, first: 1}", "fast"), "services.ads.operations.get must be a mapping, got 'fast'"),
        (_swap("{list: {work_ms: 2}}", "[list]"), "services.catalog.operations must be a mapping, got a list of 1"),
        (_swap("threads: null", "threads: lots"), "services.ads.threads must be a whole number in 1..100000 or null, got 'lots'"),
        (_swap("replicas: 2", "replicas: 2.5"), "services.frontend.replicas must be a whole number in 1..1000, got 2.5"),
        (_swap("replicas: 2", "replicas: .nan"), "services.frontend.replicas must be a whole number in 1..1000, got nan"),
        (_swap("replicas: 2", f"replicas: 0x{'f' * 9999}"), "in 1..1000, got a number too long to write"),
        (_swap("rate: 40 ", "rate: [1, 2]"), "rate must be a number > 0 and <= 1e+06, got a list of 2"),
        (_swap("name: shop", "name: {a: b}"), "name must be 1 to 100 printable characters, got a dict of 1"),
        (_swap("catalog/list", "catalog/lsit"), "must name an operation of catalog, got 'lsit'; did you mean list?"),
        (_swap("replicas: 2", "replicas: &a [*a]"), "must be YAML, got aliases (*name) are not read"),
        (_swap("replicas: 2", "replicas: !!python/object/apply:os.getcwd []"), "topology: must be YAML, got could not determine"),
        (_swap("replicas: 2", f"replicas: {'[' * 5000}"), "topology: must be YAML"),
        (
            _swap("catalog/list, ", f"{{to: catalog/list, hit: 1}}, {'{to: [1]}, '}"),
            "calls[0] must be given as service/operation",
        ),
    ],
)
def test_malformed_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_topology(text)
    line = str(error.value)
    assert message in line and line.startswith("topology: ") and "\n" not in line and len(line) < 500


def test_a_file_that_is_none_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        load_topology(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text(_swap("rate: 40", "rate: 0"))
    with pytest.raises(InputError, match=r"bad\.yaml: rate must be a number > 0"):
        load_topology(tmp_path / "bad.yaml")
    monkeypatch.setattr(topology_yaml, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="must be at most 100 bytes"):
        load_topology(tmp_path / "bad.yaml")
    with pytest.raises(InputError, match="must be at most 100 characters"):
        load_topology(SHOP)


def test_an_invalid_topology_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rate must be"):
        dump_topology(Topology("t", (), {}, -1.0), tmp_path / "t.yaml")
    assert not (tmp_path / "t.yaml").exists()


@pytest.mark.parametrize(
    ("name", "services", "least", "most"),
    [("online_boutique", 11, 11, 12), ("sock_shop", 13, 3, 6), ("train_ticket", 41, 12, 20)],
)
def test_named_systems_are_sound(name: str, services: int, least: float, most: float, caplog: pytest.LogCaptureFixture) -> None:
    topology = named(name)
    assert topology.name == name and len(topology.services) == services and not caplog.messages  # all are reached
    assert validate(topology) == [] and load_topology(dump_topology(topology)) == topology
    assert least <= sum(service_visits(topology).values()) - 1 <= most  # calls for one user's request
    assert 0.25 < max(utilisation(topology).values()) < 0.5
    assert max(thread_use(topology).values()) < 0.1
    graph = call_graph(topology)
    assert nx.is_directed_acyclic_graph(graph)
    entries = {service for service, _ in topology.entries}
    assert len(entries) == 1 and graph.in_degree(entries.pop()) == 0
    usual = usual_ms(topology)
    for caller, callee in topology.edges:  # a caller waits longer than an answer takes while all is well
        slowest = max(usual[callee, o.name] for o in topology.services[topology.index[callee]].operations)
        assert slowest * 3 < (topology.policy_of(caller, callee).timeout_ms or np.inf)


def test_named_systems_have_their_published_calls() -> None:
    boutique = set(named("online_boutique").edges)
    assert {callee for caller, callee in boutique if caller == "checkoutservice"} == {
        "cartservice",
        "productcatalogservice",
        "currencyservice",
        "shippingservice",
        "paymentservice",
        "emailservice",
    }
    assert len(boutique) == 15 and ("recommendationservice", "productcatalogservice") in boutique
    socks = call_graph(named("sock_shop"))
    assert set(socks.successors("orders")) == {"user", "carts", "payment", "shipping", "orders-db"}
    tickets = set(named("train_ticket").edges)
    assert {("ts-seat-service", "ts-config-service"), ("ts-basic-service", "ts-price-service")} < tickets


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown system 'sockshop'; did you mean sock_shop\\?"):
        named("sockshop")


def test_call_graph_and_prior() -> None:
    topology = load_topology(SHOP)
    graph = call_graph(topology)
    assert dict(graph.adjacency())["frontend"] == {
        "catalog": {"waits": True},
        "ads": {"waits": True},
        "currency": {"waits": True},
        "cart": {"waits": True},
        "email": {"waits": False},
    }
    prior = known_to_expert(topology)
    assert prior.calls == tuple(sorted(topology.edges)) and prior.co_located == (tuple(sorted(graph)),)
    assert {(c.source, c.target) for c in prior.forbidden} == {
        (f"*:{role}", "frontend:traffic") for role in ("cpu", "memory", "saturation", "latency", "errors")
    }


def test_an_entry_that_is_called_too_is_not_exogenous() -> None:
    a = Service("a", (Operation("x", 1.0, (Call("b", "y"),)),))
    b = Service("b", (Operation("y", 1.0),))
    prior = known_to_expert(Topology("t", (a, b), {("a", "x"): 1.0, ("b", "y"): 1.0}, 1.0))
    assert {c.target for c in prior.forbidden} == {"a:traffic"} and prior.co_located == ()


def test_the_prior_fits_columns_named_as_metrics_are() -> None:
    topology = draw_mesh(5, np.random.default_rng(0))
    metrics = ("requests", "cpu", "latency", "errors", "memory", "queue")
    names = [f"{s.name}:{metric}" for s in topology.services for metric in metrics]
    columns = [Variable.of(name) for name in names]
    constraints = Constraints.of(known_to_expert(topology), columns, max_lag=2)
    entry = names.index("frontend:requests")
    causes = constraints.allowed[:, entry, :].any(axis=1)
    assert {names[k].split(":")[1] for k in np.flatnonzero(causes)} == {"requests"}  # nothing that is felt after they came
    assert constraints.allowed[entry].sum() > 10
