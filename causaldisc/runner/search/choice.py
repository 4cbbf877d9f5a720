"""What a search chose, put into the cells that are scored."""

from __future__ import annotations

from collections.abc import Sequence

from causaldisc.runner.compose import Cell
from causaldisc.runner.execution import Summary
from causaldisc.runner.search.study import Study


def chosen_cells(cells: Sequence[Cell], studies: Sequence[Study]) -> tuple[list[Cell], dict[str, Summary]]:
    """Return the cells with the parameters chosen for them, in their order; cells that no study tunes are left out.

    Returns
    -------
    (cells, waiting) : ``waiting`` says by key which of them cannot be scored yet, since their search has not ended.
    """
    chosen: dict[str, Cell] = {}
    waiting: dict[str, Summary] = {}
    for study in studies:
        chosen |= {cell.key: tuned for cell, tuned in zip(study.setting.cells, study.cells, strict=True)}
        if study.unfinished:
            error = f"not run yet: of its search, {study.unfinished}"
            waiting |= {cell.key: Summary(cell.key, "skipped", error, computed=False, stored=False) for cell in study.cells}
    return [chosen[cell.key] for cell in cells if cell.key in chosen], waiting
