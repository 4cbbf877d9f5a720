"""Tuning: the trials of all studies, round by round, as cells like any others in a store of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from causaldisc.core.errors import InputError
from causaldisc.core.outcome import Outcome
from causaldisc.runner.compose import Cell
from causaldisc.runner.launching import launched
from causaldisc.runner.pool import Pool
from causaldisc.runner.progress import Progress
from causaldisc.runner.search.record import write_record
from causaldisc.runner.search.setting import Setting
from causaldisc.runner.search.study import Study, Trial
from causaldisc.runner.store import Store

logger = logging.getLogger(__name__)

# Below the store of what is scored, and out of sight of the leaderboard and the tracker.
FOLDER = "tuning"
# Ends of a cell that say something of its parameters, so that a search need not ask again; a crash may have other causes.
_ANSWERS = ("ok", "timeout", "out_of_memory", "prior_violated", "invalid_input")
# Settings of the cache under which nothing is run.
_IDLE = ("only", "strict")


def tune(settings: Sequence[Setting], scored: Store, cache: str, status: bool = False) -> list[Study]:
    """Search the parameters of every setting, and write down what was tried and chosen.

    Trials of all settings are run side by side, those of one setting in their order: what a launcher does changes nothing.

    Parameters
    ----------
    settings : what to tune.
    scored : the store of the cells to score; tuning cells go to ``tuning/`` below it, the records beside them.
    cache : as in a configuration.
    status : run nothing, and go as far as the stored cells lead.

    Raises
    ------
    InputError : ``cache=strict`` with a tuning cell that is not stored; Optuna is missing.
    KeyboardInterrupt : interrupted; the cells that finished are stored.
    """
    studies = [Study(setting) for setting in settings]
    total = sum(study.budget * len(study.setting.options.seeds) for study in studies)
    store = Store(scored.root / FOLDER)
    with Pool(store, again=cache == "ignore") as pool, Progress(total, lambda: pool.running) as progress:
        rounds = _Rounds(store, pool, progress, "only" if status else cache)
        try:
            while asked := [(study, trials) for study in studies if (trials := study.ask())]:
                found = rounds.run([trial for _, trials in asked for trial in trials])
                for study, trials in asked:
                    study.tell(trials, [[found.get(cell.key) for cell in trial.cells] for trial in trials])
        except KeyboardInterrupt:
            done = f"{len(rounds)} cells of the search done"
            raise KeyboardInterrupt(f"interrupted with {done}; --resume goes on from there") from None
    for study in studies:
        _conclude(study, scored, status)
    return studies


class _Rounds:
    """Runs the cells of trials, each at most once."""

    def __init__(self, store: Store, pool: Pool, progress: Progress, cache: str) -> None:
        self._store, self._pool, self._progress, self._cache = store, pool, progress, cache
        self._known: dict[str, Outcome] = {}

    def __len__(self) -> int:
        return len(self._known)

    def run(self, trials: Sequence[Trial]) -> Mapping[str, Outcome]:
        """Return the outcomes by key; those that could not be had are missing."""
        cells = [cell for trial in trials for cell in trial.cells]
        todo = {cell.key: cell for cell in cells if not self._is_known(cell)}
        for _ in range(len(cells) - len(todo)):
            self._progress.count(failed=False)
        if todo and self._cache not in _IDLE:
            for summary in launched(list(todo.values()), self._store, self._pool):
                self._progress.count(failed=summary.status != "ok")
                outcome = self._load(summary.key) if summary.stored else None
                if outcome is not None:
                    self._known[summary.key] = outcome
        return self._known

    def _is_known(self, cell: Cell) -> bool:
        if cell.key not in self._known and self._cache != "ignore":
            stored = self._load(cell.key)
            if stored is not None and (stored.status in _ANSWERS or self._cache in _IDLE):
                self._known[cell.key] = stored
        if cell.key not in self._known and self._cache == "strict":
            raise InputError(f"cache=strict needs every cell in {self._store.root}, got one missing: {' '.join(cell.overrides)}")
        return cell.key in self._known

    def _load(self, key: str) -> Outcome | None:
        """A stored outcome without its graph, since there may be many."""
        outcome = self._store.load(key)
        return None if outcome is None else replace(outcome, graph=None, certificate=None, report={}, trials=())


def _conclude(study: Study, scored: Store, status: bool) -> None:
    """Write a finished search down, and warn of one that found nothing."""
    if status or study.unfinished or not study.trials:
        return
    write_record(study, scored.root)
    if study.best is None:
        where = f"{study.setting.algorithm} on {study.setting.config['source']['name']}"
        first = study.trials[0].error[:200]
        logger.warning("all %d trials of %s failed, so its defaults are scored; the first: %s", len(study.trials), where, first)
