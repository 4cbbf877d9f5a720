"""ExpertPrior: what an expert knows before the data, clause by clause, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError, PriorError, did_you_mean
from causaldisc.core.files import read_text, write_text, yaml_text

HARD_CLAUSES = ("required", "forbidden", "tiers", "roots", "leaves", "calls", "max_lag")
CALL_RULES = ("default", "open")
_KEYS = (
    "version",
    "required",
    "forbidden",
    "tiers",
    "roots",
    "leaves",
    "calls",
    "call_rules",
    "co_located",
    "beliefs",
    "max_lag",
)


@dataclass(frozen=True, slots=True)
class EdgeClause:
    """A required, forbidden or believed edge; ``lag`` is an inclusive window in steps, None = any.

    ``source`` and ``target`` are variable names or globs; ``origin`` says who holds it (the key ``from`` in YAML).
    ``probability`` is set for beliefs only.
    """

    source: str
    target: str
    lag: tuple[int, int] | None = None
    origin: str = ""
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping of the YAML format."""
        data: dict[str, Any] = {"source": self.source, "target": self.target}
        if self.lag is not None:
            data["lag"] = list(self.lag)
        if self.probability is not None:
            data["probability"] = self.probability
        return {**data, "from": self.origin} if self.origin else data


@dataclass(frozen=True)
class ExpertPrior:
    """Hard clauses and beliefs about a graph; ``ExpertPrior()`` is empty.

    Parameters
    ----------
    required, forbidden, beliefs : :class:`EdgeClause`, or mappings with ``source``, ``target`` and optionally ``lag``,
        ``from`` and, for beliefs, ``probability``.
    tiers : lists of names or globs; no edge goes from a later tier to an earlier one, at any lag.
    roots, leaves : names or globs without incoming / outgoing edges.
    calls : (caller, callee) pairs of services.
    call_rules : ``default``, or ``open`` to allow edges between services that do not call each other.
    co_located : groups of services that share a host.
    max_lag : no edge has a larger lag, in steps.

    Raises
    ------
    PriorError : a clause that is malformed, with the clause named.

    >>> prior = ExpertPrior(forbidden=[{"source": "*:latency", "target": "*:traffic", "from": "traffic is exogenous"}])
    >>> prior.is_empty, prior.forbidden[0].origin
    (False, 'traffic is exogenous')
    """

    required: tuple[EdgeClause, ...] = ()
    forbidden: tuple[EdgeClause, ...] = ()
    tiers: tuple[tuple[str, ...], ...] = ()
    roots: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    call_rules: str = "default"
    co_located: tuple[tuple[str, ...], ...] = ()
    beliefs: tuple[EdgeClause, ...] = ()
    max_lag: int | None = None

    def __init__(
        self,
        required: Iterable[Any] = (),
        forbidden: Iterable[Any] = (),
        tiers: Iterable[Iterable[str]] = (),
        roots: Iterable[str] = (),
        leaves: Iterable[str] = (),
        calls: Iterable[Sequence[str]] = (),
        call_rules: str = "default",
        co_located: Iterable[Iterable[str]] = (),
        beliefs: Iterable[Any] = (),
        max_lag: int | None = None,
    ) -> None:
        """Parse every clause."""
        put = object.__setattr__
        for name, clauses in (("required", required), ("forbidden", forbidden), ("beliefs", beliefs)):
            put(self, name, tuple(_edge_clause(c, f"{name}[{k}]", name == "beliefs") for k, c in enumerate(_list(clauses, name))))
        put(self, "tiers", tuple(_names(t, f"tiers[{k}]") for k, t in enumerate(_list(tiers, "tiers"))))
        put(self, "roots", _names(roots, "roots"))
        put(self, "leaves", _names(leaves, "leaves"))
        put(self, "calls", tuple(_pair(c, f"calls[{k}]") for k, c in enumerate(_list(calls, "calls"))))
        put(self, "co_located", tuple(_names(g, f"co_located[{k}]") for k, g in enumerate(_list(co_located, "co_located"))))
        if call_rules not in CALL_RULES:
            raise PriorError(
                f"call_rules must be a known rule set, got {call_rules!r}; {did_you_mean(str(call_rules), CALL_RULES)}"
            )
        put(self, "call_rules", call_rules)
        if max_lag is not None and (isinstance(max_lag, bool) or not isinstance(max_lag, int) or max_lag < 0):
            raise PriorError(f"max_lag must be a whole number of steps >= 0, got {max_lag!r}")
        put(self, "max_lag", max_lag)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return not self.clause_kinds and not self.beliefs

    @property
    def clause_kinds(self) -> tuple[str, ...]:
        """The hard clause kinds in use, among ``HARD_CLAUSES``."""
        return tuple(k for k in HARD_CLAUSES if getattr(self, k) not in ((), None))

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping of the YAML format; empty fields are left out."""
        data: dict[str, Any] = {"version": 1}
        for name in ("required", "forbidden", "beliefs"):
            if getattr(self, name):
                data[name] = [c.to_dict() for c in getattr(self, name)]
        for name in ("tiers", "calls", "co_located"):
            if getattr(self, name):
                data[name] = [list(group) for group in getattr(self, name)]
        for name in ("roots", "leaves"):
            if getattr(self, name):
                data[name] = list(getattr(self, name))
        if self.calls:
            data["call_rules"] = self.call_rules
        if self.max_lag is not None:
            data["max_lag"] = self.max_lag
        return data

    @classmethod
    def from_dict(cls, data: Any, where: str = "prior") -> ExpertPrior:
        """Build from the mapping of the YAML format; errors begin with ``where``."""
        if data is None:
            return cls()
        if not isinstance(data, Mapping):
            raise PriorError(f"{where}: must be a mapping of clauses, got {type(data).__name__}")
        for key in data:
            if key not in _KEYS:
                raise PriorError(f"{where}: unknown clause {key!r}; {did_you_mean(str(key), _KEYS)}")
        if data.get("version", 1) != 1:
            raise PriorError(f"{where}: version must be 1, got {data['version']!r}")
        try:
            return cls(**{k: v for k, v in data.items() if k != "version" and v is not None})
        except PriorError as error:
            raise PriorError(f"{where}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the prior as YAML, whole or not at all."""
        write_text(path, yaml_text(self.to_dict()))

    @classmethod
    def load(cls, path: str | Path) -> ExpertPrior:
        """Read a prior from YAML; raises PriorError naming file and clause."""
        from causaldisc.core.plain_yaml import load_yaml

        try:
            data = load_yaml(read_text(path, limit=16 * 2**20), str(path))
        except InputError as error:
            raise PriorError(str(error)) from error
        return cls.from_dict(data, str(path))


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise PriorError(f"{where} must be a list, got {value!r}")
    return list(value)


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = _list(value, where)
    for name in names:
        if not isinstance(name, str) or not name:
            raise PriorError(f"{where} must list names or globs, got {name!r}")
    return tuple(names)


def _pair(value: Any, where: str) -> tuple[str, str]:
    names = _names(value, where)
    if len(names) != 2:
        raise PriorError(f"{where} must be [caller, callee], got {list(names)!r}")
    return names[0], names[1]


def _edge_clause(value: Any, where: str, belief: bool) -> EdgeClause:
    if isinstance(value, EdgeClause):
        return value
    if isinstance(value, tuple | list) and len(value) == 2:
        value = {"source": value[0], "target": value[1]}
    if not isinstance(value, Mapping):
        raise PriorError(f"{where} must be a mapping with source and target, got {value!r}")
    valid = ("source", "target", "lag", "from", *(("probability",) if belief else ()))
    for key in value:
        if key not in valid:
            raise PriorError(f"{where}: unknown field {key!r}; {did_you_mean(str(key), valid)}")
    ends = [value.get("source"), value.get("target")]
    if not all(isinstance(e, str) and e for e in ends):
        raise PriorError(f"{where} must have source and target as names or globs, got {ends!r}")
    return EdgeClause(
        str(ends[0]),
        str(ends[1]),
        _window(value.get("lag"), where),
        str(value.get("from") or ""),
        _probability(value.get("probability"), where) if belief else None,
    )


def _window(lag: Any, where: str) -> tuple[int, int] | None:
    if lag is None:
        return None
    window = [lag, lag] if isinstance(lag, int) else lag
    whole = (
        isinstance(window, Sequence) and len(window) == 2 and all(isinstance(x, int) and not isinstance(x, bool) for x in window)
    )
    if not whole or not 0 <= window[0] <= window[1]:
        raise PriorError(f"{where}.lag must be a lag or [low, high] with 0 <= low <= high, got {lag!r}")
    return int(window[0]), int(window[1])


def _probability(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise PriorError(f"{where}.probability must be strictly between 0 and 1, got {value!r}")
    return float(value)
