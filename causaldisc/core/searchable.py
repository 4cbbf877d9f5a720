"""Where a search of hyper-parameters looks: what the fields of a plug-in declare by ``parameter(..., search=…)``."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``, both included; ``log`` = evenly over their logarithms, ``whole`` = whole ones only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Options:
    """A few values without order."""

    values: tuple[Any, ...]


def searchable(cls: type) -> dict[str, Span | Options]:
    """Return the searchable parameters of a plug-in class, in the order of its fields.

    Raises
    ------
    TypeError : a declaration that cannot be right: outside of the parameter's range, or without the default in it, since
        every search begins at the defaults.

    >>> from causaldisc.core.parameters import parameter
    >>> @dataclasses.dataclass(frozen=True)
    ... class Test:
    ...     alpha: float = parameter(0.01, "level", low=0, high=1, search=(1e-4, 0.2, "log"))
    ...     deep: bool = parameter(False, "look twice", search=True)
    ...     steps: int = parameter(9, "never searched")
    >>> searchable(Test)
    {'alpha': Span(low=0.0001, high=0.2, log=True, whole=False), 'deep': Options(values=(False, True))}
    """
    declared = {f.name: f for f in dataclasses.fields(cls) if f.init and f.metadata.get("search")}
    return {name: _read(field, f"{cls.__name__}.{name}") for name, field in declared.items()}


def _read(field: dataclasses.Field[Any], where: str) -> Span | Options:
    search, default = field.metadata["search"], field.default
    if search is True:
        values = field.metadata.get("choices") or (False, True)
        if default not in values:
            raise TypeError(f"{where}: the default {default!r} must be among what is searched, {values}")
        return Options(tuple(values))
    low, high, *rest = search
    floor, ceiling = field.metadata.get("low"), field.metadata.get("high")
    inside = (floor is None or low >= floor) and (ceiling is None or high <= ceiling)
    if rest not in ([], ["log"]) or not (inside and low < high and (low > 0 or not rest)):
        raise TypeError(f"{where}: search must be (low, high) or (low, high, 'log') within its range, got {search}")
    if not isinstance(default, int | float) or not low <= default <= high:
        raise TypeError(f"{where}: the default {default!r} must be within what is searched, {low}..{high}")
    return Span(low, high, bool(rest), isinstance(default, int))
