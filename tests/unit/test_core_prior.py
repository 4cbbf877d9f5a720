import pytest

from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import PriorError, PriorUnsupportedError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.prior import ExpertPrior

NAMES = ["web:traffic", "web:cpu", "web:latency", "web:errors", "db:traffic", "db:latency", "db:errors", "mail:latency"]
EXAMPLE = """
version: 1
required:  [{source: "db:latency", target: "web:latency", lag: [0, 2], from: "runbook 12"}]
forbidden: [{source: "*:latency", target: "*:traffic", from: "traffic is exogenous"}]
tiers: [["*:traffic"], ["*:cpu", "*:memory"], ["*:latency", "*:errors"]]
roots: ["web:traffic"]
leaves: []
calls: [[web, db]]
call_rules: default
beliefs: [{source: "web:cpu", target: "web:latency", probability: 0.8, from: "traces"}]
max_lag: 3
"""


def allowed(prior, source, target, lag=0, max_lag=2, names=NAMES):
    limits = Constraints.of(prior, names, max_lag)
    return bool(limits.allowed[names.index(source), names.index(target), lag])


def test_yaml_round_trip(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(EXAMPLE)
    prior = ExpertPrior.load(path)
    assert prior.required[0].lag == (0, 2)
    assert prior.required[0].origin == "runbook 12"
    assert prior.clause_kinds == ("required", "forbidden", "tiers", "roots", "calls", "max_lag")
    prior.save(tmp_path / "again.yaml")
    assert ExpertPrior.load(tmp_path / "again.yaml") == prior
    limits = Constraints.of(prior, NAMES, 3)
    assert limits.required == ((5, 2, (0, 2)),)
    assert not limits.allowed[:, 0].any(), "a root has no incoming edge"


def test_call_rules_in_both_directions():
    prior = ExpertPrior(calls=[("web", "db")])
    assert allowed(prior, "web:traffic", "db:traffic")
    assert not allowed(prior, "db:traffic", "web:traffic")
    assert allowed(prior, "db:latency", "web:latency")
    assert allowed(prior, "db:latency", "web:errors")
    assert not allowed(prior, "web:latency", "db:latency")
    assert not allowed(prior, "web:traffic", "db:latency"), "traffic acts through the callee's own traffic"
    assert not allowed(prior, "mail:latency", "web:latency"), "no call, no edge"
    assert allowed(prior, "web:traffic", "web:latency")
    assert not allowed(prior, "web:latency", "web:traffic")
    assert allowed(prior, "web:latency", "web:traffic", lag=1), "feedback within a service takes time"
    assert allowed(ExpertPrior(calls=[("web", "db")], call_rules="open"), "mail:latency", "web:latency")
    assert not allowed(ExpertPrior(calls=[("web", "db")], call_rules="open"), "web:latency", "db:latency")
    shared = ExpertPrior(calls=[("web", "db")], co_located=[("web", "mail")])
    assert allowed(shared, "mail:latency", "web:cpu")


def test_forbidden_windows_tiers_and_max_lag():
    prior = ExpertPrior(forbidden=[{"source": "web:cpu", "target": "web:latency", "lag": [1, 2]}])
    assert allowed(prior, "web:cpu", "web:latency", 0)
    assert not allowed(prior, "web:cpu", "web:latency", 1)
    tiers = ExpertPrior(tiers=[["*:traffic"], ["*:latency"]])
    assert not allowed(tiers, "db:latency", "web:traffic", 2)
    assert allowed(tiers, "web:cpu", "web:traffic"), "a variable in no tier is free"
    assert not allowed(ExpertPrior(max_lag=1), "web:cpu", "web:latency", 2)


def test_an_exact_name_wins_over_its_reading_as_a_role():
    names = ["a:latency", "a:latency_p95", "b:cpu"]
    prior = ExpertPrior(forbidden=[("b:cpu", "a:latency")])
    assert not allowed(prior, "b:cpu", "a:latency", names=names)
    assert allowed(prior, "b:cpu", "a:latency_p95", names=names)
    both = ExpertPrior(forbidden=[("b:cpu", "a:laten?y")])
    assert not allowed(both, "b:cpu", "a:latency_p95", names=names)


@pytest.mark.parametrize(
    ("clauses", "parts"),
    [
        ({"required": [("web:cpu", "web:latency")], "forbidden": [("*:cpu", "*")]}, ["required[0]", "forbidden[0]"]),
        ({"required": [("web:latency", "web:traffic")], "tiers": [["*:traffic"], ["*:latency"]]}, ["required[0]", "tiers"]),
        ({"required": [("web:cpu", "web:traffic")], "roots": ["web:traffic"]}, ["required[0]", "roots: web:traffic"]),
        ({"required": [("web:cpu", "web:errors")], "leaves": ["*:cpu"]}, ["required[0]", "leaves: *:cpu"]),
        ({"required": [("mail:latency", "web:latency")], "calls": [("web", "db")]}, ["required[0]", "calls"]),
        (
            {"required": [{"source": "web:cpu", "target": "web:latency", "lag": [2, 2]}], "max_lag": 1},
            ["required[0]", "max_lag: 1"],
        ),
        (
            {
                "required": [
                    {"source": a, "target": b, "lag": 0} for a, b in [("web:cpu", "db:latency"), ("db:latency", "web:cpu")]
                ]
            },
            ["required[0]", "required[1]", "cycle"],
        ),
        ({"tiers": [["*:cpu"], ["web:*"]]}, ["tiers[0]", "tiers[1]", "web:cpu"]),
        ({"forbidden": [("web:cpuu", "web:latency")]}, ["forbidden[0]", "'web:cpuu'", "did you mean web:cpu?"]),
        ({"roots": ["nobody:traffic"]}, ["roots", "'nobody:traffic'"]),
    ],
)
def test_contradictions_name_both_clauses(clauses, parts):
    with pytest.raises(PriorError) as caught:
        Constraints.of(ExpertPrior(**clauses), NAMES, 2)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_required_lags_beyond_the_search_are_refused():
    with pytest.raises(PriorError, match="larger max_lag"):
        Constraints.of(ExpertPrior(required=[{"source": "web:cpu", "target": "web:latency", "lag": [2, 3]}]), NAMES, 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"requird": []}, "did you mean required"),
        ({"version": 2}, "version must be 1"),
        ({"required": [{"source": "a"}]}, r"required\[0\] must have source and target"),
        ({"required": [{"source": "a", "target": "b", "lags": 1}]}, "unknown field 'lags'"),
        ({"required": [{"source": "a", "target": "b", "lag": [2, 1]}]}, r"0 <= low <= high"),
        ({"beliefs": [{"source": "a", "target": "b", "probability": 1.5}]}, "strictly between 0 and 1"),
        ({"calls": [["a"]]}, r"\[caller, callee\]"),
        ({"call_rules": "closed"}, "call_rules must be a known rule set"),
        ({"max_lag": -1}, "max_lag must be a whole number"),
        ({"tiers": "*"}, "tiers must be a list"),
        ([1], "must be a mapping"),
    ],
)
def test_malformed_priors(data, message):
    with pytest.raises(PriorError, match=message):
        ExpertPrior.from_dict(data, "p.yaml")


def test_an_algorithm_that_cannot_obey_is_refused():
    limits = Constraints.of(ExpertPrior(roots=["web:traffic"]), NAMES, 0)
    with pytest.raises(PriorUnsupportedError, match="roots: web:traffic cannot be obeyed by toy"):
        limits.refuse_unsupported(frozenset({"required"}), "toy")


def test_certificate_catches_what_a_search_lost():
    prior = ExpertPrior(
        required=[("a", "b")], forbidden=[("b", "c")], beliefs=[{"source": "a", "target": "c", "probability": 0.7}]
    )
    limits = Constraints.of(prior, "abc", 0)

    def statuses(*edges):
        return [v.status for v in certify(CausalGraph("abc", edges, "cpdag"), limits)]

    assert statuses(Edge("a", "b")) == ["kept", "kept", "overridden"]
    assert statuses() == ["violated", "kept", "overridden"]
    assert statuses(Edge("a", "b", 0, "tail", "tail")) == ["violated", "kept", "overridden"]
    assert statuses(Edge("a", "b"), Edge("c", "b", 0, "tail", "tail")) == ["kept", "violated", "overridden"]
    assert statuses(Edge("a", "b"), Edge("c", "b")) == ["kept", "kept", "overridden"]


def test_a_prior_cannot_run_code_or_grow_in_memory(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("!!python/object/apply:os.system ['touch owned']")
    with pytest.raises(PriorError, match=r"p\.yaml: must be YAML"):
        ExpertPrior.load(path)
    steps = zip("bcdefghijklm", "abcdefghijkl", strict=True)
    bomb = "a: &a [x, x, x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for new, old in steps)
    path.write_text(bomb)
    with pytest.raises(PriorError, match="aliases"):
        ExpertPrior.load(path)
    path.write_text("[" * 50_000)
    with pytest.raises(PriorError, match=r"p\.yaml"):
        ExpertPrior.load(path)
