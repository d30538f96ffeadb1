"""The audit log: append-only, in one total order, replayable against the journal.

Cost of `append`: one look-up of the event id, two rows.

Source: STO-3.3, GOV-9, NEIGHBOURS 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from charter_persist.backends.contract import AUDIT, JOURNAL, AuditRow
from charter_persist.errors import AlreadyExistsError, IntegrityError, InvalidInputError, NotCanonicalError
from charter_persist.journal.entry import commitment
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.limits import Options
from charter_persist.model.records import AuditEvent, Page, full_context
from charter_persist.model.text import check_event_type, check_position, check_scope, check_text
from charter_persist.model.time import from_micros, parse_time, to_micros
from charter_persist.repositories.base import ReadContext, WriteContext, page_size
from charter_persist.repositories.cursors import decode_position, encode_position


class AuditReader:
    """Reads of audit events, always in the order they were appended."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, event_id: str) -> AuditEvent | None:
        """Return the event of that id, or None."""
        row = self._context.reader.get(AUDIT, (check_text(event_id, field="event_id"),))
        return None if row is None else _event(row)

    def iter(
        self,
        *,
        scope: str | None = None,
        event_type: str | None = None,
        subject: tuple[str, str] | None = None,
        after: int = 0,
        reverse: bool = False,
    ) -> Iterator[AuditEvent]:
        """Yield events in their order, lazily and in constant memory; every filter that is given must fit.

        Args:
            scope: ``GLOBAL`` or ``AREA:<id>``.
            event_type: such as ``AREA_CREATED``.
            subject: object type and object id.
            after: only events behind this journal position; with ``reverse`` only those before it, 0 for all.
            reverse: newest first.

        Raises:
            InvalidInputError: a filter does not follow its grammar, or ``after`` is not a position.

        Spec: STO-3.3
        """
        after = check_position(after, field="after")
        # The first filter in this order chooses the index, the others are checked row by row.
        if subject is not None:
            prefix: tuple[str, ...] = (
                check_text(subject[0], field="subject type"),
                check_text(subject[1], field="subject id"),
            )
            order: tuple[str, ...] = ("subject_type", "subject_id", "position")
        elif scope is not None:
            prefix, order = (check_scope(scope),), ("scope", "position")
        elif event_type is not None:
            prefix, order = (check_event_type(event_type),), ("event_type", "position")
        else:
            prefix, order = (), ("position",)
        bound = None if reverse and after == 0 else (after,)
        for row in self._context.reader.scan(AUDIT, order, prefix=prefix, after=bound, reverse=reverse):
            if scope in (None, row.scope) and event_type in (None, row.event_type):
                yield _event(row)

    def list(self, *, limit: int = 100, cursor: str | None = None, **filters: Any) -> Page[AuditEvent]:
        """Return one page of events; filters as for `iter`.

        Args:
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.
            **filters: ``scope``, ``event_type``, ``subject``, ``reverse``.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit, cursor or a filter are not valid.
        """
        size = page_size(limit, self._context.options)
        events = list(islice(self.iter(after=decode_position(cursor), **filters), size + 1))
        more = encode_position(events[size - 1].position) if len(events) > size else None
        return Page(tuple(events[:size]), more, self._context.revision())

    def replay(self, *, after: int = 0) -> Iterator[AuditEvent]:
        """Yield every event in order, each verified against its journal entry, with none left out.

        Args:
            after: only events behind this journal position.

        Raises:
            IntegrityError: an event was changed, removed or added outside the journal.

        Spec: STO-3.3, STO-5.3
        """
        after = check_position(after, field="after")
        rows = self._context.reader.scan(AUDIT, ("position",), after=(after,))
        entries = self._context.reader.scan(JOURNAL, ("position",), after=(after,))
        for entry in entries:
            if entry.store != "audit":
                continue
            row = next(rows, None)
            if row is None or row.position != entry.position:
                raise IntegrityError(
                    f"the audit event at position {entry.position} is missing", position=entry.position
                )
            if commitment(b"", row.data) != entry.commitment:
                raise IntegrityError(f"the audit event at position {row.position} was changed", position=row.position)
            yield _event(row)
        extra = next(rows, None)
        if extra is not None:
            raise IntegrityError(f"the audit event at position {extra.position} has no journal entry")


class AuditRepository(AuditReader):
    """The audit log of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)

    def append(
        self,
        event_type: str,
        *,
        scope: str,
        subject: tuple[str, str],
        actor: str | None = None,
        details: Any = None,
        context: Mapping[str, str | None] | None = None,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> AuditEvent:
        """Append one event. It is ordered behind all others, and is never changed or removed.

        Args:
            event_type: a word such as ``AREA_CREATED``.
            scope: ``GLOBAL`` or ``AREA:<id>``.
            subject: object type and object id.
            actor: who did it, informational.
            details: any JSON value of at most ``audit_details_bytes_max`` bytes; the event around it counts as one
                level of nesting.
            context: ``authority_resolution_id``, ``scope_resolution_id``, ``session_id``, where known.
            event_id: unique in the store; a new one by default.
            occurred_at: aware time; that of the unit by default. Order never comes from it.

        Returns:
            The event with its position.

        Raises:
            AlreadyExistsError: there is an event of that id.
            LimitExceededError: the details are too large.
            NotCanonicalError: the details have no canonical form.
            InvalidInputError: another field does not follow its grammar.

        Spec: STO-3.3, GOV-9
        """
        work = self._context
        canonical_bytes(details, options=work.options, limit="audit_details_bytes_max")
        moment = from_micros(work.now) if occurred_at is None else occurred_at
        identity = work.sources.new_id() if event_id is None else event_id
        event = AuditEvent(
            0,
            identity,
            event_type,
            from_micros(to_micros(moment)),
            actor,
            scope,
            subject,
            full_context(context),
            details,
        ).checked()
        return self._append(event, canonical_bytes(event.to_json(), options=work.options))

    def adopt(self, data: bytes) -> AuditEvent:
        """Append an event that was recorded elsewhere, byte for byte: same id, same time, behind all that is here.

        Args:
            data: its canonical bytes.

        Returns:
            The event with its position here.

        Raises:
            AlreadyExistsError: there is an event of that id.
            InvalidInputError: the bytes are not those of an event; see `read_event`.

        Spec: GOV-12
        """
        return self._append(read_event(data, self._context.options), data)

    def _append(self, event: AuditEvent, data: bytes) -> AuditEvent:
        work = self._context
        if work.reader.get(AUDIT, (event.event_id,)) is not None:
            raise AlreadyExistsError(f"there is an audit event {event.event_id} already", event_id=event.event_id)
        position = work.record_value("audit", f"{event.scope}/{event.event_id}", "append", data)
        work.write.put(AUDIT, audit_row(position, data), size=len(data))
        return replace(event, position=position)


def read_event(data: bytes, options: Options) -> AuditEvent:
    """Read the canonical bytes of an event that came from elsewhere; what `append` could not have written is refused.

    Args:
        data: as they stand in a bundle.
        options: limits.

    Returns:
        The event; it has no position yet.

    Raises:
        InvalidInputError: a field is missing, unknown, or does not follow its grammar.
        NotCanonicalError: the bytes are not the canonical form of what they say.
        LimitExceededError: details or event are too large.
    """
    try:
        event = AuditEvent.from_json(0, load_canonical(data)).checked()
        again = replace(event, context=full_context(event.context))
    except (IntegrityError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidInputError("that is not an audit event: a field is missing, or of another type") from exc
    canonical_bytes(event.details, options=options, limit="audit_details_bytes_max")
    if canonical_bytes(again.to_json(), options=options) != data:
        raise NotCanonicalError("the bytes of the audit event are not its canonical form, or it has unknown fields")
    return event


def audit_row(position: int, data: bytes) -> AuditRow:
    """The row of an event: its canonical bytes, and the copies that queries use."""
    event = load_canonical(data)
    return AuditRow(
        position,
        event["event_id"],
        event["event_type"],
        to_micros(parse_time(event["occurred_at"])),
        event["actor"],
        event["scope"],
        event["subject"]["object_type"],
        event["subject"]["object_id"],
        canonical_bytes(event["context"]).decode(),
        data,
    )


def _event(row: AuditRow) -> AuditEvent:
    return AuditEvent.from_json(row.position, load_canonical(row.data))
