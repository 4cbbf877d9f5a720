"""What is timed: linear-Gaussian data of our sources, our engine, and the reference beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LAGGED = {"max_lag": 3}


@dataclass(frozen=True)
class Workload:
    """One size of one algorithm.

    Attributes
    ----------
    algorithm, reference : names for ``causaldisc.discover``.
    variables, rows : size of a data set.
    source : ``sem`` (independent rows) or ``var`` (a time series).
    degree : expected number of neighbours of a variable.
    parameters : of both competitors.
    quick : whether ``--quick`` runs it.
    slow : whether the reference is run only when ``--patience`` says how long to wait for it.
    """

    algorithm: str
    reference: str
    variables: int
    rows: int
    source: str = "sem"
    degree: int = 2
    parameters: dict[str, Any] = field(default_factory=dict)
    quick: bool = False
    slow: bool = False

    @property
    def name(self) -> str:
        """The name on the command line and in the file of runs."""
        return f"{self.algorithm}_d{self.variables}_n{self.rows}" + (f"_k{self.degree}" if self.degree != 2 else "")

    @property
    def competitors(self) -> tuple[str, str]:
        """Ours and the reference."""
        return self.algorithm, self.reference

    def settings(self) -> dict[str, Any]:
        """Parameters of the source."""
        return {"n_variables": self.variables, "n_samples": self.rows, "degree": float(self.degree)}


def _all() -> Iterator[Workload]:
    pc, ges = ("pc", "causallearn_pc"), ("ges", "causallearn_ges")
    for d, n in ((20, 1000), (50, 1000), (100, 1000), (200, 2000), (500, 2000), (2000, 2000)):
        yield Workload(*pc, d, n, quick=d <= 50, slow=d >= 500)
    yield Workload(*pc, 100, 1000, degree=4)
    for d, n in ((20, 1000), (50, 1000), (100, 2000), (200, 2000)):
        yield Workload(*ges, d, n, quick=d <= 20, slow=d >= 200)
    for d in (20, 50):
        yield Workload(*ges, d, 1000, degree=4)
    for name in ("pcmci", "pcmci_plus"):
        for d, n in ((10, 500), (20, 1000), (50, 1000), (100, 1000)):
            yield Workload(name, f"tigramite_{name}", d, n, source="var", parameters=LAGGED, quick=d <= 10)


WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in _all()}


def choose(quick: bool, only: str) -> list[Workload]:
    """Return the workloads of ``--quick`` and ``--only`` (comma-separated beginnings of names), in the order of the list.

    Raises
    ------
    ValueError : a beginning that fits no workload.
    """
    beginnings = [part.strip() for part in only.split(",") if part.strip()]
    for part in beginnings:
        if not any(name.startswith(part) for name in WORKLOADS):
            raise ValueError(f"--only must name workloads by how they begin, got {part!r}; valid: {', '.join(WORKLOADS)}")
    fits = tuple(beginnings) or ("",)
    return [w for name, w in WORKLOADS.items() if name.startswith(fits) and (w.quick or not quick)]
