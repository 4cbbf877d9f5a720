"""Parameters of a plug-in: the fields of a frozen dataclass, checked by name, type and range before any work."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean

T = TypeVar("T")


def parameter(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] = (),
    search: tuple[Any, ...] | bool = (),
) -> Any:
    """Declare a parameter as a dataclass field with its meaning and its valid range (inclusive) or choices.

    ``search`` says where a search of hyper-parameters looks: ``(low, high)``, ``(low, high, "log")``, or True for all of its
    choices (see :func:`causaldisc.core.searchable.searchable`); without it the parameter is never searched.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Test:
    ...     alpha: float = parameter(0.01, "significance level", low=0, high=1)
    >>> build(Test, {"alpha": 0.05}).alpha
    0.05
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "search": search}
    return dataclasses.field(default=default, metadata=metadata)


def build(cls: type[T], values: Mapping[str, Any], what: str = "") -> T:
    """Construct a plug-in from parameter values.

    Raises
    ------
    InputError : an unknown name (with the nearest valid one), a wrong type, or a value out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init}
    hints = _hints(cls)
    label = what or getattr(cls, "name", cls.__name__)
    checked = {}
    for name, value in values.items():
        if name not in fields:
            raise InputError(f"unknown parameter {name!r} of {label}; {did_you_mean(name, fields)}")
        checked[name] = _coerce(value, hints[name], f"{label}.{name}")
        _check_range(checked[name], fields[name].metadata, f"{label}.{name}")
    return cls(**checked)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Resolved annotations; resolving compiles every one of them."""
    return typing.get_type_hints(cls)


def describe(cls: type) -> list[dict[str, Any]]:
    """Return name, type, default and help of every parameter, for ``causaldisc list`` and documentation."""
    hints = _hints(cls)
    return [
        {"name": f.name, "type": _type_name(hints[f.name]), "default": f.default, "help": f.metadata.get("help", "")}
        for f in dataclasses.fields(cls)
        if f.init
    ]


def values_of(plugin: Any) -> dict[str, Any]:
    """Return the parameter values of a plug-in object, JSON-ready where the types are."""
    return {f.name: getattr(plugin, f.name) for f in dataclasses.fields(plugin) if f.init}


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Read ``key=value`` strings of the command line; values are YAML scalars or lists.

    >>> parse_settings(["alpha=0.05", "mechanism=tanh", "device=null"])
    {'alpha': 0.05, 'mechanism': 'tanh', 'device': None}
    """
    from causaldisc.core.plain_yaml import load_yaml

    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"--set must be key=value, got {setting!r}")
        value = load_yaml(text, f"--set {key}")
        # YAML 1.1 reads 1e-3 as text; a user means the number.
        parsed[key] = _as_float(value) if isinstance(value, str) else value
    return parsed


def _as_float(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _coerce(value: Any, hint: Any, where: str) -> Any:
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    for option in options:
        if option is bool and isinstance(value, bool):
            return value
        if option is int and isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
            return int(value)
        if option is float and isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
            return float(value)
        if option is str and isinstance(value, str):
            return value
        if typing.get_origin(option) is tuple and isinstance(value, list | tuple):
            inner = typing.get_args(option)[0]
            return tuple(_coerce(v, inner, where) for v in value)
        if option is Any:
            return value
    raise InputError(f"{where} must be {_type_name(hint)}, got {value!r}")


def _check_range(value: Any, metadata: Mapping[str, Any], where: str) -> None:
    low, high, choices = metadata.get("low"), metadata.get("high"), metadata.get("choices") or ()
    if choices and value is not None and value not in choices:
        raise InputError(f"{where} must be a known choice, got {value!r}; {did_you_mean(str(value), [str(c) for c in choices])}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (low is not None and value < low) or (high is not None and value > high):
        span = f">= {low}" if high is None else f"<= {high}" if low is None else f"in {low}..{high}"
        raise InputError(f"{where} must be {span}, got {value!r}")


def _type_name(hint: Any) -> str:
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return " or ".join(names.get(o, "a list" if typing.get_origin(o) is tuple else str(o)) for o in options)
