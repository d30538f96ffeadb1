"""What every repository works with: a reader in a view; a write set, the journal and the unit's data in a unit of work.

Source: DESIGN 1.1 to 1.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from charter_persist.backends.contract import Reader
from charter_persist.errors import CharterError, InvalidInputError, LimitExceededError, StoreClosedError, TimedOutError
from charter_persist.journal.entry import commitment
from charter_persist.journal.ledger import JournalWriter
from charter_persist.model.limits import Options
from charter_persist.model.time import to_micros
from charter_persist.repositories.contents import Contents
from charter_persist.repositories.write_set import WriteSet

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Sources:
    """Time, identifiers and nonces are data: given the same ones, any two ledger backends end with the same root.

    Attributes:
        clock: the time now, an aware datetime.
        new_id: a new identifier.
        nonce: 16 bytes nobody can guess.
        options: limits.
        contents: where the bytes of objects are.
    """

    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    nonce: Callable[[], bytes]
    options: Options
    contents: Contents = field(default_factory=Contents)


class ReadContext(Protocol):
    """What a repository of a ledger needs to read.

    Attributes:
        reader: of one snapshot, or of an open unit; the bytes of its objects may lie elsewhere.
        contents: where they are.
        options: limits.
        clock: the time now, an aware datetime.
    """

    reader: Reader
    contents: Contents
    options: Options
    clock: Callable[[], datetime]

    def revision(self) -> int:
        """That is read; inside a unit its own."""
        ...


class Context(Protocol):
    """What repositories are made over: a view or a unit, of a ledger or of a backend that has one store."""

    options: Options

    def open(self, store: str, make: Callable[[Any], R]) -> R:
        """Make the repository of a store, as a ledger makes it; a backend of one store has its own way.

        Raises:
            NotSupportedError: the backend does not offer that store.
        """
        ...


class UnitContext:
    """What every unit of work has, whatever it writes to: its time, its limits, and what is due when it ends."""

    def __init__(self, sources: Sources, deadline: float) -> None:
        self.sources = sources
        self.options = sources.options
        self.before_end: list[Callable[[], None]] = []
        self.failed: BaseException | None = None
        self.ended = False
        self._deadline = deadline
        self._now: int | None = None

    @property
    def now(self) -> int:
        """The time of this unit in microseconds since 1970 UTC; the clock is asked once."""
        if self._now is None:
            self._now = to_micros(self.sources.clock())
        return self._now

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What the block does belongs together: where it fails half-way, the unit can no longer commit."""
        try:
            yield
        except BaseException as exc:
            self.failed = exc
            raise

    def check_open(self) -> None:
        """Raise when the unit has ended.

        Raises:
            StoreClosedError: it has.
        """
        if self.ended:
            raise StoreClosedError("this unit of work has ended; begin a new one")

    def check_time(self) -> None:
        """Raise when the unit's time is over, so that nobody holds the writer lock without end."""
        if time.monotonic() > self._deadline:
            raise TimedOutError

    def end(self) -> None:
        """The unit is over: nothing that waits here may ever be written."""
        self.ended = True

    def finish(self) -> None:
        """Write what repositories held back until now.

        Raises:
            StoreClosedError: the unit has ended.
            CharterError: an earlier call failed half-way, so the unit must not commit.
            TimedOutError: the unit exceeded its time limit.
        """
        self.check_open()
        if self.failed is not None:
            raise CharterError("an earlier call of this unit failed half-way; it was rolled back") from self.failed
        for hook in self.before_end:
            hook()
        self.check_time()


class WriteContext(UnitContext):
    """What repositories of a ledger need to write: one for each unit of work."""

    def __init__(self, write: WriteSet, journal: JournalWriter, sources: Sources, deadline: float) -> None:
        super().__init__(sources, deadline)
        self.reader: Reader = write
        self.contents = sources.contents
        self.clock = sources.clock
        self.write = write
        self.journal = journal

    def open(self, _store: str, make: Callable[[Any], R]) -> R:
        """Make the repository of a store."""
        return make(self)

    def revision(self) -> int:
        """Of this unit."""
        return self.journal.revision

    def record(self, store: str, subject: str, operation: str, digest: bytes) -> int:
        """Append the journal entry of one change and return its position.

        Raises:
            TimedOutError: the unit exceeded its time limit.
            StoreClosedError: the unit has ended.
        """
        self.make_room()
        return self.journal.append(store, subject, operation, digest, self.now)

    def make_room(self) -> None:
        """Pass on what is buffered where that is much; called before each change.

        Raises:
            TimedOutError: the unit exceeded its time limit.
            StoreClosedError: the unit has ended.
        """
        self.check_open()
        self.check_time()
        if self.write.full:
            self.journal.settle()
            self.write.flush()

    def record_value(self, store: str, subject: str, operation: str, data: bytes, nonce: bytes = b"") -> int:
        """As `record`, with the commitment to the canonical bytes of a value; no bytes stand for a deletion."""
        return self.record(store, subject, operation, commitment(nonce, data))

    def end(self) -> None:
        """The unit is over: nothing that waits here may ever be written."""
        super().end()
        self.write.take()

    def finish(self) -> None:
        """Write what repositories held back until now, and grow the tree."""
        super().finish()
        self.journal.settle()


def page_size(limit: int, options: Options) -> int:
    """Return the size of a page if it is allowed.

    Raises:
        LimitExceededError: it is beyond ``page_items_max``.
        InvalidInputError: it is no integer of 1 or more.
    """
    if type(limit) is not int or limit < 1:
        raise InvalidInputError(f"limit must be an integer, 1 or more; got {limit!r}")
    if limit > options.page_items_max:
        raise LimitExceededError(limit="page_items_max", maximum=options.page_items_max, actual=limit)
    return limit
