"""Campaign: claims, trials and tests of one validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Planner
from causaldisc.validation._claims import Pair, claims, possible_parents, separable, still_open
from causaldisc.validation._effects import Effect, benjamini_hochberg, unjudged
from causaldisc.validation._trials import Trials

HOLDS = ("parents", "all", "none")


class Campaign:
    """The trials of one validation: what is still open, what was found, and what that decides.

    Parameters are those of :func:`causaldisc.validation.validate`; every claim is tested in one trial at most, so that the
    tests need no correction for looking twice.
    """

    def __init__(self, graph: CausalGraph, trials: Trials, alpha: float, delta: float, hold: str) -> None:
        """Gather the claims; those on a variable that cannot be set are closed at once."""
        self.graph, self.trials, self.alpha, self.delta, self.hold = graph, trials, alpha, delta, hold
        self.open = set(claims(graph))
        self.found: dict[Pair, tuple[int, Effect]] = {}
        self.spent: dict[str, int] = {}
        self._close_constant()

    def spend(self, budget: int, planner: Planner, rng: np.random.Generator) -> None:
        """Choose and run trials, one at a time, until the budget or the claims are used up."""
        from tqdm import tqdm

        with tqdm(total=budget, desc="trials", disable=None, leave=False) as progress:
            for left in range(budget, 0, -1):
                view = still_open(self.graph, self.verdicts())
                choices = planner.choose(view, dict(self.spent), left, rng) if self.open else []
                target = next((c for c in choices if any(i == c for i, _ in self.open)), None)
                if target is None:
                    break
                self._try(target)
                progress.update()

    def verdicts(self) -> dict[Pair, str]:
        """The state of every pair that needs no more trials."""
        return {(t["source"], t["target"]): t["verdict"] for t in self.tests()}

    def tests(self) -> list[dict[str, Any]]:
        """Every test, JSON-ready, with its q-values among all of them; ``trial`` counts in the record, the baseline being 0."""
        effects = [e for _, e in self.found.values()]
        present = benjamini_hochberg(np.array([e.p_value for e in effects]))
        absent = benjamini_hochberg(np.array([e.p_absence for e in effects]))
        return [
            {
                **{"source": pair[0], "target": pair[1], "trial": trial},
                **{"effect": e.estimate, "error": e.error, "blocks": e.blocks},
                **{"p_value": e.p_value, "q_value": float(q), "p_absence": e.p_absence, "q_absence": float(r)},
                "verdict": "confirmed" if q <= self.alpha else "refuted" if r <= self.alpha else "untested",
            }
            for (pair, (trial, e)), q, r in zip(self.found.items(), present, absent, strict=True)
        ]

    def _try(self, target: str) -> None:
        """Run one trial: choose which effects it can tell apart, and what to hold."""
        effects = sorted((j for i, j in self.open if i == target), key=self.graph.index.__getitem__)
        held: set[str] = set()
        if self.hold == "all":
            effects = effects[:1]
            held = {*self.graph.names} - {target, *effects}
        elif self.hold == "parents":
            effects = separable(self.graph, effects)
            held = set().union(*(possible_parents(self.graph, j) for j in effects)) - {target}
        ordered = sorted(held, key=self.graph.index.__getitem__)
        for j, found in self.trials.run(target, effects, ordered, self.delta).items():
            self.found[target, j] = (len(self.trials.record) - 1, found)
            self.open.discard((target, j))
        self.spent[target] = self.spent.get(target, 0) + 1

    def _close_constant(self) -> None:
        """A variable that does not vary by itself has no two settings: its claims cannot be tested."""
        for pair in sorted(self.open):
            if not self.trials.can_set(pair[0]):
                self.open.discard(pair)
                self.found[pair] = (0, unjudged(0))
