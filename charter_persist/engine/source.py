"""Where the engine gets its answers: an index that is brought to the head, or the objects themselves.

Imports ``index`` and ``unit_of_work``. Source: DESIGN 5, IDX-10 and IDX-14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from charter_persist.backends.contract import Reader
from charter_persist.index.live import LiveIndex
from charter_persist.index.lookups import Lookups
from charter_persist.index.scan import Scan
from charter_persist.unit_of_work import ReadView


class IndexSource:
    """Answers as of the revision that a reader shows."""

    def __init__(self, *, indexed: bool) -> None:
        self._live = LiveIndex() if indexed else None

    @contextmanager
    def reading(self, open_view: Callable[[], ReadView]) -> Iterator[tuple[ReadView, Lookups]]:
        """A view, and answers as of its revision; it is opened under the lock of the index, so it is never behind."""
        if self._live is None:
            with open_view() as view:
                yield view, Scan(view.reader)
            return
        with self._live.lock, open_view() as view, self._live.at(view.reader) as lookups:
            yield view, lookups

    @contextmanager
    def writing(self, reader: Reader) -> Iterator[Lookups]:
        """Answers as of the state under the writer lock, before this unit changed anything."""
        if self._live is None:
            yield Scan(reader)
            return
        with self._live.at(reader) as lookups:
            yield lookups
