"""χ² and G² of contingency tables of two columns, one table a stratum of the conditions.

Strata are numbered by mixed radix and all tables counted in one pass, as long as the tables together have not many more
cells than there are rows; beyond that, rows are sorted by stratum and one small table is filled after the other. So memory
grows with the rows alone, whatever the levels and the conditions.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.inner import inner
from causaldisc.kernels.subsets import CHANGED, SIZE

MISSING = 255
# Cells of all tables together, per row and at least, that are counted without sorting.
_CELLS, _FEWEST_CELLS = 4, 4096
CHI, LIKELIHOOD, FREEDOM, CEILING, ROWS = range(5)


class Codes(NamedTuple):
    """Discrete columns.

    Attributes
    ----------
    columns : uint8[M, T], the level of each column in each distinct row; ``MISSING`` where not recorded.
    levels : int64[M], levels of each column, at most 255.
    weights : int32[T], how often each distinct row was seen.
    strata : int32[T], a number that is always among the conditions, such as the environment of the row.
    layers : strata in all.
    """

    columns: np.ndarray
    levels: np.ndarray
    weights: np.ndarray
    strata: np.ndarray
    layers: int


class Room(NamedTuple):
    """Where tables are counted.

    Attributes
    ----------
    numbers : int32[K + 1, T], number of the cell of each row given the first 0 … K conditions, -1 where one is missing.
    strides : int64[K + 1], cells in all given so many conditions; more than there is room for where not counted.
    cells : int32[C], counts of all tables; a table of x by y stands together.
    margins : float64[2, 256], sums of rows and columns of a table.
    sums : float64[5], over the tables: χ², G², degrees of freedom, the largest χ² that tables of their size can have, rows.
    space : cells that may be counted without sorting.
    """

    numbers: np.ndarray
    strides: np.ndarray
    cells: np.ndarray
    margins: np.ndarray
    sums: np.ndarray
    space: int


class Sorting(NamedTuple):
    """Where rows are sorted when the tables together are too large.

    Attributes
    ----------
    order : int32[2, T], rows sorted by stratum, and room for sorting.
    tally : int64[L], counts for sorting.
    local : int64[2, 256], levels of x and y seen in a stratum.
    """

    order: np.ndarray
    tally: np.ndarray
    local: np.ndarray


def room_for(codes: Codes, high: int) -> Room:
    """Return room for tests given up to ``high`` conditions."""
    rows = len(codes.weights)
    space = max(_CELLS * rows, _FEWEST_CELLS)
    return Room(
        np.empty((high + 1, rows), np.int32),
        np.empty(high + 1, np.int64),
        np.empty(max(2 * space, 256 * 256), np.int32),
        np.empty((2, 256)),
        np.empty(5),
        space,
    )


def sorting_for(codes: Codes, high: int, space: int) -> Sorting | None:
    """Return room for sorting, or None where no tables given ``high`` conditions need it: with it a larger kernel is compiled."""
    cells = codes.layers * math.prod(sorted(codes.levels.tolist())[-(high + 2) :])
    if cells <= space:
        return None
    rows = len(codes.weights)
    return Sorting(np.empty((2, rows), np.int32), np.empty(max(codes.layers, 256) + 1, np.int64), np.empty((2, 256), np.int64))


@inner
def number_pair(codes: Any, room: Any, x: Any, y: Any) -> None:
    """Number the cells of a pair given nothing but the strata."""
    levels_x, levels_y = codes.levels[x], codes.levels[y]
    stride = codes.layers * levels_x * levels_y
    room.strides[0] = stride
    if stride > room.space:
        return
    column_x, column_y, numbers = codes.columns[x], codes.columns[y], room.numbers[0]
    for t in range(len(numbers)):
        a, b = np.int32(column_x[t]), np.int32(column_y[t])
        number = (codes.strata[t] * np.int32(levels_x) + a) * np.int32(levels_y) + b
        numbers[t] = np.int32(-1) if a == MISSING or b == MISSING else number


@inner
def tabulate(codes: Any, room: Any, sorting: Any, walk: Any, x: Any, y: Any) -> None:
    """Fill in ``room.sums`` of x and y given the present set of a walk; ``sorting`` is None where no tables are too large."""
    size, space = walk.at[SIZE], room.space
    stride = room.strides[0]
    begin = walk.at[CHANGED] if walk.at[CHANGED] < size - 1 else size - 1
    for a in range(begin, size - 1):
        z = walk.chosen[a]
        stride = room.strides[a]
        if stride <= space:
            stride *= codes.levels[z]
        room.strides[a + 1] = stride
        if stride <= space:
            _refine(room.numbers[a], codes.columns[z], room.strides[a], room.numbers[a + 1])
    for a in range(len(room.sums)):
        room.sums[a] = 0.0
    deepest = size - 1 if size > 0 else 0
    total = room.strides[deepest]
    last = walk.chosen[size - 1] if size > 0 else x
    if size > 0 and total <= space:
        total *= codes.levels[last]
    if total == 0:
        return  # a column of nothing but missing values
    if sorting is not None:  # noqa: SIM102 - a branch by itself, so that it is compiled only where it is needed
        if total > space:
            _by_sorting(codes, room, sorting, walk.chosen, size, x, y)
            return
    step = room.strides[size - 1] if size > 0 else 0
    _count(room.numbers[deepest], codes.columns[last], step, codes.weights, room.cells, total)
    levels_x, levels_y = codes.levels[x], codes.levels[y]
    start = 0 * total
    while start < total:
        _add_table(room.cells, room.margins, room.sums, start, levels_x, levels_y)
        start += levels_x * levels_y


@inner
def _refine(numbers: Any, column: Any, stride: Any, out: Any) -> None:
    for t in range(len(numbers)):
        level = np.int32(column[t])
        number = numbers[t] + np.int32(stride) * level
        out[t] = np.int32(-1) if level == MISSING or numbers[t] < 0 else number


@inner
def _count(numbers: Any, column: Any, stride: Any, weights: Any, cells: Any, total: Any) -> None:
    """Count rows by cell; ``column`` is the last condition, or any with a stride of 0 for none."""
    for a in range(2 * total):
        cells[a] = 0
    # Two rows at a time, in tables of their own: a count just written to is slow to be read again.
    half, stride, other = len(numbers) // 2, np.int32(stride), np.int32(total)
    for t in range(half):
        s = t + half
        a, b = np.int32(column[t]), np.int32(column[s])
        if numbers[t] >= 0 and a != MISSING:
            cells[numbers[t] + stride * a] += weights[t]
        if numbers[s] >= 0 and b != MISSING:
            cells[numbers[s] + stride * b + other] += weights[s]
    for t in range(2 * half, len(numbers)):
        a = np.int32(column[t])
        if numbers[t] >= 0 and a != MISSING:
            cells[numbers[t] + stride * a] += weights[t]
    for a in range(total):
        cells[a] += cells[a + total]


@inner
def _add_table(cells: Any, margins: Any, sums: Any, start: Any, levels_x: Any, levels_y: Any) -> None:
    """Add a table of x by y to the sums; levels that do not occur in it cost no degree of freedom."""
    for b in range(levels_y):
        margins[1, b] = 0.0
    for a in range(levels_x):
        margins[0, a] = 0.0
        for b in range(levels_y):
            count = cells[start + a * levels_y + b]
            margins[0, a] += count
            margins[1, b] += count
    total, rows, columns = 0.0, 0, 0
    for a in range(levels_x):
        total += margins[0, a]
        rows += margins[0, a] > 0.0
    for b in range(levels_y):
        columns += margins[1, b] > 0.0
    sums[ROWS] += total
    if rows < 2 or columns < 2:
        return
    chi, likelihood = 0.0, 0.0
    for a in range(levels_x):
        share = margins[0, a] / total
        for b in range(levels_y):
            expected = share * margins[1, b]
            if expected > 0.0:
                count = float(cells[start + a * levels_y + b])
                chi += (count - expected) * (count - expected) / expected
                if count > 0.0:
                    likelihood += count * math.log(count / expected)
    sums[CHI] += chi
    sums[LIKELIHOOD] += 2.0 * likelihood
    sums[FREEDOM] += (rows - 1.0) * (columns - 1.0)
    sums[CEILING] += total * ((rows if rows < columns else columns) - 1.0)


@inner
def _by_sorting(codes: Any, room: Any, sorting: Any, given: Any, size: Any, x: Any, y: Any) -> None:
    """Fill in the sums by one table after the other, each of the levels in its stratum alone."""
    columns, weights, strata = codes.columns, codes.weights, codes.strata
    order, cells, local_x, local_y = sorting.order[0], room.cells, sorting.local[0], sorting.local[1]
    column_x, column_y = columns[x], columns[y]
    rows = _sort(columns, strata, order, sorting.order[1], sorting.tally, given, size, column_x, column_y)
    room.sums[ROWS] = rows
    begin = np.int64(0)
    for t in range(1, rows + 1):
        if t < rows:
            same = strata[order[t - 1]] == strata[order[t]]
            for a in range(size):
                same = same and columns[given[a], order[t - 1]] == columns[given[a], order[t]]
            if same:
                continue
        levels_x = _local_levels(column_x, order, local_x, begin, t)
        levels_y = _local_levels(column_y, order, local_y, begin, t)
        if levels_x > 1 and levels_y > 1:
            for a in range(levels_x * levels_y):
                cells[a] = 0
            for k in range(begin, t):
                row = order[k]
                cells[local_x[column_x[row]] * levels_y + local_y[column_y[row]]] += weights[row]
            _add_table(cells, room.margins, room.sums, np.int64(0), levels_x, levels_y)
        begin = np.int64(t)


@inner
def _sort(
    columns: Any, strata: Any, order: Any, spare: Any, tally: Any, given: Any, size: Any, column_x: Any, column_y: Any
) -> Any:
    """Sort the rows in which all is recorded by stratum, one condition after the other; return how many there are."""
    count = np.int64(0)
    for t in range(len(order)):
        missing = column_x[t] == MISSING or column_y[t] == MISSING
        for a in range(size):
            missing = missing or columns[given[a], t] == MISSING
        if not missing:
            order[count] = t
            count += 1
    for a in range(size + 1):
        for b in range(len(tally)):
            tally[b] = 0
        for t in range(count):
            tally[(np.int64(columns[given[a], order[t]]) if a < size else np.int64(strata[order[t]])) + 1] += 1
        for b in range(1, len(tally)):
            tally[b] += tally[b - 1]
        for t in range(count):
            key = np.int64(columns[given[a], order[t]]) if a < size else np.int64(strata[order[t]])
            spare[tally[key]] = order[t]
            tally[key] += 1
        for t in range(count):
            order[t] = spare[t]
    return count


@inner
def _local_levels(column: Any, order: Any, local: Any, begin: Any, end: Any) -> Any:
    """Number the levels of a column in the order in which they occur in some rows; return how many do."""
    for k in range(begin, end):
        local[column[order[k]]] = -1
    count = np.int64(0)
    for k in range(begin, end):
        level = column[order[k]]
        if local[level] < 0:
            local[level] = count
            count += 1
    return count
