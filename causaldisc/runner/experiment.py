"""An experiment: its cells, what of them is stored already, and the rest run, stored and mirrored."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from causaldisc.core.errors import InputError
from causaldisc.core.files import write_json
from causaldisc.core.lazily import Lazily
from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import trackers
from causaldisc.runner.compose import Cell, cells
from causaldisc.runner.config import share_of
from causaldisc.runner.execution import ELSEWHERE, Summary
from causaldisc.runner.launching import launched
from causaldisc.runner.pool import Pool
from causaldisc.runner.progress import Progress
from causaldisc.runner.report import report
from causaldisc.runner.store import Store, content_of
from causaldisc.runner.sync import tracker_sync

if TYPE_CHECKING:
    from causaldisc.runner.search.study import Study

__all__ = ["Result", "report", "run", "tracker_sync"]

logger = logging.getLogger(__name__)

NOT_RUN = "not run yet"
# Ends that are no failure of a sweep: done, or left out for a stated reason.
_FINE = ("ok", "skipped")


@dataclass(frozen=True, eq=False)
class Result(Sequence[Outcome]):
    """The outcomes of an experiment, one a cell, in the order of its cells; read from the store when they are asked for.

    Attributes
    ----------
    cells : what was asked for.
    summaries : what became of it; a cell that was not run has the status ``skipped`` and is not stored.
    store : where the outcomes lie.
    multirun, status : whether it is a sweep, and whether only its state was asked for.
    graph_path : where the graph of a single run lies.
    studies : the searches of hyper-parameters, one a setting; the cells hold what they chose.
    """

    cells: tuple[Cell, ...]
    summaries: tuple[Summary, ...]
    store: Store
    multirun: bool = False
    status: bool = False
    graph_path: Path | None = None
    studies: tuple[Study, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        """Return outcomes by position."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        cell, summary = self.cells[index], self.summaries[index]
        stored = self.store.load(cell.key) if summary.stored else None
        return stored or Outcome(cell.key, summary.status, content_of(cell.config), error=summary.error)

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.cells)

    @property
    def computed(self) -> int:
        """How many cells were computed now, and not taken from the store."""
        return sum(summary.computed for summary in self.summaries)

    @cached_property
    def figures(self) -> tuple[Outcome, ...]:
        """The outcomes without their graphs and reports: of a large sweep, those are better read one by one."""
        return tuple(replace(o, graph=None, certificate=None, report={}, trials=()) for o in self)

    @property
    def failed(self) -> tuple[tuple[Cell, Summary], ...]:
        """Cells that failed, each with what became of it."""
        return tuple((c, s) for c, s in zip(self.cells, self.summaries, strict=True) if s.status not in _FINE)

    @property
    def complaint(self) -> str:
        """Why a single run has no graph, in one line; empty when it has one, and for sweeps."""
        if self.multirun or self.status or self.summaries[0].status == "ok":
            return ""
        return f"{self.summaries[0].status}: {self.summaries[0].error}"

    @property
    def exit_status(self) -> int:
        """0 when nothing failed, 1 when a cell did; 2 when the input of a single run does not allow it."""
        if self.complaint:
            return 2 if self.summaries[0].status in ("invalid_input", "skipped") else 1
        return 1 if self.failed and not self.status else 0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: every cell with its overrides, status and metrics."""
        rows = [
            {"key": o.key, "overrides": list(c.overrides), "status": o.status, "error": o.error, "metrics": dict(o.metrics)}
            for c, o in zip(self.cells, self.figures, strict=True)
        ]
        found = {"cells": rows, "computed": self.computed, "failed": len(self.failed), "graph": self.graph_path}
        if self.studies:
            from causaldisc.runner.search.record import record_of

            found["searches"] = [record_of(study) for study in self.studies]
        return found


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
    status : run nothing; a cell without an outcome is reported as ``skipped``, and so is one whose search has not ended.

    Returns
    -------
    Result : a sequence of outcomes. Failures are outcomes too.

    Raises
    ------
    InputError : overrides that do not compose; ``cache=strict`` with a cell that is not stored.
    KeyboardInterrupt : interrupted; the cells that finished are stored.
    """
    found = cells(overrides, multirun=multirun, config_dir=config_dir)
    shared, store = found[0].config, Store()
    if resume and shared["cache"] != "default":
        raise InputError(f"cache must be left at default with --resume, got {shared['cache']}")
    share = _share(shared, multirun)
    studies: tuple[Study, ...] = ()
    waiting: dict[str, Summary] = {}
    if shared["search"]["name"] == "none":
        found = [cell for cell in found if _is_ours(cell.key, share)]
    else:
        from causaldisc.runner.search.choice import chosen_cells

        studies = _search(found, share, store, status)
        found, waiting = chosen_cells(found, studies)
    if not found:
        return Result((), (), store, multirun, status)
    ready = [cell for cell in found if cell.key not in waiting]
    known = {cell.key: _known(store, cell.key, status) for cell in ready}
    todo = [] if status else _todo(ready, known, shared["cache"])
    known |= (_compute(todo, store, multirun) if todo else {}) | waiting
    for cell in ready if resume else ():  # by now whoever was killed with a claim in hand is long gone
        store.tidy(cell.key)
    result = Result(tuple(found), tuple(known[cell.key] for cell in found), store, multirun, status, studies=studies)
    if status:
        return result
    _mirror(shared["tracker"], result, " ".join(overrides) if multirun else None)
    return result if multirun else replace(result, graph_path=_write_graph(store, result[0]))


def _share(shared: Mapping[str, Any], multirun: bool) -> tuple[int, int] | None:
    """The shard of this machine."""
    share = share_of(shared["shard"])
    if share is not None and not multirun:
        raise InputError(f"shard must be given with -m, since one run is not shared out, got shard={shared['shard']}")
    return share


def _is_ours(key: str, share: tuple[int, int] | None) -> bool:
    """Whether a content address belongs to a shard: to one and no other, so no two machines share any."""
    return share is None or int(key, 16) % share[1] == share[0] - 1


def _search(found: Sequence[Cell], share: tuple[int, int] | None, store: Store, status: bool) -> tuple[Study, ...]:
    """Search the parameters of every setting; a setting is tuned and scored on one machine."""
    from causaldisc.runner.search.setting import settings_of
    from causaldisc.runner.search.tuning import tune

    settings = [setting for setting in settings_of(found) if _is_ours(setting.digest, share)]
    return tuple(tune(settings, store, found[0].config["cache"], status))


def _known(store: Store, key: str, ask_for_holder: bool = False) -> Summary:
    """What is known of a cell before anything is run."""
    outcome = store.load(key)
    if ask_for_holder and (outcome is None or not outcome.is_ok) and store.is_running(key):
        return Summary(key, "skipped", ELSEWHERE, computed=False, stored=False)
    if outcome is None:
        return Summary(key, "skipped", NOT_RUN, computed=False, stored=False)
    return Summary.of(outcome, computed=False)


def _todo(found: Sequence[Cell], known: Mapping[str, Summary], cache: str) -> list[Cell]:
    """The cells to compute."""
    missing = [cell for cell in found if not known[cell.key].stored]
    if cache == "strict" and missing:
        command = " ".join(missing[0].overrides)
        raise InputError(f"cache=strict needs every cell in outcomes/, got {len(missing)} missing, the first: {command}")
    if cache in ("only", "strict"):
        return []
    return [cell for cell in found if cache == "ignore" or known[cell.key].status != "ok"]


def _compute(todo: Sequence[Cell], store: Store, multirun: bool) -> dict[str, Summary]:
    """Run cells and return what became of them by key; an interrupt stops what is under way and keeps what is finished."""
    shared = todo[0].config
    picture = not multirun if shared["picture"] is None else shared["picture"]
    computed: dict[str, Summary] = {}
    try:
        with (
            Pool(store, picture, again=shared["cache"] == "ignore") as pool,
            Progress(len(todo), lambda: pool.running) as progress,
        ):
            for summary in launched(todo, store, pool, picture):
                computed[summary.key] = summary
                progress.count(failed=summary.status not in _FINE)
    except KeyboardInterrupt:
        # Asked of the store: a child may have finished a cell that has not been heard of here.
        done = sum(_known(store, cell.key).status == "ok" for cell in todo)
        raise KeyboardInterrupt(f"interrupted with {done} of {len(todo)} cells done; --resume runs the rest") from None
    return computed


def _write_graph(store: Store, outcome: Outcome) -> Path | None:
    """Put the graph of a single run beside its outcome, as a file that other commands read."""
    if outcome.graph is None:
        return None
    return write_json(store.folder(outcome.key) / "graph.json", outcome.graph)


def _mirror(tracker: Mapping[str, Any], result: Result, sweep: str | None) -> None:
    """Mirror the outcomes that are stored into the tracker; they are safe whatever it does."""
    there = [k for k, summary in enumerate(result.summaries) if summary.stored]
    if not there:
        return
    outcomes = Lazily([partial(result.__getitem__, k) for k in there])
    try:
        trackers.build(tracker["name"], {k: v for k, v in tracker.items() if k != "name"}).log(outcomes, sweep)
    except Exception as error:
        logger.debug("tracker failed", exc_info=True)
        told = " ".join(str(error).split())[:300]
        logger.warning("tracker %s failed, outcomes are kept (causaldisc tracker sync): %s", tracker["name"], told)
