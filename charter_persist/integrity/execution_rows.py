"""Events, threads and messages against the journal entries that commit to them, and their tables of present values.

An erased row commits to nothing any more: of it the columns that stayed are compared, and the journal pass asks for the
erasure that follows. Each table is read once in an order that keeps one subject's rows together, so memory is constant.

Imports ``repositories``, ``journal``, ``backends.contract``, ``model`` and ``errors``. Source: ENA-2, ENA-4, RELIABILITY P23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

from charter_persist.backends.contract import (
    EVENT,
    EXECUTION,
    MESSAGE,
    MESSAGE_LOG,
    THREAD,
    THREAD_LOG,
    EventRow,
    ExecutionRow,
    JournalRow,
    MessageLogRow,
    Reader,
    Relation,
    ThreadLogRow,
)
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.reading import is_well_typed, rows_by_key
from charter_persist.journal.entry import NONCE_BYTES, commitment
from charter_persist.model.message import Message, Thread
from charter_persist.repositories.event_row import APPEND, BY_SEQUENCE, event_bytes, event_subject
from charter_persist.repositories.message_row import (
    BY_MESSAGE_VERSION,
    BY_THREAD_VERSION,
    CREATE,
    DELETE,
    UPDATE,
    message_of,
    message_row,
    message_subject,
    thread_of,
    thread_row,
)

_CODE: Final = "PROJECTION_MISMATCH"


def check_event(row: EventRow, entry: JournalRow) -> bool:
    """Whether an event is what an entry recorded."""
    facts = (event_subject(row.execution_id, row.sequence), APPEND, row.revision, row.recorded_at)
    recorded = (entry.subject, entry.operation, entry.revision, entry.recorded_at)
    return facts == recorded and _is_committed(row, event_bytes(row), entry)


def check_thread(row: ThreadLogRow, entry: JournalRow) -> bool:
    """Whether a change of a thread is what an entry recorded, and its columns what it says."""
    thread = thread_of(row)
    return (
        (thread is None or _thread_columns(thread) == row[1:5])
        and row.thread_id == entry.subject
        and _is_change(row, thread, entry)
    )


def check_message(row: MessageLogRow, entry: JournalRow) -> bool:
    """Whether a change of a message is what an entry recorded, and its columns what it says."""
    message = message_of(row)
    return (
        (message is None or _message_columns(message) == row[1:5])
        and message_subject(row) == entry.subject
        and _is_change(row, message, entry)
    )


def _thread_columns(thread: Thread) -> tuple[Any, ...]:
    return thread.id, thread.tenant_id, thread.user_id, thread.version


def _message_columns(message: Message) -> tuple[Any, ...]:
    return message.id, message.thread_id, message.parent_id or "", message.version


def _is_change(row: ThreadLogRow | MessageLogRow, value: Thread | Message | None, entry: JournalRow) -> bool:
    operation = CREATE if row.version == 1 else DELETE if row.deleted else UPDATE
    return (
        (row.revision, operation) == (entry.revision, entry.operation)
        and row.deleted == (row.deleted if value is None else value.deleted_at is not None)
        and _is_committed(row, row.data or b"", entry)
    )


def _is_committed(row: Any, data: bytes, entry: JournalRow) -> bool:
    if row.data is None:
        return bool(row.nonce == b"")
    return len(row.nonce) == NONCE_BYTES and commitment(row.nonce, data) == entry.commitment


def check_executions(reader: Reader, findings: Findings) -> None:
    """Look for gaps among the events of each execution, for a second tenant, and compare the table of executions.

    Args:
        reader: of the snapshot.
        findings: takes what differs.
    """

    def follows(rows: Iterator[EventRow]) -> ExecutionRow:
        first = next(rows)
        last = 0
        for row in chain((first,), rows):
            _check_next(row, last, first.tenant_id, findings)
            last = row.sequence
        return ExecutionRow(first.execution_id, first.tenant_id, first.position)

    _compare(reader, findings, EXECUTION, EVENT, BY_SEQUENCE, follows)


def _check_next(row: EventRow, last: int, tenant: str, findings: Findings) -> None:
    if row.sequence != last + 1:
        findings.add("SEQUENCE_GAP", f"event/{row.position}", f"sequence {row.sequence} follows {last}")
    if row.tenant_id != tenant:
        findings.add("SEQUENCE_GAP", f"event/{row.position}", "the event is of another tenant than its execution")


def check_conversations(reader: Reader, findings: Findings) -> None:
    """Compare the tables of threads and messages with their logs, and the versions in these with each other.

    Args:
        reader: of the snapshot.
        findings: takes what differs.
    """

    def follows(project: Callable[[int, Any], Any]) -> Callable[[Iterator[Any]], Any]:
        def newest(rows: Iterator[Any]) -> Any:
            first = last = next(rows)
            if first.version != 1:
                _version_gap(first, 0, findings)
            for row in rows:
                if row.version != last.version + 1:
                    _version_gap(row, last.version, findings)
                last = row
            return project(first.position, last)

        return newest

    _compare(reader, findings, THREAD, THREAD_LOG, BY_THREAD_VERSION, follows(thread_row))
    _compare(reader, findings, MESSAGE, MESSAGE_LOG, BY_MESSAGE_VERSION, follows(message_row))


def _version_gap(row: ThreadLogRow | MessageLogRow, before: int, findings: Findings) -> None:
    table = THREAD_LOG.name if isinstance(row, ThreadLogRow) else MESSAGE_LOG.name
    findings.add("VERSION_GAP", f"{table}/{row.position}", f"version {row.version} follows version {before}")


def _compare(
    reader: Reader,
    findings: Findings,
    table: Relation[Any],
    log: Relation[Any],
    order: tuple[str, ...],
    follows: Callable[[Iterator[Any]], Any],
) -> None:
    """Compare a table with what follows from the rows of each subject in its log; both are read in order of subjects."""

    def differs(subject: str) -> None:
        findings.add(_CODE, f"{table.name}/{subject}", f"the row does not follow from {log.name}")

    def sound() -> Iterator[Any]:
        for found in rows_by_key(reader, table, findings):
            if is_well_typed(found):
                yield found
            else:
                differs(str(found[0]))

    stored = sound()
    row = next(stored, None)
    # What is of a wrong type in the log was reported when it was compared with its entry.
    logged = filter(is_well_typed, rows_by_key(reader, log, findings, order))
    for subject, rows in groupby(logged, key=attrgetter(order[0])):
        expected = follows(rows)
        while row is not None and row[0] < subject:
            differs(row[0])
            row = next(stored, None)
        found = None
        if row is not None and row[0] == subject:
            found, row = row, next(stored, None)
        if found != expected:
            differs(subject)
    while row is not None:
        differs(row[0])
        row = next(stored, None)
