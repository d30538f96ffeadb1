"""Threads and messages as rows: what is logged after each change, and what follows from the log.

Imports ``backends.contract``, ``model`` and ``errors``. Source: ENA-4, DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from charter_persist.backends.contract import (
    MESSAGE_LOG,
    THREAD_LOG,
    MessageLogRow,
    MessageRow,
    Reader,
    ThreadLogRow,
    ThreadRow,
)
from charter_persist.model.canonical import load_canonical
from charter_persist.model.message import Message, Thread
from charter_persist.model.plain import from_json

THREADS: Final = "thread"
MESSAGES: Final = "message"
CREATE: Final = "create"
UPDATE: Final = "update"
DELETE: Final = "delete"
BY_THREAD_VERSION: Final = ("thread_id", "version")
BY_MESSAGE_VERSION: Final = ("message_id", "version")


def message_subject(row: MessageLogRow | MessageRow) -> str:
    """What the journal names a message; no message id holds a ``/``."""
    return f"{row.thread_id}/{row.message_id}"


def thread_rows_of(reader: Reader, subject: str) -> Iterator[ThreadLogRow]:
    """The logged changes of a thread, by what the journal names it."""
    return reader.scan(THREAD_LOG, BY_THREAD_VERSION, prefix=(subject,))


def message_rows_of(reader: Reader, subject: str) -> Iterator[MessageLogRow]:
    """The logged changes of a message, by what the journal names it."""
    return reader.scan(MESSAGE_LOG, BY_MESSAGE_VERSION, prefix=(subject.rpartition("/")[2],))


def thread_row(first: int, newest: ThreadLogRow) -> ThreadRow:
    """The row of the present that follows from the position of the first change of a thread, and its newest one."""
    log = newest
    return ThreadRow(log.thread_id, log.tenant_id, log.user_id, first, log.version, log.position, log.deleted)


def message_row(first: int, newest: MessageLogRow) -> MessageRow:
    """As `thread_row`."""
    log = newest
    return MessageRow(log.message_id, log.thread_id, log.parent_id, first, log.version, log.position, log.deleted)


def thread_of(row: ThreadLogRow) -> Thread | None:
    """What callers see of a thread; None where it was erased."""
    return None if row.data is None else from_json(Thread, load_canonical(row.data))


def message_of(row: MessageLogRow) -> Message | None:
    """What callers see of a message; None where it was erased."""
    return None if row.data is None else from_json(Message, load_canonical(row.data))
