"""`repositories.message_reader` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from charter_persist.aio.facet import Facet
from charter_persist.model.message import Message, Thread
from charter_persist.model.records import Page
from charter_persist.repositories.message_reader import MessageReader


class AsyncMessageReader(Facet):
    """Async form of `MessageReader`."""

    async def get_thread(self, thread_id: str) -> Thread | None:
        """Async form of `MessageReader.get_thread`."""
        return await self._do(MessageReader, lambda it: it.get_thread(thread_id))

    async def require_thread(self, thread_id: str) -> Thread:
        """Async form of `MessageReader.require_thread`."""
        return await self._do(MessageReader, lambda it: it.require_thread(thread_id))

    async def list_threads(
        self,
        tenant_id: str,
        user_id: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        include_deleted: bool = False,
    ) -> Page[Thread]:
        """Async form of `MessageReader.list_threads`."""
        return await self._do(
            MessageReader,
            lambda it: it.list_threads(tenant_id, user_id, limit=limit, cursor=cursor, include_deleted=include_deleted),
        )

    async def get_message(self, message_id: str) -> Message | None:
        """Async form of `MessageReader.get_message`."""
        return await self._do(MessageReader, lambda it: it.get_message(message_id))

    async def require_message(self, message_id: str) -> Message:
        """Async form of `MessageReader.require_message`."""
        return await self._do(MessageReader, lambda it: it.require_message(message_id))

    async def list_messages(
        self, thread_id: str, *, limit: int = 100, cursor: str | None = None, include_deleted: bool = False
    ) -> Page[Message]:
        """Async form of `MessageReader.list_messages`."""
        return await self._do(
            MessageReader,
            lambda it: it.list_messages(thread_id, limit=limit, cursor=cursor, include_deleted=include_deleted),
        )

    async def children(
        self, parent_id: str, *, limit: int = 100, cursor: str | None = None, include_deleted: bool = False
    ) -> Page[Message]:
        """Async form of `MessageReader.children`."""
        return await self._do(
            MessageReader,
            lambda it: it.children(parent_id, limit=limit, cursor=cursor, include_deleted=include_deleted),
        )
