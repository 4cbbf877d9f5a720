"""Checks and traffic equations of a request-level system, worked by hand."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from causaldisc.core.errors import InputError
from causaldisc.sources._system import checks
from causaldisc.sources._system.bounds import BOUNDS, FLAGS
from causaldisc.sources._system.checks import overloads, validate
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.traffic import (
    connection_use,
    host_use,
    service_visits,
    thread_use,
    usual_ms,
    utilisation,
    visits,
    waiting_order,
)


def shop() -> Topology:
    """Users ask web/page (3 of 4) and web/buy (1 of 4); store/get is shared, mail/send is a message."""
    web = Service(
        "web",
        (
            Operation(
                "page",
                10.0,
                (Call("cart", "show", 0, probability=0.5), Call("store", "get", 0), Call("store", "get", 1, hit=0.75)),
            ),
            Operation("buy", 20.0, (Call("cart", "show", 0), Call("mail", "send", 1, waits=False))),
        ),
        replicas=2,
        host="node",
    )
    cart = Service("cart", (Operation("show", 40.0, (Call("store", "get", 0, hit=0.5),)),), threads=10, host="node")
    store = Service("store", (Operation("get", 8.0),), cores=1)
    mail = Service("mail", (Operation("send", 100.0),), cores=1)
    return Topology(
        "shop",
        (web, cart, store, mail),
        {("web", "page"): 3.0, ("web", "buy"): 1.0},
        rate=20.0,
        hosts={"node": 4},
        policies={("web", "cart"): Policy(network_ms=2.0, connections=10)},
        policy=Policy(network_ms=1.0),
    )


def test_visits_by_hand() -> None:
    found = visits(shop())
    assert found["web", "page"] == 0.75
    assert found["web", "buy"] == 0.25
    assert found["cart", "show"] == pytest.approx(0.75 * 0.5 + 0.25)  # 0.625
    assert found["store", "get"] == pytest.approx(0.75 * 1.25 + 0.625 * 0.5)  # 1.25
    assert found["mail", "send"] == pytest.approx(0.25)
    assert service_visits(shop()) == pytest.approx({"web": 1.0, "cart": 0.625, "store": 1.25, "mail": 0.25})


def test_utilisation_by_hand() -> None:
    found = utilisation(shop())
    assert found["web"] == pytest.approx(20 * (0.75 * 0.010 + 0.25 * 0.020) / 4)
    assert found["cart"] == pytest.approx(20 * 0.625 * 0.040 / 2)
    assert found["store"] == pytest.approx(20 * 1.25 * 0.008)
    assert found["mail"] == pytest.approx(20 * 0.25 * 0.1)
    assert host_use(shop()) == pytest.approx({"node": (0.25 + 0.5) / 4})
    wide = replace(shop(), services=tuple(replace(s, max_replicas=4) for s in shop().services))
    assert utilisation(wide, scaled_out=True)["mail"] == pytest.approx(0.5 / 4)
    assert utilisation(wide) == found


def test_usual_latency_by_hand() -> None:
    found = usual_ms(shop())
    show = 40 + 0.5 * (1 + 8)
    assert found["store", "get"] == 8.0
    assert found["cart", "show"] == pytest.approx(show)
    assert found["web", "page"] == pytest.approx(10 + max(0.5 * (2 + show), 1 + 8) + 0.25 * (1 + 8))
    assert found["web", "buy"] == pytest.approx(20 + 2 + show)  # the message is not waited for


def test_threads_and_connections_by_littles_law() -> None:
    assert thread_use(shop())["cart"] == pytest.approx(20 * 0.625 * 0.0445 / 10)
    assert connection_use(shop())["web", "cart"] == pytest.approx(20 * 0.625 * 0.0465 / 10)
    assert connection_use(shop())["web", "mail"] == 0.0
    free = replace(shop(), policies={}, policy=Policy(connections=None))
    assert set(connection_use(free).values()) == {0.0}
    assert thread_use(replace(shop(), services=tuple(replace(s, threads=None) for s in shop().services)))["cart"] == 0.0


def test_callers_stand_before_those_they_wait_for() -> None:
    order = waiting_order(shop())
    assert order.index(("web", "page")) < order.index(("cart", "show")) < order.index(("store", "get"))


def test_messages_in_a_circle_that_die_out_are_a_geometric_series() -> None:
    loop = _pair(Call("b", "y", probability=0.5, waits=False), Call("a", "x", probability=0.8, waits=False))
    assert validate(loop) == []
    assert visits(loop) == pytest.approx({("a", "x"): 1 / (1 - 0.4), ("b", "y"): 0.5 / (1 - 0.4)})
    half = _pair(Call("b", "y", probability=0.5), Call("a", "x", probability=0.8, waits=False))  # waits one way only
    assert usual_ms(half)["a", "x"] == pytest.approx(1 + 0.5 * (0.5 + 1))


def test_messages_that_amplify_are_refused() -> None:
    loop = _pair(Call("b", "y", waits=False), Call("a", "x", waits=False))
    with pytest.raises(InputError, match=r"spectral radius < 1\), got 1 at a/x → b/y → a/x|got 1 at b/y → a/x → b/y"):
        validate(loop)


def test_waiting_in_a_circle_is_refused_and_named() -> None:
    with pytest.raises(InputError, match=r"got (a/x → b/y → a/x|b/y → a/x → b/y)$"):
        validate(_pair(Call("b", "y", probability=0.1), Call("a", "x", probability=0.1)))


def test_two_services_may_call_each_other_by_other_operations() -> None:
    a = Service("a", (Operation("x", 1.0, (Call("b", "y"),)), Operation("leaf", 1.0)))
    b = Service("b", (Operation("y", 1.0, (Call("a", "leaf"),)),))
    assert validate(Topology("t", (a, b), {("a", "x"): 1.0}, 1.0)) == []


def test_a_fan_out_without_end_is_refused() -> None:
    layers = [Service(f"s{k}", (Operation("x", 0.001, (Call(f"s{k + 1}", "x"),) * 50),)) for k in range(12)]
    deep = Topology("deep", (*layers, Service("s12", (Operation("x", 0.001),))), {("s0", "x"): 1.0}, 1.0)
    with pytest.raises(InputError, match=r"at most 20000 requests for one user's request, got 2.49e"):
        validate(deep)


def test_stability() -> None:
    def one(rate: float, **extra: Any) -> Topology:
        return Topology("t", (Service("a", (Operation("x", 100.0),), cores=2, **extra),), {("a", "x"): 1.0}, rate)

    assert validate(one(19.0, threads=None, queue=None)) == []
    assert validate(one(20.0)) == ["a"]  # a stated overload: what waits is bounded
    for name in ("threads", "queue"):
        with pytest.raises(InputError, match=rf"services.a.{name} must be a number .* got null and 1.5 of the service"):
            overloads(one(30.0, **{name: None}))
    assert validate(one(30.0, queue=None, max_replicas=2)) == []  # scaled out it can
    packed = replace(one(19.0, host="h"), hosts={"h": 1})
    assert validate(packed) == ["a"]
    with pytest.raises(InputError, match=r"got null and 1.9 of its host h"):
        validate(replace(packed, services=(replace(packed.services[0], queue=None),)))


def test_a_service_that_nothing_reaches_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        validate(replace(shop(), services=(*shop().services, Service("spare", (Operation("x", 1.0),)))))
    assert caplog.messages == ["no entry reaches 1 of 5 services: spare"]


_SERVICE, _OPERATION, _CALL = Service("a", (Operation("x", 1.0),)), Operation("x", 1.0), Call("b", "y")


def _with(part: Any) -> Topology:
    """A system around one service, operation, call or policy."""
    a, b = _SERVICE, Service("b", (Operation("y", 1.0),))
    policy = Policy()
    if isinstance(part, Service):
        a = replace(part, operations=(Operation("x", 1.0, (_CALL,)),))
    elif isinstance(part, Operation):
        a = replace(a, operations=(replace(part, calls=(_CALL,)),), locks=1)
    elif isinstance(part, Call):
        a = replace(a, operations=(Operation("x", 1.0, (part,)),))
    else:
        a, policy = replace(a, operations=(Operation("x", 1.0, (_CALL,)),)), part
    return Topology("t", (a, b), {("a", "x"): 1.0}, 1.0, policies={("a", "b"): policy})


_WHERE = {
    Service: "services.a",
    Operation: "services.a.operations.x",
    Call: "services.a.operations.x.calls[0]",
    Policy: "policies.a->b",
}
_PARTS = {Service: _SERVICE, Operation: _OPERATION, Call: _CALL, Policy: Policy()}


@pytest.mark.parametrize(("cls", "name"), [(cls, name) for cls, bounds in BOUNDS.items() for name in bounds])
def test_every_number_is_checked(cls: type, name: str) -> None:
    bound = BOUNDS[cls][name]
    beyond = [bound.low - 1, bound.high * 2 + 1, float("nan"), float("inf"), True, "3", [3], 10**400, 16**9999]
    beyond += [bound.low] if bound.above else []
    beyond += [] if bound.optional else [None]
    beyond += [bound.low + 0.5] if bound.whole else []
    for value in beyond:
        with pytest.raises(InputError) as error:
            validate(_with(replace(_PARTS[cls], **{name: value})))
        assert str(error.value).startswith(f"{_WHERE[cls]}.{name} must be {'a whole number' if bound.whole else 'a number'}")
        assert len(str(error.value)) < 250 and "\n" not in str(error.value)


@pytest.mark.parametrize(("cls", "name"), [(cls, name) for cls, names in FLAGS.items() for name in names])
def test_every_flag_is_checked(cls: type, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} must be true or false, got 1$"):
        validate(_with(replace(_PARTS[cls], **{name: 1})))


def test_every_field_that_is_no_name_has_a_bound() -> None:
    from dataclasses import fields

    rest = {Service: {"name", "operations", "host"}, Operation: {"name", "calls"}, Call: {"service", "operation"}, Policy: set()}
    for cls, bounds in BOUNDS.items():
        assert {f.name for f in fields(cls)} == {*bounds, *FLAGS.get(cls, ()), *rest[cls]}


def _change(**values: Any) -> Topology:
    return replace(shop(), **values)


def _first(**values: Any) -> Topology:
    return replace(shop(), services=(replace(shop().services[0], **values), *shop().services[1:]))


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        ("shop", "topology must be a Topology, got str"),
        (_change(name=""), "name must be 1 to 100 printable characters, got ''"),
        (_change(name="a\nb"), "name must be 1 to 100 printable characters"),
        (_change(rate=0), "rate must be a number > 0 and <= 1e+06, got 0"),
        (_change(rate="many"), "rate must be a number > 0"),
        (_change(services=()), "services must hold at least one service, got none"),
        (_change(services=shop().services * 2), "services must name each service once, got web twice"),
        (_change(hosts={"node": 0}), "hosts.node must be a whole number in 1..4096, got 0"),
        (_change(hosts={"node": 4, "a b": 1}), "hosts must be named by 1 to 80 letters"),
        (_change(hosts={"nod": 4}), "services.web.host must be one of hosts, got 'node'; did you mean nod?"),
        (
            _first(name="-web"),
            "services must be named by 1 to 80 letters, digits and . _ - (none of these at an end), got '-web'",
        ),
        (_first(name="x" * 200), "services must be named by 1 to 80 letters"),
        (_first(operations=()), "services.web.operations must hold at least one operation, got none"),
        (_first(operations=shop().services[0].operations * 2), "services.web.operations must name each operation once, got page"),
        (
            _first(operations=(Operation("page", 1, (Call("stroe", "get"),)),)),
            "must name a service, got 'stroe'; did you mean store?",
        ),
        (
            _first(operations=(Operation("page", 1, (Call("store", "got"),)),)),
            "must name an operation of store, got 'got'; did you mean",
        ),
        (_first(operations=(Operation("page", 1, (Call("web", "page"),)),)), "calls[0] must call another service"),
        (
            _first(operations=(Operation("page", 1, (Call("store", "get", 1), Call("store", "get", 0))),)),
            "services.web.operations.page.calls[1].stage must not be below that of the call before, got 0 after 1",
        ),
        (_first(operations=(Operation("page", 1, writes=0.5),)), "page.writes must be 0 where services.web.locks is 0, got 0.5"),
        (_first(replicas=3, max_replicas=2), "services.web.max_replicas must be at least replicas=3, got 2"),
        (_first(gc_s=0.01, gc_pause_ms=20), "services.web.gc_pause_ms must be below gc_s=0.01 s, got 20 ms"),
        (_change(entries={}), "entries must have shares with a sum > 0, got 0"),
        (_change(entries={("web", "page"): 0.0}), "entries must have shares with a sum > 0, got 0"),
        (_change(entries={("web", "page"): -1.0}), "entries.web/page must be a number in 0..1e+09, got -1.0"),
        (_change(entries={("wob", "page"): 1.0}), "entries must name a service, got 'wob'; did you mean web?"),
        (_change(entries={("web", "pag"): 1.0}), "entries must name an operation of web, got 'pag'; did you mean page?"),
        (_change(entries={"web/page": 1.0}), "entries must be keyed by (service, operation), got 'web/page'"),
        (_change(policies={("web", "crt"): Policy()}), "that it calls, got 'web->crt'; did you mean web->cart?"),
        (_change(policies={("web", "cart"): 3}), "policies.web->cart must be a Policy, got 3"),
        (_change(policy=None), "policy must be a Policy, got None"),
    ],
)
def test_what_is_refused(topology: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        validate(topology)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(("name", "most"), [("MAX_SERVICES", 3), ("MAX_OPERATIONS", 4), ("MAX_CALLS", 5), ("MAX_REPLICAS", 4)])
def test_size_is_limited(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, name, most)
    with pytest.raises(InputError, match=f"at most {most}"):
        validate(shop())


def test_a_long_list_of_names_is_cut() -> None:
    many = tuple(Service(f"service-{k}", (Operation("x", 0.01),)) for k in range(3000))
    with pytest.raises(InputError) as error:
        validate(Topology("t", many, {("sarvice-17", "x"): 1.0}, 1.0))
    assert "did you mean service-17?" in str(error.value) and len(str(error.value)) < 400


def _pair(there: Call, back: Call) -> Topology:
    services = (Service("a", (Operation("x", 1.0, (there,)),)), Service("b", (Operation("y", 1.0, (back,)),)))
    return Topology("pair", services, {("a", "x"): 1.0}, 1.0)
