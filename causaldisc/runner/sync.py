"""The mirror made anew from the record."""

from __future__ import annotations

from pathlib import Path

from causaldisc.core.errors import InputError
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
    outcomes = list(Store(Path(root)))
    if not outcomes:
        raise InputError(f"{root}: must be a store of outcomes (<key>/outcome.json), got none")
    settings = {"outcomes": str(root), **({} if uri is None else {"uri": uri})}
    trackers.build(tracker, settings).log(outcomes, None)
    return len(outcomes)
