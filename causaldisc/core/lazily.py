"""Collections whose members are made when they are asked for: long ones need not fit into memory, slow ones not be waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


class LazyMapping(Mapping[str, T]):
    """Calls the maker of a member the first time that it is asked for, and keeps what it made.

    >>> found = LazyMapping({"a": lambda: 6 * 7})
    >>> found["a"], list(found)
    (42, ['a'])
    """

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        """Hold the makers."""
        self._makers, self._made = dict(makers), dict[str, T]()

    def __getitem__(self, key: str) -> T:
        """Make a member, or give what was made before."""
        if key not in self._made:
            self._made[key] = self._makers[key]()
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        """Names of the members."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Count the members."""
        return len(self._makers)
