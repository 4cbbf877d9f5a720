"""Tapes: what each state of a run did, so that another run can be told to see the same.

Calls look at states as they meet them, and carry along which they met since they reached their service; whoever then updates a
state knows from the call which others that update looked at. A set of states is a whole number with one bit a state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from causaldisc.sources._system.mechanisms import State


@dataclass(slots=True)
class Tape:
    """What others can see of a state.

    ``calls``: by the key of a call (of a call and a stretch of work for ``cores``). Lines give (asked, given, rank): when a call
    came, when it had its turn (infinity = never, None = refused), and the rank of that moment among all; ``latency`` gives (sent,
    answered, rank); ``errors`` and ``breaker`` whether the call failed or was stopped. ``seconds``: by second of control.
    ``arrivals`` of ``traffic``: (time, rank, key, operation, sent).
    """

    calls: dict[Any, Any] = field(default_factory=dict)
    seconds: dict[int, Any] = field(default_factory=dict)
    arrivals: list[tuple[float, int, int, int, float]] = field(default_factory=list)

    def of_call(self, key: Any) -> Any:
        """What a call meets; one that the tape does not know meets what some call of the tape met, always the same one."""
        found = self.calls.get(key)
        if found is not None or key in self.calls or not self.calls:
            return found
        number = key[0] if isinstance(key, tuple) else key
        return list(self.calls.values())[number % len(self.calls)]

    def due(self, key: Any, asked: float) -> tuple[Any, int]:
        """When a call that asks now gets its turn, and the rank of that moment; infinity = never, None = refused."""
        found = self.of_call(key)
        if found is None:
            return asked, 0
        then, given, rank = found
        if given is None or then == asked:
            return given, rank
        return asked + (given - then), rank


class Track:
    """A state in one run: what it did, whom its updates looked at, and the tape at which it is held."""

    __slots__ = ("bit", "calls", "held", "looked_at", "moves", "state", "tape")

    def __init__(self, state: State, number: int, held: Tape | None) -> None:
        """Start an empty track; ``number`` tells states apart."""
        self.state, self.bit, self.held = state, 1 << number, held
        self.tape, self.looked_at = Tape(), 0
        self.moves: list[tuple[Any, ...]] = []

    def looks_at(self, bits: int) -> None:
        """Note that an update of this state looked at others."""
        self.looked_at |= bits

    def see(self, by: Track) -> Track:
        """Give this track to the update of another state that looks at it."""
        by.looked_at |= self.bit
        return self

    def second(self, tick: int, value: Any) -> Any:
        """Note what the state is in a second of control; returns what others see of it."""
        self.tape.seconds[tick] = value
        return value if self.held is None else self.held.seconds.get(tick, value)

    def asks(self, key: Any, t: float) -> None:
        """Note that a call takes its place in a line."""
        self.tape.calls[key] = (t, math.inf, 0)
        self.moves.append((t, key, 1))

    def gets(self, key: Any, t: float) -> None:
        """Note that a call has its turn."""
        self.tape.calls[key] = (self.tape.calls[key][0], t, 0)
        self.moves.append((t, key, 2))

    def goes(self, key: Any, rank: int) -> None:
        """Note when, among all that happens at one instant, a call that had its turn goes on."""
        if key in self.tape.calls:
            self.tape.calls[key] = (*self.tape.calls[key][:2], rank)

    def refuses(self, key: Any, t: float) -> None:
        """Note that the line was full."""
        self.tape.calls[key] = (t, None, 0)
        self.moves.append((t, key, 3))

    def loses(self, key: Any, t: float) -> None:
        """Note that a call gives its place back."""
        self.moves.append((t, key, 0))

    def trajectory(self) -> tuple[Any, ...]:
        """All that the state did, in an order that does not depend on who was served first at one instant."""
        arrivals = [(t, key, op) for t, _, key, op, _ in self.tape.arrivals]
        return sorted(self.moves), sorted(arrivals), sorted(self.tape.seconds.items())


class Tracks:
    """The tracks of one run, by state."""

    def __init__(self, hold: Mapping[State, Tape]) -> None:
        """Take the tapes at which states are held."""
        self.hold, self.by_state = hold, {}
        self.rank = 0

    by_state: dict[State, Track]

    def of(self, role: str, name: str) -> Track:
        """The track of a state, started at the first call."""
        state = State(role, name)
        if state not in self.by_state:
            self.by_state[state] = Track(state, len(self.by_state), self.hold.get(state))
        return self.by_state[state]

    def next_rank(self) -> int:
        """Number the moments of a run."""
        self.rank += 1
        return self.rank

    def looked_at(self) -> set[tuple[State, State]]:
        """(source, target) of each read that the run did, a state's looks at itself apart."""
        tracks = self.by_state.values()
        return {(a.state, b.state) for b in tracks for a in tracks if b.looked_at & a.bit and a is not b}
