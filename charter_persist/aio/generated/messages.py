"""`repositories.messages` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Iterable

from charter_persist.aio.generated.message_reader import AsyncMessageReader
from charter_persist.model.message import Message, MessageMetadata, MessagePart, MessageRole, Thread
from charter_persist.repositories.messages import MessageRepository, Unchanged


class AsyncMessageRepository(AsyncMessageReader):
    """Async form of `MessageRepository`."""

    async def create_thread(
        self, *, tenant_id: str, user_id: str, title: str | None = None, thread_id: str | None = None
    ) -> Thread:
        """Async form of `MessageRepository.create_thread`."""
        return await self._do(
            MessageRepository,
            lambda it: it.create_thread(tenant_id=tenant_id, user_id=user_id, title=title, thread_id=thread_id),
        )

    async def update_thread(self, thread_id: str, *, title: str | None, expected: int | None = None) -> Thread:
        """Async form of `MessageRepository.update_thread`."""
        return await self._do(MessageRepository, lambda it: it.update_thread(thread_id, title=title, expected=expected))

    async def delete_thread(self, thread_id: str, *, expected: int | None = None) -> Thread:
        """Async form of `MessageRepository.delete_thread`."""
        return await self._do(MessageRepository, lambda it: it.delete_thread(thread_id, expected=expected))

    async def erase_thread(self, thread_id: str) -> int:
        """Async form of `MessageRepository.erase_thread`."""
        return await self._do(MessageRepository, lambda it: it.erase_thread(thread_id))

    async def create_message(
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
        """Async form of `MessageRepository.create_message`."""
        return await self._do(
            MessageRepository,
            lambda it: it.create_message(
                thread_id,
                role=role,
                content=content,
                parent_id=parent_id,
                parent_type=parent_type,
                execution_id=execution_id,
                parts=parts,
                metadata=metadata,
                message_id=message_id,
            ),
        )

    async def update_message(
        self,
        message_id: str,
        *,
        expected: int,
        content: str | Unchanged = Unchanged.UNCHANGED,
        parts: Iterable[MessagePart] | Unchanged = Unchanged.UNCHANGED,
        metadata: MessageMetadata | Unchanged = Unchanged.UNCHANGED,
    ) -> Message:
        """Async form of `MessageRepository.update_message`."""
        return await self._do(
            MessageRepository,
            lambda it: it.update_message(
                message_id, expected=expected, content=content, parts=parts, metadata=metadata
            ),
        )

    async def delete_message(self, message_id: str, *, expected: int | None = None) -> Message:
        """Async form of `MessageRepository.delete_message`."""
        return await self._do(MessageRepository, lambda it: it.delete_message(message_id, expected=expected))

    async def erase_message(self, message_id: str) -> int:
        """Async form of `MessageRepository.erase_message`."""
        return await self._do(MessageRepository, lambda it: it.erase_message(message_id))
