"""The parameters of a search: its budget, the seeds that it may look at, and what it is to improve."""

from __future__ import annotations

from dataclasses import dataclass, replace

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import metrics

# Smaller is better.
_DISTANCES = ("shd", "sid", "ancestor_aid", "oset_aid", "edges_refuted")
# Facts about a graph or its truth, with no better and worse.
_NEITHER = ("n_edges", "prevalence", "edges_untested")
_VERDICTS = ("edges_confirmed", "edges_refuted")


@dataclass(frozen=True)
class Optuna:
    """A search by Optuna.

    >>> Optuna(metric="shd").settled().direction
    'minimize'
    """

    budget: int = parameter(20, "trials for each algorithm and setting; the first is the defaults", low=1)
    seeds: tuple[int, ...] = parameter((1000, 1001, 1002), "tuning seeds, none of which may be scored")
    metric: str = parameter("directed_f1", "its mean over the tuning seeds is what counts")
    direction: str | None = parameter(None, "null: as the metric is meant", choices=("maximize", "minimize"))
    sampler_seed: int = parameter(0, "seed of the sampler of trials", low=0)

    def __post_init__(self) -> None:
        """Refuse seeds that are no seeds, and metrics that do not exist."""
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            given = list(self.seeds)
            raise InputError(
                f"search.seeds must be different whole numbers >= 0, at least one, got {given}; valid: [100,101,102]"
            )
        if self.direction is None and self._bare() not in (known := _metrics()):
            raise InputError(f"search.metric must be a known metric, got {self.metric!r}; {did_you_mean(self._bare(), known)}")

    def settled(self) -> Optuna:
        """Return the same with the direction that the metric has."""
        return replace(self, direction=self.direction or ("minimize" if self._bare() in _DISTANCES else "maximize"))

    def _bare(self) -> str:
        """The metric without the level it is on: ``service_latency_shd`` is ``shd``."""
        return self.metric.split("_", 2)[-1] if self.metric.startswith("service_") else self.metric


def _metrics() -> list[str]:
    """Every metric that has a better and a worse."""
    keys = [key for name in metrics.names() for key in metrics.get(name).keys]
    return [key for key in (*keys, *_VERDICTS) if key not in _NEITHER]
