"""Reads of threads and messages.

Cost: one thread or message two look-ups; a page one statement for the rows and one for what they say.

Source: ENA-4, NEIGHBOURS 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from charter_persist.backends.contract import (
    MESSAGE,
    MESSAGE_LOG,
    THREAD,
    THREAD_LOG,
    MessageRow,
    Relation,
    ThreadRow,
)
from charter_persist.errors import NotFoundError
from charter_persist.model.message import Message, Thread
from charter_persist.model.records import Page
from charter_persist.model.text import check_text
from charter_persist.repositories.base import ReadContext, page_size
from charter_persist.repositories.cursors import decode_position, encode_position
from charter_persist.repositories.message_row import message_of, thread_of

CHUNK: Final = 500


class MessageReader:
    """Reads of threads and messages. What was erased is absent; what was deleted says when."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get_thread(self, thread_id: str) -> Thread | None:
        """Return a thread, a deleted one as well; None where there is none, or it was erased.

        Raises:
            InvalidKeyError: the id is no text that can be a name.
            NotSupportedError: this is a view of the past.

        Spec: ENA-4
        """
        row = self._thread(thread_id)
        return None if row is None else next(self._threads((row,)), None)

    def require_thread(self, thread_id: str) -> Thread:
        """Return a thread.

        Raises:
            NotFoundError: there is none, or it was erased.
        """
        thread = self.get_thread(thread_id)
        if thread is None:
            raise no_thread(thread_id)
        return thread

    def list_threads(
        self,
        tenant_id: str,
        user_id: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        include_deleted: bool = False,
    ) -> Page[Thread]:
        """Return one page of the threads of a tenant, in the order they were created.

        Args:
            tenant_id: that they belong to.
            user_id: only threads of this user of the tenant; None for all.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.
            include_deleted: deleted ones as well.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.

        Spec: ENA-4
        """
        tenant = check_text(tenant_id, field="tenant_id")
        size = page_size(limit, self._context.options)
        if user_id is None:
            found = self._page(THREAD, ("tenant_id", "ordinal"), (tenant,), cursor, size, include_deleted)
        else:
            prefix = (tenant, check_text(user_id, field="user_id"))
            found = self._page(THREAD, ("tenant_id", "user_id", "ordinal"), prefix, cursor, size, include_deleted)
        return self._shown(tuple(self._threads(found[:size])), found, size)

    def get_message(self, message_id: str) -> Message | None:
        """Return a message, a deleted one as well; None where there is none, or it was erased.

        Raises:
            InvalidKeyError: the id is no text that can be a name.
            NotSupportedError: this is a view of the past.

        Spec: ENA-4
        """
        row = self._message(message_id)
        return None if row is None else next(self._messages((row,)), None)

    def require_message(self, message_id: str) -> Message:
        """Return a message.

        Raises:
            NotFoundError: there is none, or it was erased.
        """
        message = self.get_message(message_id)
        if message is None:
            raise no_message(message_id)
        return message

    def list_messages(
        self, thread_id: str, *, limit: int = 100, cursor: str | None = None, include_deleted: bool = False
    ) -> Page[Message]:
        """Return one page of the messages of a thread, in the order they were created.

        Args:
            thread_id: that they are in; of a thread that is not there the page is empty.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.
            include_deleted: deleted ones as well; erased ones never.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.

        Spec: ENA-4
        """
        name = check_text(thread_id, field="thread_id")
        return self._message_page(("thread_id", "ordinal"), name, limit, cursor, include_deleted)

    def children(
        self, parent_id: str, *, limit: int = 100, cursor: str | None = None, include_deleted: bool = False
    ) -> Page[Message]:
        """Return one page of the messages that answer a message; arguments and errors are those of `list_messages`."""
        name = check_text(parent_id, field="parent_id")
        return self._message_page(("parent_id", "ordinal"), name, limit, cursor, include_deleted)

    def _message_page(
        self, order: tuple[str, ...], name: str, limit: int, cursor: str | None, include_deleted: bool
    ) -> Page[Message]:
        size = page_size(limit, self._context.options)
        found = self._page(MESSAGE, order, (name,), cursor, size, include_deleted)
        return self._shown(tuple(self._messages(found[:size])), found, size)

    def _page(
        self,
        relation: Relation[Any],
        order: tuple[str, ...],
        prefix: tuple[str, ...],
        cursor: str | None,
        size: int,
        include_deleted: bool,
    ) -> list[Any]:
        """One row more than a page has."""
        after = (decode_position(cursor),)
        limit = size + 1 if include_deleted else None
        rows = self._context.reader.scan(relation, order, prefix=prefix, after=after, limit=limit)
        return list(islice((row for row in rows if include_deleted or not row.deleted), size + 1))

    def _shown(self, items: tuple[Any, ...], found: list[Any], size: int) -> Page[Any]:
        more = encode_position(found[size - 1].ordinal) if len(found) > size else None
        return Page(items, more, self._context.revision())

    def _threads(self, rows: tuple[ThreadRow, ...] | list[ThreadRow]) -> Iterator[Thread]:
        return (thread for row in self._logged(THREAD_LOG, rows) if (thread := thread_of(row)) is not None)

    def _messages(self, rows: tuple[MessageRow, ...] | list[MessageRow]) -> Iterator[Message]:
        return (message for row in self._logged(MESSAGE_LOG, rows) if (message := message_of(row)) is not None)

    def _logged(self, log: Relation[Any], rows: tuple[Any, ...] | list[Any]) -> Iterator[Any]:
        """The newest change of each, in their order."""
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            found = {row.position: row for row in self._context.reader.get_many(log, [(row.position,) for row in some])}
            yield from (found[row.position] for row in some)

    def _thread(self, thread_id: str) -> ThreadRow | None:
        return self._context.reader.get(THREAD, (check_text(thread_id, field="thread_id"),))

    def _message(self, message_id: str) -> MessageRow | None:
        return self._context.reader.get(MESSAGE, (check_text(message_id, field="message_id"),))


def no_thread(thread_id: str) -> NotFoundError:
    """The error that names a thread which is not there."""
    return NotFoundError(f"there is no thread {thread_id}, or it was erased", thread_id=thread_id)


def no_message(message_id: str) -> NotFoundError:
    """The error that names a message which is not there."""
    return NotFoundError(f"there is no message {message_id}, or it was erased", message_id=message_id)
