"""Threads and messages: changed through a log, deleted softly, erased where that is asked for.

Each change is logged at once with the whole of what it made, so one that changes a message twice in a unit logs two
versions. Nothing in a thread grows with it: a message costs the same at step 1,000 as at step 10.

Cost of a new message: look-ups of its id, its thread and its parent, two of each of these, and three rows.

Source: ENA-4, REQUIREMENTS 8 (deletion, erasure), NEIGHBOURS 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

from charter_persist.backends.contract import (
    MESSAGE,
    MESSAGE_LOG,
    THREAD,
    THREAD_LOG,
    MessageLogRow,
    MessageRow,
    Relation,
    ThreadLogRow,
    ThreadRow,
)
from charter_persist.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    InvalidKeyError,
    SealedError,
    VersionConflictError,
)
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.items import check_iterable
from charter_persist.model.message import Message, MessageMetadata, MessagePart, MessageRole, Thread
from charter_persist.model.plain import checked, to_json
from charter_persist.model.text import check_position, check_text
from charter_persist.model.time import from_micros
from charter_persist.repositories import erasure
from charter_persist.repositories.base import WriteContext
from charter_persist.repositories.message_reader import MessageReader, no_message, no_thread
from charter_persist.repositories.message_row import (
    CREATE,
    DELETE,
    MESSAGES,
    THREADS,
    UPDATE,
    message_row,
    message_rows_of,
    message_subject,
    thread_row,
    thread_rows_of,
)


class Unchanged(Enum):
    """Stands for an argument that was not given."""

    UNCHANGED = "unchanged"


class MessageRepository(MessageReader):
    """Threads and messages of a unit of work."""

    _context: WriteContext

    def create_thread(
        self, *, tenant_id: str, user_id: str, title: str | None = None, thread_id: str | None = None
    ) -> Thread:
        """Begin a thread; it is durable when the unit has committed.

        Args:
            tenant_id: that it belongs to.
            user_id: of the tenant, that it belongs to.
            title: any text, or None.
            thread_id: its identity; a new one by default.

        Raises:
            AlreadyExistsError: there is, or was, a thread of that id.
            InvalidInputError: something is not what it should be.
            LimitExceededError: it is larger than ``object_bytes_max``.

        Spec: ENA-4
        """
        name = self._context.sources.new_id() if thread_id is None else thread_id
        if self._thread(name) is not None:
            raise AlreadyExistsError(f"there is, or was, a thread {name}; take another id", thread_id=name)
        check_text(tenant_id, field="tenant_id")
        check_text(user_id, field="user_id")
        now = self._now()
        thread = Thread(id=name, tenant_id=tenant_id, user_id=user_id, title=title, created_at=now, updated_at=now)
        return self._log_thread(thread, CREATE)

    def update_thread(self, thread_id: str, *, title: str | None, expected: int | None = None) -> Thread:
        """Give a thread another title.

        Args:
            thread_id: of the thread.
            title: any text, or None.
            expected: the version it has now; None where any will do.

        Raises:
            NotFoundError: there is none, or it was erased.
            SealedError: it was deleted.
            VersionConflictError: it is not as expected.
        """
        thread = self._standing_thread(thread_id, expected)
        return self._log_thread(
            replace(thread, title=title, updated_at=self._now(), version=thread.version + 1), UPDATE
        )

    def delete_thread(self, thread_id: str, *, expected: int | None = None) -> Thread:
        """Mark a thread as deleted; it and its messages can still be read, and take no change any more.

        Raises:
            NotFoundError: there is none, or it was erased.
            SealedError: it was deleted before.
            VersionConflictError: it is not as expected.
        """
        thread = self._standing_thread(thread_id, expected)
        now = self._now()
        return self._log_thread(replace(thread, deleted_at=now, updated_at=now, version=thread.version + 1), DELETE)

    def erase_thread(self, thread_id: str) -> int:
        """Erase a thread, and every message in it, as `erase_message` does; ids, numbers of versions and entries stay.

        Returns:
            How many logged changes lost what they said.

        Raises:
            NotFoundError: there is none.
        """
        row = self._thread(thread_id)
        if row is None:
            raise no_thread(thread_id)
        write = self._context.write
        erased = erasure.erase(self._context, THREADS, row.thread_id, thread_rows_of(write, row.thread_id))
        messages = list(write.scan(MESSAGE, ("thread_id", "ordinal"), prefix=(row.thread_id,)))
        return erased + sum(map(self._erase, map(message_subject, messages)))

    def create_message(
        self,
        thread_id: str,
        *,
        role: MessageRole | str,
        content: str,
        parent_id: str | None = None,
        parent_type: str | None = None,
        execution_id: str | None = None,
        parts: Iterable[MessagePart] = (),
        metadata: MessageMetadata | None = None,
        message_id: str | None = None,
    ) -> Message:
        """Append a message to a thread; it is durable when the unit has committed.

        Args:
            thread_id: of a thread that was not deleted.
            role: who speaks.
            content: the text.
            parent_id: a message of the same thread that it answers, or None.
            parent_type: what it answers; by default ``message`` where there is a parent, else ``thread``.
            execution_id: that it came from, or None.
            parts: what it is made of beside the text.
            metadata: how it came to be.
            message_id: its identity, without ``/``; a new one by default.

        Raises:
            NotFoundError: there is no such thread, or no such parent.
            SealedError: the thread was deleted.
            ConflictError: the parent is in another thread.
            AlreadyExistsError: there is, or was, a message of that id.
            InvalidInputError: something is not what it should be.
            NotCanonicalError: a part has no canonical JSON form.
            LimitExceededError: it is larger than ``object_bytes_max``.

        Spec: ENA-4
        """
        name = _message_id(self._context.sources.new_id() if message_id is None else message_id)
        self._check_thread(thread_id)
        if parent_id is not None:
            self._check_parent(parent_id, thread_id)
        if self._message(name) is not None:
            raise AlreadyExistsError(f"there is, or was, a message {name}; take another id", message_id=name)
        message = Message(
            id=name,
            thread_id=thread_id,
            role=_role(role),
            content=content,
            created_at=self._now(),
            execution_id=None if execution_id is None else check_text(execution_id, field="execution_id"),
            parent_id=parent_id,
            parent_type=parent_type or ("thread" if parent_id is None else "message"),
            parts=tuple(check_iterable(parts, field="parts")),
            metadata=metadata or MessageMetadata(),
        )
        return self._log_message(message, CREATE)

    def update_message(
        self,
        message_id: str,
        *,
        expected: int,
        content: str | Unchanged = Unchanged.UNCHANGED,
        parts: Iterable[MessagePart] | Unchanged = Unchanged.UNCHANGED,
        metadata: MessageMetadata | Unchanged = Unchanged.UNCHANGED,
    ) -> Message:
        """Change what a message says; what it said before stays in the log.

        Args:
            message_id: of the message.
            expected: the version it has now.
            content: as for `create_message`; what is not given stays.
            parts: likewise.
            metadata: likewise.

        Raises:
            VersionConflictError: the message is not as expected; exactly one of racing callers wins.
            NotFoundError: there is none, or it was erased.
            SealedError: it, or its thread, was deleted.
            InvalidInputError: something is not what it should be.

        Spec: ENA-4
        """
        message = self._standing_message(message_id, expected)
        changes: dict[str, Any] = {"content": content, "metadata": metadata}
        changes = {field: value for field, value in changes.items() if not isinstance(value, Unchanged)}
        if not isinstance(parts, Unchanged):
            changes["parts"] = tuple(check_iterable(parts, field="parts"))
        changed = replace(message, **changes, updated_at=self._now(), version=message.version + 1)
        return self._log_message(changed, UPDATE)

    def delete_message(self, message_id: str, *, expected: int | None = None) -> Message:
        """Mark a message as deleted; it can still be read, and answers to it stay where they are.

        Raises:
            NotFoundError: there is none, or it was erased.
            SealedError: it, or its thread, was deleted before.
            VersionConflictError: it is not as expected.
        """
        message = self._standing_message(message_id, expected)
        now = self._now()
        return self._log_message(replace(message, deleted_at=now, updated_at=now, version=message.version + 1), DELETE)

    def erase_message(self, message_id: str) -> int:
        """Remove all that a message ever said, and what its commitments could be guessed with.

        It is absent afterwards; its place in the thread, its id and its journal entries stay, so every proof still
        verifies. The erasure is an entry itself. Call `Store.scrub` after the commit, so that no file holds it;
        backups that were made before still do.

        Returns:
            How many logged changes lost what they said; 0 where all had, and then nothing is recorded.

        Raises:
            NotFoundError: there is none.

        Spec: P28
        """
        row = self._message(message_id)
        if row is None:
            raise no_message(message_id)
        return self._erase(message_subject(row))

    def _erase(self, subject: str) -> int:
        return erasure.erase(self._context, MESSAGES, subject, message_rows_of(self._context.write, subject))

    # What may be changed

    def _standing_thread(self, thread_id: str, expected: int | None) -> Thread:
        thread = self.require_thread(thread_id)
        _check_version(f"thread {thread_id}", thread.version, expected)
        if thread.deleted_at is not None:
            raise _deleted(f"thread {thread_id}")
        return thread

    def _standing_message(self, message_id: str, expected: int | None) -> Message:
        message = self.require_message(message_id)
        _check_version(f"message {message_id}", message.version, expected)
        self._check_thread(message.thread_id)
        if message.deleted_at is not None:
            raise _deleted(f"message {message_id}")
        return message

    def _check_thread(self, thread_id: str) -> None:
        row = self._thread(thread_id)
        if row is None or self._is_erased(THREAD_LOG, row):
            raise no_thread(thread_id)
        if row.deleted:
            raise _deleted(f"thread {thread_id}")

    def _check_parent(self, parent_id: str, thread_id: str) -> None:
        parent = self._message(parent_id)
        if parent is None or self._is_erased(MESSAGE_LOG, parent):
            raise no_message(parent_id)
        if parent.thread_id != thread_id:
            raise ConflictError(
                f"message {parent_id} is in another thread than {thread_id}; answer it there", message_id=parent_id
            )

    def _is_erased(self, log: Relation[Any], row: ThreadRow | MessageRow) -> bool:
        logged = self._context.reader.get(log, (row.position,))
        return logged is None or logged.data is None

    # The log

    def _log_thread(self, thread: Thread, operation: str) -> Thread:
        data = self._bytes(thread)
        work, nonce = self._context, self._context.sources.nonce()
        before = self._thread(thread.id)
        with work.whole():
            position = work.record_value(THREADS, thread.id, operation, data, nonce)
            row = ThreadLogRow(
                position,
                thread.id,
                thread.tenant_id,
                thread.user_id,
                thread.version,
                work.journal.revision,
                int(thread.deleted_at is not None),
                nonce,
                data,
            )
            work.write.put(THREAD_LOG, row, size=len(data))
            work.write.put(THREAD, thread_row(position if before is None else before.ordinal, row))
        return thread

    def _log_message(self, message: Message, operation: str) -> Message:
        data = self._bytes(message)
        work, nonce = self._context, self._context.sources.nonce()
        before = None if operation == CREATE else self._message(message.id)
        row = MessageLogRow(
            0,
            message.id,
            message.thread_id,
            message.parent_id or "",
            message.version,
            work.journal.revision,
            int(message.deleted_at is not None),
            nonce,
            data,
        )
        with work.whole():
            position = work.record_value(MESSAGES, message_subject(row), operation, data, nonce)
            row = row._replace(position=position)
            work.write.put(MESSAGE_LOG, row, size=len(data))
            work.write.put(MESSAGE, message_row(position if before is None else before.ordinal, row))
        return message

    def _bytes(self, value: Thread | Message) -> bytes:
        return canonical_bytes(to_json(checked(value)), options=self._context.options)

    def _now(self) -> datetime:
        return from_micros(self._context.now)


def _message_id(message_id: str) -> str:
    name = check_text(message_id, field="message_id")
    if "/" in name:
        raise InvalidKeyError(f"a message id holds no /, got {name!r}")
    return name


def _role(role: MessageRole | str) -> MessageRole:
    try:
        return MessageRole(role)
    except ValueError as exc:
        raise InvalidInputError(f"role must be one of {', '.join(MessageRole)}, got {role!r}") from exc


def _check_version(what: str, actual: int, expected: int | None) -> None:
    wanted = None if expected is None else check_position(expected, field="expected")
    if wanted is not None and wanted != actual:
        raise VersionConflictError(
            f"{what} has version {actual}, expected was {wanted}; read it and decide anew",
            expected=wanted,
            actual=actual,
        )


def _deleted(what: str) -> SealedError:
    return SealedError(f"{what} was deleted and takes no change any more")
