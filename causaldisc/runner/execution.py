"""One cell run and stored: what a child does for a sweep, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from causaldisc.core.dataset import Dataset
from causaldisc.core.files import write_bytes
from causaldisc.core.graph import CausalGraph
from causaldisc.core.outcome import Outcome
from causaldisc.runner.cell import Identity, run
from causaldisc.runner.children import Template
from causaldisc.runner.store import Store

ELSEWHERE = "runs elsewhere at this moment"


class Summary(NamedTuple):
    """What a sweep is told of a cell; the outcome itself lies in the store.

    ``computed`` says whether it was computed now, and ``stored`` whether it could be written down.
    """

    key: str
    status: str
    error: str = ""
    computed: bool = True
    stored: bool = True

    @classmethod
    def of(cls, outcome: Outcome, computed: bool = True) -> Summary:
        """Sum up an outcome."""
        return cls(outcome.key, outcome.status, outcome.error, computed)


def execute(
    identity: Identity,
    config: Mapping[str, Any],
    root: Path,
    picture: bool = False,
    template: str | None = None,
    again: bool = True,
) -> Summary:
    """Run one cell unless somebody else does, store its outcome, and beside it the picture if one is wanted.

    Parameters
    ----------
    identity, config : of the cell.
    root : the store.
    template : address of the template to fork the discovery from; None = one of its own.
    again : compute even if a good outcome is there by now.

    Raises
    ------
    InputError : the store cannot be written.
    """
    store, key = Store(root), identity.key
    with store.claim(key) as mine:
        if not mine:
            return Summary(key, "skipped", ELSEWHERE, computed=False, stored=False)
        known = None if again else store.load(key)
        if known is not None and known.is_ok:
            return Summary.of(known, computed=False)
        done = run(config, None if template is None else Template(template), identity)
        store.save(done.outcome)
        if picture and done.graph is not None and done.dataset is not None:
            write_bytes(store.folder(key) / "graph.png", _picture(config, done.graph, done.dataset))
    return Summary.of(done.outcome)


def _picture(config: Mapping[str, Any], graph: CausalGraph, dataset: Dataset) -> bytes:
    """Draw a graph on the level on which its truth is known."""
    from causaldisc.drawing import graph_against_truth

    title = f"{config['algorithm']['name']} on {config['source']['name']}, seed {config['seed']}"
    if dataset.truth is None and "merged" in dataset.services:
        return graph_against_truth(graph.services()["merged"], dataset.services["merged"], f"{title}, services")
    return graph_against_truth(graph, dataset.truth, title)
