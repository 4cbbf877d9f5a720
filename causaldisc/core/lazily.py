"""A sequence whose members are made when they are asked for, so that a long one need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Lazily(Sequence[T]):
    """Calls the maker of a member each time that it is asked for.

    >>> squares = Lazily([lambda k=k: k * k for k in range(4)])
    >>> squares[3], list(squares[1:3])
    (9, [1, 4])
    """

    def __init__(self, makers: Sequence[Callable[[], T]]) -> None:
        """Hold the makers."""
        self._makers = makers

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        """Make one member, or return a slice that is as lazy."""
        if isinstance(index, slice):
            return Lazily(self._makers[index])
        return self._makers[index]()

    def __len__(self) -> int:
        """Count the members."""
        return len(self._makers)
