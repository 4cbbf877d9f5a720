"""The mirror made anew from the record."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from causaldisc.core.errors import InputError
from causaldisc.core.lazily import Lazily
from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import trackers
from causaldisc.runner.store import Store


def tracker_sync(root: str | Path = "outcomes", uri: str | None = None, tracker: str = "mlflow") -> int:
    """Mirror every stored outcome that a tracker does not hold yet, and return how many there are in the store.

    Parameters
    ----------
    root : the store.
    uri : the tracker's own address; None = its default, in the working directory.

    Raises
    ------
    InputError : a store without outcomes.
    """
    store = Store(Path(root))
    readable = [outcome.key for outcome in store]
    outcomes = Lazily([partial(_load, store, key) for key in readable])
    if not outcomes:
        raise InputError(f"{root}: must be a store of outcomes (<key>/outcome.json), got none")
    settings = {"outcomes": str(root), **({} if uri is None else {"uri": uri})}
    trackers.build(tracker, settings).log(outcomes, None)
    return len(outcomes)


def _load(store: Store, key: str) -> Outcome:
    outcome = store.load(key)
    if outcome is None:
        raise InputError(f"{store.folder(key)}: must stay as it is while it is mirrored, got an outcome that is gone")
    return outcome
