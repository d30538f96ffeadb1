"""`repositories.audit` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.records import AuditEvent, Page
from charter_persist.repositories.audit import AuditReader, AuditRepository


class AsyncAuditReader(Facet):
    """Async form of `AuditReader`."""

    async def get(self, event_id: str) -> AuditEvent | None:
        """Async form of `AuditReader.get`."""
        return await self._do(AuditReader, lambda it: it.get(event_id))

    def iter(
        self,
        *,
        scope: str | None = None,
        event_type: str | None = None,
        subject: tuple[str, str] | None = None,
        after: int = 0,
        reverse: bool = False,
    ) -> AsyncIterator[AuditEvent]:
        """Async form of `AuditReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(
            AuditReader,
            lambda it: it.iter(scope=scope, event_type=event_type, subject=subject, after=after, reverse=reverse),
        )

    async def list(self, *, limit: int = 100, cursor: str | None = None, **filters: Any) -> Page[AuditEvent]:
        """Async form of `AuditReader.list`."""
        return await self._do(AuditReader, lambda it: it.list(limit=limit, cursor=cursor, **filters))

    def replay(self, *, after: int = 0) -> AsyncIterator[AuditEvent]:
        """Async form of `AuditReader.replay`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(AuditReader, lambda it: it.replay(after=after))


class AsyncAuditRepository(AsyncAuditReader):
    """Async form of `AuditRepository`."""

    async def append(
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
        """Async form of `AuditRepository.append`."""
        return await self._do(
            AuditRepository,
            lambda it: it.append(
                event_type,
                scope=scope,
                subject=subject,
                actor=actor,
                details=details,
                context=context,
                event_id=event_id,
                occurred_at=occurred_at,
            ),
        )

    async def adopt(self, data: bytes) -> AuditEvent:
        """Async form of `AuditRepository.adopt`."""
        return await self._do(AuditRepository, lambda it: it.adopt(data))
