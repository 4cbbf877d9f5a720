"""An experiment: its cells, what of them is stored already, and the rest run, stored and mirrored."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

from causaldisc.core.dataset import Dataset
from causaldisc.core.errors import InputError
from causaldisc.core.files import write_bytes, write_json
from causaldisc.core.graph import CausalGraph
from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import trackers
from causaldisc.runner.cell import run as run_one
from causaldisc.runner.compose import Cell, cells
from causaldisc.runner.launchers import launchers
from causaldisc.runner.report import report
from causaldisc.runner.store import Store, content_of
from causaldisc.runner.sync import tracker_sync

__all__ = ["Result", "report", "run", "tracker_sync"]

logger = logging.getLogger(__name__)

NOT_RUN = "not run yet"
# Ends that are no failure of a sweep: done, or left out for a stated reason.
_FINE = ("ok", "skipped")


@dataclass(frozen=True, eq=False)
class Result(Sequence[Outcome]):
    """The outcomes of an experiment, one a cell, in the order of its cells.

    Attributes
    ----------
    cells : what was asked for.
    outcomes : what became of it; a cell that was not run has the status ``skipped``.
    computed : how many of them were computed now, and not taken from the store.
    multirun, status : whether it is a sweep, and whether only its state was asked for.
    graph_path : where the graph of a single run lies.
    """

    cells: tuple[Cell, ...]
    outcomes: tuple[Outcome, ...]
    computed: int = 0
    multirun: bool = False
    status: bool = False
    graph_path: Path | None = None

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        """Return outcomes by position."""
        return self.outcomes[index]

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.outcomes)

    @property
    def failed(self) -> tuple[tuple[Cell, Outcome], ...]:
        """Cells that failed, each with its outcome."""
        return tuple((c, o) for c, o in zip(self.cells, self.outcomes, strict=True) if o.status not in _FINE)

    @property
    def complaint(self) -> str:
        """Why a single run has no graph, in one line; empty when it has one, and for sweeps."""
        if self.multirun or self.status or self.outcomes[0].is_ok:
            return ""
        return f"{self.outcomes[0].status}: {self.outcomes[0].error}"

    @property
    def exit_status(self) -> int:
        """0 when nothing failed, 1 when a cell did; 2 when the input of a single run does not allow it."""
        if self.complaint:
            return 2 if self.outcomes[0].status in ("invalid_input", "skipped") else 1
        return 1 if self.failed and not self.status else 0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: every cell with its overrides, status and metrics."""
        rows = [
            {"key": o.key, "overrides": list(c.overrides), "status": o.status, "error": o.error, "metrics": dict(o.metrics)}
            for c, o in zip(self.cells, self.outcomes, strict=True)
        ]
        return {"cells": rows, "computed": self.computed, "failed": len(self.failed), "graph": self.graph_path}


def run(
    overrides: Sequence[str] = (),
    *,
    multirun: bool = False,
    resume: bool = False,
    status: bool = False,
    config_dir: str | Path | None = None,
) -> Result:
    """Run one experiment, or a sweep, in the working directory.

    Parameters
    ----------
    overrides, multirun, config_dir : as for :func:`causaldisc.runner.compose.cells`.
    resume : run only the cells without a good outcome, and refuse settings of ``cache`` that would do otherwise.
    status : run nothing; a cell without an outcome is reported as ``skipped``.

    Returns
    -------
    Result : a sequence of outcomes. Failures are outcomes too.

    Raises
    ------
    InputError : overrides that do not compose; ``cache=strict`` with a cell that is not stored.
    KeyboardInterrupt : interrupted; the cells that finished are stored.
    """
    found = cells(overrides, multirun=multirun, config_dir=config_dir)
    store, shared = Store(), found[0].config
    if resume and shared["cache"] != "default":
        raise InputError(f"cache must be left at default with --resume, got {shared['cache']}")
    stored = {cell.key: store.load(cell.key) for cell in found}
    todo = [] if status else _todo(found, stored, shared["cache"])
    computed = _compute(todo, store, shared["launcher"], _wants_picture(shared, multirun)) if todo else {}
    finished = {**{k: o for k, o in stored.items() if o is not None}, **computed}
    outcomes = tuple(finished.get(c.key) or Outcome(c.key, "skipped", content_of(c.config), error=NOT_RUN) for c in found)
    path = None if multirun or status else _write_graph(store, outcomes[0])
    if not status:
        _mirror(shared["tracker"], [o for o in outcomes if o.key in finished], " ".join(overrides) if multirun else None)
    return Result(tuple(found), outcomes, len(computed), multirun, status, path)


def execute(config: dict[str, Any], store: Store, picture: bool) -> Outcome:
    """Run one cell and store its outcome, and beside it the picture if one is wanted: all that a launcher sends away."""
    done = run_one(config)
    store.save(done.outcome)
    if picture and done.graph is not None and done.dataset is not None:
        write_bytes(store.folder(done.outcome.key) / "graph.png", _picture(config, done.graph, done.dataset))
    return done.outcome


def _picture(config: dict[str, Any], graph: CausalGraph, dataset: Dataset) -> bytes:
    """Draw a graph on the level on which its truth is known."""
    from causaldisc.drawing import graph_against_truth

    title = f"{config['algorithm']['name']} on {config['source']['name']}, seed {config['seed']}"
    if dataset.truth is None and "merged" in dataset.services:
        return graph_against_truth(graph.services()["merged"], dataset.services["merged"], f"{title}, services")
    return graph_against_truth(graph, dataset.truth, title)


def _todo(found: Sequence[Cell], stored: dict[str, Outcome | None], cache: str) -> list[Cell]:
    """The cells to compute."""
    missing = [cell for cell in found if stored[cell.key] is None]
    if cache == "strict" and missing:
        command = " ".join(missing[0].overrides)
        raise InputError(f"cache=strict needs every cell in outcomes/, got {len(missing)} missing, the first: {command}")
    if cache in ("only", "strict"):
        return []
    return [cell for cell in found if cache == "ignore" or not _is_good(stored[cell.key])]


def _is_good(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.is_ok


def _wants_picture(config: Any, multirun: bool) -> bool:
    return not multirun if config["picture"] is None else config["picture"]


def _compute(todo: Sequence[Cell], store: Store, launcher: dict[str, Any], picture: bool) -> dict[str, Outcome]:
    """Run cells and return their outcomes by key; an interrupt stops what is under way and keeps what is finished."""
    plugin = launchers.build(launcher["name"], {k: v for k, v in launcher.items() if k != "name"})
    computed: dict[str, Outcome] = {}
    work = partial(execute, store=store, picture=picture)
    try:
        for outcome in _with_progress(plugin.launch(work, [dict(cell.config) for cell in todo]), len(todo)):
            computed[outcome.key] = outcome
    except KeyboardInterrupt:
        # Asked of the store: a worker may have finished a cell that has not been heard of here.
        done = sum(_is_good(store.load(cell.key)) for cell in todo)
        raise KeyboardInterrupt(f"interrupted with {done} of {len(todo)} cells done; --resume runs the rest") from None
    return computed


def _with_progress(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    """A bar on stderr, where that is a terminal and there is more than one cell to wait for."""
    from tqdm import tqdm

    failed = 0
    with tqdm(total=total, unit="cell", file=sys.stderr, disable=total == 1 or not sys.stderr.isatty(), leave=False) as bar:
        for outcome in outcomes:
            failed += outcome.status not in _FINE
            bar.set_postfix(failed=failed)
            bar.update()
            yield outcome


def _write_graph(store: Store, outcome: Outcome) -> Path | None:
    """Put the graph of a single run beside its outcome, as a file that other commands read."""
    if outcome.graph is None:
        return None
    return write_json(store.folder(outcome.key) / "graph.json", outcome.graph)


def _mirror(tracker: dict[str, Any], outcomes: Sequence[Outcome], sweep: str | None) -> None:
    """Mirror outcomes into the tracker; they are safe in the store whatever it does."""
    if not outcomes:
        return
    try:
        trackers.build(tracker["name"], {k: v for k, v in tracker.items() if k != "name"}).log(outcomes, sweep)
    except Exception as error:
        logger.debug("tracker failed", exc_info=True)
        told = " ".join(str(error).split())[:300]
        logger.warning("tracker %s failed, outcomes are kept (causaldisc tracker sync): %s", tracker["name"], told)
