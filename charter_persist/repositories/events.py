"""Events of executions: append-only, numbered 1, 2, 3, … in each execution, in one order over all by the journal.

Cost of `append`: one look-up of the newest event of the execution, once in a unit; two rows, a third for the first event
of an execution. A batch of any size costs one look-up. Reads cost one statement a page.

Source: ENA-2, REQUIREMENTS 8 (erasure, ordering), NEIGHBOURS 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from typing import Any

from charter_persist.backends.contract import EVENT, EXECUTION, EventRow, ExecutionRow
from charter_persist.errors import (
    ConflictError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    VersionConflictError,
)
from charter_persist.journal.ledger import BY_POSITION
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.event import ExecutionEvent, StoredEvent, Unknown, event_json
from charter_persist.model.items import check_iterable
from charter_persist.model.records import Page
from charter_persist.model.text import check_position, check_text
from charter_persist.model.upcasting import Upcasters
from charter_persist.repositories import erasure
from charter_persist.repositories.base import ReadContext, WriteContext, page_size
from charter_persist.repositories.cursors import decode_position, encode_position
from charter_persist.repositories.event_row import (
    APPEND,
    BY_SEQUENCE,
    STORE,
    event_bytes,
    event_subject,
    stored_event,
)
from charter_persist.repositories.paging import behind, page_by_name

Event = ExecutionEvent | Mapping[str, Any]


class EventReader:
    """Reads of events."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def latest(self, execution_id: str) -> int:
        """Return the sequence of the newest event of an execution; 0 where it has none."""
        newest = self._newest(_checked_id(execution_id))
        return 0 if newest is None else newest.sequence

    def execution_exists(self, execution_id: str) -> bool:
        """Whether an execution has events."""
        return self._context.reader.get(EXECUTION, (_checked_id(execution_id),)) is not None

    def load(
        self, execution_id: str, *, after: int = 0, limit: int | None = None, upcasters: Upcasters | None = None
    ) -> Iterator[StoredEvent]:
        """Yield the events of an execution in their order, lazily and in constant memory.

        Args:
            execution_id: that they happened in; one without events gives none.
            after: only events behind this sequence.
            limit: at most so many.
            upcasters: through which old forms are read.

        Raises:
            InvalidKeyError: the id is no text that can be a name.
            InvalidInputError: ``after`` or ``limit`` is no integer of 0 or more, or a step gives what is no event.

        Spec: ENA-2
        """
        rows = self._context.reader.scan(
            EVENT,
            BY_SEQUENCE,
            prefix=(_checked_id(execution_id),),
            after=(check_position(after, field="after"),),
            limit=None if limit is None else check_position(limit, field="limit"),
        )
        return (stored_event(row, upcasters) for row in rows)

    def get(self, execution_id: str, sequence: int, *, upcasters: Upcasters | None = None) -> StoredEvent | None:
        """Return one event, or None where there is none."""
        number = check_position(sequence, field="sequence")
        return next(self.load(execution_id, after=number - 1, limit=1, upcasters=upcasters), None) if number else None

    def list(
        self, execution_id: str, *, limit: int = 100, cursor: str | None = None, upcasters: Upcasters | None = None
    ) -> Page[StoredEvent]:
        """Return one page of the events of an execution.

        Args:
            execution_id: as for `load`.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page. Events that came since are on later pages.
            upcasters: as for `load`.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        size = page_size(limit, self._context.options)
        after = decode_position(cursor)
        found = list(self.load(execution_id, after=after, limit=size + 1, upcasters=upcasters))
        more = encode_position(found[size - 1].sequence) if len(found) > size else None
        return Page(tuple(found[:size]), more, self._context.revision())

    def iter_all(
        self, *, after: int = 0, limit: int | None = None, upcasters: Upcasters | None = None
    ) -> Iterator[StoredEvent]:
        """Yield the events of all executions in the order in which they were committed, lazily.

        Args:
            after: only events behind this journal position, that of the last one that was seen.
            limit: at most so many.
            upcasters: as for `load`.
        """
        rows = self._context.reader.scan(
            EVENT,
            BY_POSITION,
            after=(check_position(after, field="after"),),
            limit=None if limit is None else check_position(limit, field="limit"),
        )
        return (stored_event(row, upcasters) for row in rows)

    def list_executions(self, tenant_id: str, *, limit: int = 100, cursor: str | None = None) -> Page[str]:
        """Return one page of the executions of a tenant, by the UTF-8 bytes of their ids.

        Args:
            tenant_id: that they belong to.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        of_tenant = (check_text(tenant_id, field="tenant_id"),)

        def rows(after: str | None, count: int) -> Iterator[ExecutionRow]:
            order = ("tenant_id", "execution_id")
            return self._context.reader.scan(EXECUTION, order, prefix=of_tenant, after=behind(after), limit=count)

        name = attrgetter("execution_id")
        return page_by_name(self._context, limit, cursor, rows, name=name, item=name)

    def _newest(self, execution_id: str) -> EventRow | None:
        rows = self._context.reader.scan(EVENT, BY_SEQUENCE, prefix=(execution_id,), reverse=True, limit=1)
        return next(rows, None)


class EventRepository(EventReader):
    """Events of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self._ends: dict[str, tuple[int, str]] = {}  # by execution its newest sequence and its tenant

    def latest(self, execution_id: str) -> int:
        """Return the sequence of the newest event of an execution, this unit's included; 0 where it has none."""
        return self._end(_checked_id(execution_id))[0]

    def append(
        self,
        execution_id: str,
        event: Event,
        *,
        tenant_id: str,
        expected: int | None = None,
        unknown: Unknown = "refuse",
    ) -> int:
        """Append an event; it is durable when the unit has committed, and is never changed.

        Args:
            execution_id: that it happened in; a text without control characters, at most 512 bytes.
            event: one of the sixteen values of ``model.event``, or an object with ``type``.
            tenant_id: that the execution belongs to; its first event fixes it.
            expected: the sequence that is the newest now; 0 where there must be none yet; None where any will do.
            unknown: ``"custom"`` keeps an event of an unknown type in its own words; ``"refuse"`` refuses it.

        Returns:
            Its sequence: 1 for the first event of an execution, else one more than before.

        Raises:
            VersionConflictError: the newest sequence is not the expected one; exactly one of racing callers wins.
            ConflictError: the execution belongs to another tenant.
            InvalidInputError: it is no event.
            NotCanonicalError: a value in it has no canonical JSON form.
            LimitExceededError: it is larger than ``object_bytes_max``.

        Spec: ENA-2
        """
        return self.append_batch(execution_id, (event,), tenant_id=tenant_id, expected=expected, unknown=unknown)

    def append_batch(
        self,
        execution_id: str,
        events: Iterable[Event],
        *,
        tenant_id: str,
        expected: int | None = None,
        unknown: Unknown = "refuse",
    ) -> int:
        """Append events in their order, all of them or none; arguments and errors are those of `append`.

        Args:
            execution_id: see `append`.
            events: at most ``batch_objects_max``.
            tenant_id: see `append`.
            expected: see `append`; before the first of them.
            unknown: see `append`.

        Returns:
            The sequence of the newest event now.
        """
        name = _checked_id(execution_id)
        tenant = check_text(tenant_id, field="tenant_id")
        wanted = None if expected is None else check_position(expected, field="expected")
        values = self._values(events, unknown)
        latest, owner = self._end(name)
        if wanted is not None and wanted != latest:
            raise VersionConflictError(
                f"execution {name} has {latest} events, expected were {wanted}; load the others and decide anew",
                expected=wanted,
                actual=latest,
            )
        if latest and owner != tenant:
            raise ConflictError(f"execution {name} belongs to another tenant than {tenant}", execution_id=name)
        with self._context.whole():
            for kind, data in values:
                latest += 1
                self._append(name, latest, tenant, kind, data)
                self._ends[name] = latest, tenant
        return latest

    def erase(self, execution_id: str, *, sequence: int | None = None) -> int:
        """Remove what an event says, or all events of an execution, and what its commitment could be guessed with.

        Numbers, types and journal entries stay, so no sequence has a gap and every proof still verifies; each erasure
        is an entry itself. As of earlier revisions it is erased as well. Call `Store.scrub` after the commit, so that
        no file holds it; backups that were made before still do.

        Args:
            execution_id: that it happened in.
            sequence: of the one event; None for all of them.

        Returns:
            How many events were erased; 0 where all were before, and then nothing is recorded.

        Raises:
            NotFoundError: there is no such event.

        Spec: P28
        """
        name = _checked_id(execution_id)
        number = None if sequence is None else check_position(sequence, field="sequence")
        if not 0 < (1 if number is None else number) <= self.latest(name):
            what = "no events" if number is None else f"no event {number}"
            raise NotFoundError(f"execution {name} has {what}", execution_id=name)
        bounds = {} if number is None else {"start": (number,), "stop": (number + 1,)}
        rows = self._context.write.scan(EVENT, BY_SEQUENCE, prefix=(name,), **bounds)
        return sum(erasure.erase(self._context, STORE, event_subject(name, row.sequence), (row,)) for row in rows)

    def _values(self, events: Iterable[Event], unknown: Unknown) -> list[tuple[str, bytes]]:
        """Type and canonical JSON of each event, checked before anything is written."""
        options = self._context.options
        maximum = options.batch_objects_max
        given = list(islice(check_iterable(events, field="events"), maximum + 1))
        if len(given) > maximum:
            raise LimitExceededError(limit="batch_objects_max", maximum=maximum, actual=len(given))
        if unknown not in ("refuse", "custom"):
            raise InvalidInputError(f"unknown must be refuse or custom, got {unknown!r}")
        forms = [event_json(event, unknown=unknown) for event in given]
        return [(form["type"], canonical_bytes(form, options=options)) for form in forms]

    def _append(self, execution_id: str, sequence: int, tenant_id: str, kind: str, data: bytes) -> None:
        work = self._context
        journal, nonce = work.journal, work.sources.nonce()
        position = journal.position + 1
        row = EventRow(position, execution_id, sequence, tenant_id, kind, journal.revision, work.now, nonce, data)
        work.record_value(STORE, event_subject(execution_id, sequence), APPEND, event_bytes(row), nonce)
        work.write.put(EVENT, row, size=len(data))
        if sequence == 1:
            work.write.put(EXECUTION, ExecutionRow(execution_id, tenant_id, position))

    def _end(self, execution_id: str) -> tuple[int, str]:
        """The newest sequence and the tenant of an execution, looked up once."""
        known = self._ends.get(execution_id)
        if known is None:
            newest = self._newest(execution_id)
            known = (0, "") if newest is None else (newest.sequence, newest.tenant_id)
            self._ends[execution_id] = known
        return known


def _checked_id(execution_id: str) -> str:
    return check_text(execution_id, field="execution_id")
