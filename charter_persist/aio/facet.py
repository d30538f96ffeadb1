"""What every generated class stands on: something of the sync package, used through hops into a thread.

Cost: a hop for each call, and for each chunk of an iteration. A chunk has at most `CHUNK_ITEMS` items and takes little
longer than `CHUNK_S`, so memory is bounded where items are large, too.

Imports nothing of the package. Source: DESIGN 6.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, Protocol, TypeVar

K = TypeVar("K")
S = TypeVar("S")
T = TypeVar("T")

CHUNK_ITEMS: Final = 256
CHUNK_S: Final = 0.005


class Hop(Protocol):
    """Makes a call in a thread and waits for it."""

    async def __call__(self, call: Callable[[], T], /) -> T:
        """What the call returned."""
        ...


class Facet:
    """The asynchronous face of one sync object.

    In its methods ``kind`` is the class of that object and serves type checkers alone.

    Args:
        hop: makes its calls.
        find: gives the object; called in a thread.
        write: makes the calls that take the writer lock by themselves, where there are any.
    """

    def __init__(self, hop: Hop, find: Callable[[], Any], write: Hop | None = None) -> None:
        self._hop = hop
        self._find = find
        self._write_hop = write or hop

    async def _do(self, kind: type[K], call: Callable[[K], T]) -> T:
        """Make a call on the object."""
        return await self._hop(lambda: call(self._find()))

    async def _write(self, kind: type[K], call: Callable[[K], T]) -> T:
        """Make a call on the object that takes the writer lock by itself."""
        return await self._write_hop(lambda: call(self._find()))

    def _each(self, kind: type[K], call: Callable[[K], Iterator[T]]) -> AsyncIterator[T]:
        """Iterate over what a call on the object gives."""
        return Chunks(self._hop, lambda: call(self._find()))

    def _look(self, kind: type[K], call: Callable[[K], T]) -> T:
        """Take a fact from the object that is in memory."""
        return call(self._find())

    def _part(self, kind: type[K], call: Callable[[K], S]) -> Callable[[], S]:
        """How to find a part of the object; it is looked for once, when it is first used."""
        found: list[S] = []

        def find() -> S:
            if not found:
                found.append(call(self._find()))
            return found[0]

        return find


class Chunks(AsyncIterator[T]):
    """A sync iterator, iterated in threads by chunks; it is begun when the first item is asked for.

    It may have read one chunk ahead of its reader. A cancelled call loses nothing.
    """

    def __init__(self, hop: Hop, start: Callable[[], Iterator[T]]) -> None:
        self._hop = hop
        self._start = start
        self._items: Iterator[T] | None = None
        self._ready: deque[T] = deque()
        self._error: Exception | None = None
        self._ended = False

    async def __anext__(self) -> T:
        """The next item.

        Raises:
            StopAsyncIteration: there is none.
        """
        if not (self._ready or self._ended):
            await self._hop(self._fetch)
        if self._ready:
            return self._ready.popleft()
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration

    def _fetch(self) -> None:
        """Read a chunk; what goes wrong in it is raised behind the items before it."""
        until = time.monotonic() + CHUNK_S
        try:
            if self._items is None:
                self._items = self._start()
            for item in self._items:
                self._ready.append(item)
                if len(self._ready) >= CHUNK_ITEMS or time.monotonic() > until:
                    return
        except Exception as exc:
            self._error = exc
        self._ended = True
