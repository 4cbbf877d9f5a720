"""Edge: two ends with typed marks, a lag, evidence and validation state."""

from __future__ import annotations

from dataclasses import dataclass

MARKS = ("tail", "arrow", "circle")
VALIDATION_STATES = ("untested", "confirmed", "refuted")


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge; ``source → target`` is cause → effect, ``lag`` in steps.

    Marks are ``tail``, ``arrow`` or ``circle``: tail–arrow is a direct cause, tail–tail an undirected edge of a CPDAG,
    arrow–arrow a hidden common cause, or (``conflict``) a collider that the data contradict. In a PAG an arrowhead says that
    its end is no cause of the other, directly or through others, a tail that it is one, and a circle leaves that open.
    ``strength`` is the algorithm's own effect size and ``p_value`` that of its last test. ``confidence`` is the probability of
    the adjacency, and ``orientation_confidence`` that of the direction, given the adjacency; None where the marks leave it open.

    >>> Edge("cart:latency", "frontend:latency").is_directed
    True
    """

    source: str
    target: str
    lag: int = 0
    source_mark: str = "tail"
    target_mark: str = "arrow"
    conflict: bool = False
    strength: float | None = None
    confidence: float | None = None
    p_value: float | None = None
    evidence: tuple[str, ...] = ("data",)
    validation: str = "untested"
    orientation_confidence: float | None = None

    @property
    def is_directed(self) -> bool:
        """Whether the edge says cause → effect."""
        return self.source_mark == "tail" and self.target_mark == "arrow"

    @property
    def is_undirected(self) -> bool:
        """Whether both marks are tails."""
        return self.source_mark == "tail" and self.target_mark == "tail"

    @property
    def directions(self) -> tuple[tuple[str, str], ...]:
        """The (cause, effect) pairs that the edge sets in an adjacency matrix: one where one end alone has an arrowhead.

        >>> Edge("a", "b", source_mark="circle").directions, len(Edge("a", "b", source_mark="arrow").directions)
        ((('a', 'b'),), 2)
        """
        ends = (self.source, self.target), (self.target, self.source)
        if (self.source_mark == "arrow") == (self.target_mark == "arrow"):
            return ends
        return ends[:1] if self.target_mark == "arrow" else ends[1:]

    @property
    def causal_directions(self) -> tuple[tuple[str, str], ...]:
        """The (cause, effect) pairs that the marks leave possible: as ``directions``, but none of a hidden common cause.

        >>> Edge("a", "b", source_mark="arrow").causal_directions
        ()
        """
        hidden = self.source_mark == "arrow" and self.target_mark == "arrow" and not self.conflict
        return () if hidden else self.directions
