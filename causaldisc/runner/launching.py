"""Cells handed to the launcher that their configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from causaldisc.runner.compose import Cell
from causaldisc.runner.execution import Summary
from causaldisc.runner.launchers import launchers
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store
from causaldisc.runner.sweep import Sweep


def launched(cells: Sequence[Cell], store: Store, pool: Pool, picture: bool = False) -> Iterator[Summary]:
    """Run cells, at least one, and yield what became of each as it finishes, in any order.

    Parameters
    ----------
    store, pool : where outcomes go, and what runs cells on this machine.
    picture : draw the graph of each.
    """
    shared = cells[0].config
    launcher = launchers.build(shared["launcher"]["name"], {k: v for k, v in shared["launcher"].items() if k != "name"})
    keys, configs = [cell.key for cell in cells], [dict(cell.config) for cell in cells]
    yield from launcher.launch(Sweep(keys, configs, store, pool, picture, shared["cache"] == "ignore"))
