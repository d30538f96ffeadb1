"""The one index of a store handle, shared by its threads.

It is built at the first question, and brought to the position of whoever asks; other processes write too, and the
journal tells. It is dropped when that fails, so that nobody sees half of it. Cost of a question at the head: one row.

Imports ``backends.contract`` and the modules of ``index``. Source: IDX-9, IDX-10, IDX-14, RELIABILITY P31.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from charter_persist.backends.contract import Reader
from charter_persist.index.follow import follow
from charter_persist.index.index import Index
from charter_persist.index.rebuild import rebuild
from charter_persist.index.stored import last_position


class LiveIndex:
    """Answers as of the position of a reader, from memory.

    Attributes:
        lock: held while answers are read; reentrant. Open a view under it to be sure that the index is not ahead of it.
            It is taken after the writer lock: whoever holds it must not begin a unit of work.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._index: Index | None = None

    @contextmanager
    def at(self, reader: Reader) -> Iterator[Index]:
        """Give the index as of a reader's last journal position; ask it inside the block only.

        A reader that is behind what others have asked for gets an index of its own, which costs a rebuild: a view that
        is opened under ``lock`` is never behind, nor is a transaction, which holds the writer lock.

        Args:
            reader: of committed state: a view's, or a transaction's that has written nothing. What a unit of work has
                not committed must not come in, for it may be rolled back.

        Raises:
            IntegrityError: the journal names an object that is not stored.
            BackendError: the database could not be read.

        Spec: IDX-10, IDX-14
        """
        with self.lock:
            index = self._index
            if index is not None and last_position(reader) < index.position:
                yield rebuild(reader)
            else:
                yield self._brought_to(reader)

    def drop(self) -> None:
        """Forget the index; the next question builds a new one. It is as if the process had started again."""
        with self.lock:
            self._index = None

    def _brought_to(self, reader: Reader) -> Index:
        """The index at the reader's position; while it moves it belongs to nobody, so a failure loses it."""
        index, self._index = self._index, None
        if index is None:
            index = rebuild(reader)
        else:
            follow(index, reader)
        self._index = index
        return index
