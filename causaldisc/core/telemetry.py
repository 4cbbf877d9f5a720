"""Telemetry: time series of service metrics, with what is missing, when, and in which environment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.arrays import frozen
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.variables import Variable
from causaldisc.core.windows import after_selection, relabelled, rows_of

if TYPE_CHECKING:
    import pandas as pd


_HEAD = 32  # rows that tell most columns to vary


@dataclass(frozen=True, eq=False)
class Telemetry:
    """Frozen multivariate time series.

    Parameters
    ----------
    values : float[T, N], one row a scrape, one column a variable; NaN where missing.
    variables : N variables, or their names.
    times : float[T], seconds, strictly increasing within an environment; default ``0, 1, …``.
    environments : int[T], a label per row; rows of one environment stand together. Default: one environment.
    windows : labelled training interventions, seconds from the first time of their environment.
    clock : ``"utc"`` when times are seconds since 1970, ``"relative"`` when they count from the start.

    Raises
    ------
    InputError : fewer than two rows, no column, duplicate names, an infinite value, a column with no value at all,
        unsorted or repeated times, a window in an environment that is not there.

    >>> t = Telemetry([[1.0, 2.0], [2.0, float("nan")], [0.5, 3.0]], ["cart:cpu", "cart:latency"])
    >>> t.shape, t.names, int(t.missing.sum())
    ((3, 2), ('cart:cpu', 'cart:latency'), 1)
    """

    values: np.ndarray
    variables: tuple[Variable, ...]
    times: np.ndarray
    environments: np.ndarray
    windows: tuple[Intervention, ...] = ()
    clock: str = "relative"

    def __init__(
        self,
        values: Any,
        variables: Sequence[Variable | str],
        times: Any = None,
        environments: Any = None,
        windows: Iterable[Intervention] = (),
        clock: str = "relative",
    ) -> None:
        """Validate and freeze."""
        array = _matrix(values)
        array = np.where(np.isnan(array), np.nan, array)  # one bit pattern for "missing", so that equal data hash alike
        rows = array.shape[0]
        put = object.__setattr__
        put(self, "values", frozen(array))
        put(self, "variables", tuple(v if isinstance(v, Variable) else Variable.of(v) for v in variables))
        put(self, "times", frozen(np.arange(rows) if times is None else times, float))
        put(self, "environments", frozen(np.zeros(rows) if environments is None else environments, np.int64))
        put(self, "windows", tuple(windows))
        put(self, "clock", clock)
        self._check()

    def _check(self) -> None:
        rows, columns = self.values.shape
        if len(self.variables) != columns:
            raise InputError(f"variables must match the columns, got {len(self.variables)} names for {columns} columns")
        _check_names(self.names)
        if columns == 0:
            raise InputError("telemetry must have at least one column besides time, got none")
        if rows < 2:
            raise InputError(f"telemetry must have at least 2 rows, got {rows}")
        for label, array in (("times", self.times), ("environments", self.environments)):
            if array.shape != (rows,):
                raise InputError(f"{label} must have one entry a row, got shape {array.shape} for {rows} rows")
        if self.clock not in ("utc", "relative"):
            raise InputError(f"clock must be 'utc' or 'relative', got {self.clock!r}")
        _check_columns(self.values, self.names)
        _check_times(self.times, self.environments)
        _check_windows(self.windows, self.environments)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Variable names in column order."""
        return tuple(v.name for v in self.variables)

    @property
    def shape(self) -> tuple[int, int]:
        """``(T, N)``: rows and variables."""
        return self.values.shape[0], self.values.shape[1]

    @cached_property
    def missing(self) -> np.ndarray:
        """bool[T, N]: where no value was recorded."""
        return frozen(np.isnan(self.values))

    @cached_property
    def constant(self) -> np.ndarray:
        """bool[N]: columns whose recorded values are all the same."""
        flat = np.fmax.reduce(self.values[:_HEAD]) == np.fmin.reduce(self.values[:_HEAD])
        flat |= np.isnan(self.values[:_HEAD]).all(axis=0)
        rest = np.flatnonzero(flat)  # most columns vary from the start
        flat[rest] = np.fmax.reduce(self.values[:, rest]) == np.fmin.reduce(self.values[:, rest])
        return frozen(flat)

    @property
    def step_seconds(self) -> float:
        """Median time between consecutive rows of one environment, in seconds."""
        gaps = np.diff(self.times)[np.diff(self.environments) == 0]
        return float(np.median(gaps)) if gaps.size else 1.0

    @cached_property
    def sha256(self) -> str:
        """Hex digest of names, values, times, environments and, where there are any, windows."""
        digest = hashlib.sha256("\x1f".join(self.names).encode())
        for array in (self.values, self.times, self.environments):
            digest.update(np.ascontiguousarray(array).data)
        for window in self.windows:
            digest.update(repr(window).encode())
        return digest.hexdigest()

    def window_rows(self, window: Intervention) -> np.ndarray:
        """Return bool[T]: the rows inside a window, ``start <= seconds < stop`` in its environment.

        >>> t = Telemetry([[1.0], [2.0], [3.0]], ["cart:cpu"], windows=[Intervention("cart", "kill", start=1, stop=2)])
        >>> t.window_rows(t.windows[0]).tolist()
        [False, True, False]
        """
        return rows_of(window, self.times, self.environments)

    def select(self, columns: Sequence[int] | np.ndarray) -> Telemetry:
        """Return the telemetry of some columns, by index, in the order given."""
        index = np.asarray(columns, dtype=int)
        return Telemetry(
            self.values[:, index], [self.variables[i] for i in index], self.times, self.environments, self.windows, self.clock
        )

    def rows(self, rows: Any) -> Telemetry:
        """Return the telemetry of some rows (a mask or indices); windows stay over the same moments."""
        times, labels = self.times[rows], self.environments[rows]
        windows = after_selection(self.windows, self.times, self.environments, times, labels) if len(times) else ()
        return Telemetry(self.values[rows], self.variables, times, labels, windows, self.clock)

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame, one column a variable, indexed by ``time`` (UTC timestamps, or seconds)."""
        import pandas as pd

        index = pd.Index(self.times, name="time")
        if self.clock == "utc":
            index = pd.to_datetime(self.times, unit="s", utc=True).rename("time")
        return pd.DataFrame(np.array(self.values), index=index, columns=list(self.names))

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Telemetry:
        """Read a DataFrame: one column a variable; times from a ``time`` column or a time index, if any.

        Raises
        ------
        InputError : a column that is not numeric, and everything that the constructor refuses.

        >>> import pandas as pd
        >>> Telemetry.from_pandas(pd.DataFrame({"a:cpu": [1, 2, 3]})).names
        ('a:cpu',)
        """
        names = [str(c) for c in frame.columns]
        _check_names(names)
        times, clock = None, "relative"
        if names and names[0] == "time":
            times, clock = seconds_of(frame.iloc[:, 0])
            frame, names = frame.iloc[:, 1:], names[1:]
        elif frame.index.name == "time" or str(frame.index.dtype).startswith("datetime64"):
            times, clock = seconds_of(frame.index.to_series())
        columns = [_numeric(frame.iloc[:, k], name) for k, name in enumerate(names)]
        values = np.column_stack(columns) if columns else np.empty((len(frame), 0))
        return cls(values, names, times, clock=clock)

    @classmethod
    def concat(cls, parts: Sequence[Telemetry]) -> Telemetry:
        """Stack several telemetries as environments ``0, 1, …``; all must have the same variables.

        Windows go along, each with the label of its environment.

        >>> a = Telemetry([[1.0], [2.0]], ["x"]); b = Telemetry([[3.0], [4.0]], ["x"])
        >>> Telemetry.concat([a, b]).environments.tolist()
        [0, 0, 1, 1]
        """
        if not parts:
            raise InputError("telemetry must be at least one data set, got an empty list")
        if len(parts) == 1:
            return parts[0]
        first = parts[0]
        for k, part in enumerate(parts[1:], 1):
            if set(part.names) != set(first.names):
                odd = sorted(set(part.names) ^ set(first.names))
                raise InputError(f"environments must have the same variables, environment {k} differs in {odd[:3]}")
        aligned = [p.select([p.names.index(n) for n in first.names]) for p in parts]
        labels, windows, base = [], [], 0
        for part in aligned:
            known, codes = np.unique(part.environments, return_inverse=True)
            renamed = {label: base + k for k, label in enumerate(known.tolist())}
            windows += relabelled(part.windows, part.environments, renamed, leads=base == 0)
            labels.append(codes + base)
            base += len(known)
        return cls(
            np.concatenate([p.values for p in aligned]),
            first.variables,
            np.concatenate([p.times for p in aligned]),
            np.concatenate(labels),
            windows,
            first.clock,
        )


def seconds_of(column: Any) -> tuple[np.ndarray, str]:
    """Turn a time column into ``(float[T] seconds, clock)``; numbers stay, ISO 8601 and timestamps become UTC seconds.

    ``column`` is a Series, or float[T], for which pandas need not be there.

    >>> seconds_of(np.array([0.0, 15.0]))[1], seconds_of(np.array([1.7e9, 1.7e9 + 15]))[1]
    ('relative', 'utc')
    """
    if isinstance(column, np.ndarray):
        _refuse_gaps(np.isnan(column))
        return column, "utc" if column.size and column[0] > 1e8 else "relative"
    import pandas as pd

    _refuse_gaps(column.isna().to_numpy())
    if pd.api.types.is_numeric_dtype(column):
        return seconds_of(column.to_numpy(float))
    try:
        stamps = pd.to_datetime(column, utc=True, format=None if str(column.dtype).startswith("datetime") else "ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(f"time must be ISO 8601 or seconds, got {column.iloc[0]!r} ({str(error).splitlines()[0]})") from error
    return stamps.to_numpy("datetime64[ns]").astype(np.int64) / 1e9, "utc"


def _refuse_gaps(empty: np.ndarray) -> None:
    if empty.any():
        raise InputError(f"time must have no empty cell, got one at row {int(np.argmax(empty))}")


def _numeric(column: Any, name: str) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    converted: Any = pd.to_numeric(column, errors="coerce")
    text = column.astype("string").str.strip()
    bad = (converted.isna() & column.notna() & (text != "") & (text.str.lower() != "nan")).to_numpy(dtype=bool)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"column {name!r} must be numeric, got {column.iloc[row]!r} at row {row}")
    return converted.to_numpy(dtype=float, na_value=np.nan)


def _matrix(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"values must be numbers, got {error}") from error
    if array.ndim != 2:
        raise InputError(f"values must have two dimensions (rows, variables), got shape {array.shape}")
    return array


def _check_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"variable names must be unique, got {name!r} twice")
        seen.add(name)


def _check_columns(values: np.ndarray, names: Sequence[str]) -> None:
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise InputError(f"column {names[int(np.argmax(infinite))]!r} must be finite or empty, got an infinite value")
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        more = f" (and {int(empty.sum()) - 1} more)" if empty.sum() > 1 else ""
        raise InputError(f"column {names[int(np.argmax(empty))]!r}{more} must hold at least one value, got only missing ones")


def _check_times(times: np.ndarray, environments: np.ndarray) -> None:
    if not np.isfinite(times).all():
        raise InputError("times must be finite, got a missing or infinite one")
    starts = np.flatnonzero(np.diff(environments) != 0) + 1
    if len(np.unique(environments)) != len(starts) + 1:
        raise InputError("environments must stand in one block each, got one that comes back after another")
    step = np.diff(times)
    step[starts - 1] = 1.0
    if (step <= 0).any():
        row = int(np.argmax(step <= 0)) + 1
        what = "a repeated" if step[row - 1] == 0 else "an unsorted"
        raise InputError(f"times must increase from row to row, got {what} time {times[row]:.15g} at row {row}")


def _check_windows(windows: Sequence[Intervention], environments: np.ndarray) -> None:
    for window in windows:
        if window.environment is not None and not (environments == window.environment).any():
            known = ", ".join(str(label) for label in dict.fromkeys(environments.tolist()))
            raise InputError(f"windows must lie in an environment of the telemetry, got {window.environment}; valid: {known}")
