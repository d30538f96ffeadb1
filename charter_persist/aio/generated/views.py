"""Views and units of work for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import cached_property

from charter_persist.aio.facet import Facet
from charter_persist.aio.generated.archive import AsyncArchives, AsyncWritableArchives
from charter_persist.aio.generated.audit import AsyncAuditReader, AsyncAuditRepository
from charter_persist.aio.generated.events import AsyncEventReader, AsyncEventRepository
from charter_persist.aio.generated.intent_reader import AsyncIntentReader
from charter_persist.aio.generated.intents import AsyncIntentRepository
from charter_persist.aio.generated.journal import AsyncJournalReader
from charter_persist.aio.generated.kv import AsyncKeyValueRepository
from charter_persist.aio.generated.kv_reader import AsyncKeyValueReader
from charter_persist.aio.generated.leases import AsyncLeaseReader, AsyncLeaseRepository
from charter_persist.aio.generated.message_reader import AsyncMessageReader
from charter_persist.aio.generated.messages import AsyncMessageRepository
from charter_persist.aio.generated.metadata import AsyncMetadataReader, AsyncMetadataRepository
from charter_persist.aio.generated.objects import AsyncObjectReader, AsyncObjectRepository
from charter_persist.aio.generated.refs import AsyncRefReader, AsyncRefRepository
from charter_persist.aio.generated.sessions import AsyncSessionReader, AsyncSessionRepository
from charter_persist.aio.generated.states import AsyncStateReader, AsyncStateRepository
from charter_persist.aio.generated.vectors import AsyncVectorReader, AsyncVectorRepository
from charter_persist.backends.contract import HeadRow
from charter_persist.model.limits import Options
from charter_persist.unit_of_work import ReadView, Receipt, UnitOfWork


class AsyncReadView(Facet):
    """Async form of `ReadView`."""

    @cached_property
    def objects(self) -> AsyncObjectReader:
        """Async form of `ReadView.objects`."""
        return AsyncObjectReader(self._hop, self._part(ReadView, lambda it: it.objects))

    @cached_property
    def refs(self) -> AsyncRefReader:
        """Async form of `ReadView.refs`."""
        return AsyncRefReader(self._hop, self._part(ReadView, lambda it: it.refs))

    @cached_property
    def audit(self) -> AsyncAuditReader:
        """Async form of `ReadView.audit`."""
        return AsyncAuditReader(self._hop, self._part(ReadView, lambda it: it.audit))

    @cached_property
    def metadata(self) -> AsyncMetadataReader:
        """Async form of `ReadView.metadata`."""
        return AsyncMetadataReader(self._hop, self._part(ReadView, lambda it: it.metadata))

    @cached_property
    def sessions(self) -> AsyncSessionReader:
        """Async form of `ReadView.sessions`."""
        return AsyncSessionReader(self._hop, self._part(ReadView, lambda it: it.sessions))

    @cached_property
    def kv(self) -> AsyncKeyValueReader:
        """Async form of `ReadView.kv`."""
        return AsyncKeyValueReader(self._hop, self._part(ReadView, lambda it: it.kv))

    @cached_property
    def leases(self) -> AsyncLeaseReader:
        """Async form of `ReadView.leases`."""
        return AsyncLeaseReader(self._hop, self._part(ReadView, lambda it: it.leases))

    @cached_property
    def archive(self) -> AsyncArchives:
        """Async form of `ReadView.archive`."""
        return AsyncArchives(self._hop, self._part(ReadView, lambda it: it.archive))

    @cached_property
    def intents(self) -> AsyncIntentReader:
        """Async form of `ReadView.intents`."""
        return AsyncIntentReader(self._hop, self._part(ReadView, lambda it: it.intents))

    @cached_property
    def events(self) -> AsyncEventReader:
        """Async form of `ReadView.events`."""
        return AsyncEventReader(self._hop, self._part(ReadView, lambda it: it.events))

    @cached_property
    def states(self) -> AsyncStateReader:
        """Async form of `ReadView.states`."""
        return AsyncStateReader(self._hop, self._part(ReadView, lambda it: it.states))

    @cached_property
    def messages(self) -> AsyncMessageReader:
        """Async form of `ReadView.messages`."""
        return AsyncMessageReader(self._hop, self._part(ReadView, lambda it: it.messages))

    @cached_property
    def vectors(self) -> AsyncVectorReader:
        """Async form of `ReadView.vectors`."""
        return AsyncVectorReader(self._hop, self._part(ReadView, lambda it: it.vectors))

    @cached_property
    def journal(self) -> AsyncJournalReader:
        """Async form of `ReadView.journal`."""
        return AsyncJournalReader(self._hop, self._part(ReadView, lambda it: it.journal))

    @property
    def revision(self) -> Awaitable[int]:
        """Async form of `ReadView.revision`; differences: the property is awaited."""
        return self._do(ReadView, lambda it: it.revision)

    async def head(self) -> HeadRow | None:
        """Async form of `ReadView.head`."""
        return await self._do(ReadView, lambda it: it.head())

    async def close(self) -> None:
        """Async form of `ReadView.close`."""
        await self._do(ReadView, lambda it: it.close())


class AsyncUnitOfWork(Facet):
    """Async form of `UnitOfWork`."""

    @cached_property
    def objects(self) -> AsyncObjectRepository:
        """Async form of `UnitOfWork.objects`."""
        return AsyncObjectRepository(self._hop, self._part(UnitOfWork, lambda it: it.objects))

    @cached_property
    def refs(self) -> AsyncRefRepository:
        """Async form of `UnitOfWork.refs`."""
        return AsyncRefRepository(self._hop, self._part(UnitOfWork, lambda it: it.refs))

    @cached_property
    def audit(self) -> AsyncAuditRepository:
        """Async form of `UnitOfWork.audit`."""
        return AsyncAuditRepository(self._hop, self._part(UnitOfWork, lambda it: it.audit))

    @cached_property
    def metadata(self) -> AsyncMetadataRepository:
        """Async form of `UnitOfWork.metadata`."""
        return AsyncMetadataRepository(self._hop, self._part(UnitOfWork, lambda it: it.metadata))

    @cached_property
    def sessions(self) -> AsyncSessionRepository:
        """Async form of `UnitOfWork.sessions`."""
        return AsyncSessionRepository(self._hop, self._part(UnitOfWork, lambda it: it.sessions))

    @cached_property
    def kv(self) -> AsyncKeyValueRepository:
        """Async form of `UnitOfWork.kv`."""
        return AsyncKeyValueRepository(self._hop, self._part(UnitOfWork, lambda it: it.kv))

    @cached_property
    def leases(self) -> AsyncLeaseRepository:
        """Async form of `UnitOfWork.leases`."""
        return AsyncLeaseRepository(self._hop, self._part(UnitOfWork, lambda it: it.leases))

    @cached_property
    def archive(self) -> AsyncWritableArchives:
        """Async form of `UnitOfWork.archive`."""
        return AsyncWritableArchives(self._hop, self._part(UnitOfWork, lambda it: it.archive))

    @cached_property
    def intents(self) -> AsyncIntentRepository:
        """Async form of `UnitOfWork.intents`."""
        return AsyncIntentRepository(self._hop, self._part(UnitOfWork, lambda it: it.intents))

    @cached_property
    def events(self) -> AsyncEventRepository:
        """Async form of `UnitOfWork.events`."""
        return AsyncEventRepository(self._hop, self._part(UnitOfWork, lambda it: it.events))

    @cached_property
    def states(self) -> AsyncStateRepository:
        """Async form of `UnitOfWork.states`."""
        return AsyncStateRepository(self._hop, self._part(UnitOfWork, lambda it: it.states))

    @cached_property
    def messages(self) -> AsyncMessageRepository:
        """Async form of `UnitOfWork.messages`."""
        return AsyncMessageRepository(self._hop, self._part(UnitOfWork, lambda it: it.messages))

    @cached_property
    def vectors(self) -> AsyncVectorRepository:
        """Async form of `UnitOfWork.vectors`."""
        return AsyncVectorRepository(self._hop, self._part(UnitOfWork, lambda it: it.vectors))

    @property
    def now(self) -> int:
        """As `UnitOfWork.now`."""
        return self._look(UnitOfWork, lambda it: it.now)

    @property
    def options(self) -> Options:
        """As `UnitOfWork.options`."""
        return self._look(UnitOfWork, lambda it: it.options)

    async def new_id(self) -> str:
        """Async form of `UnitOfWork.new_id`."""
        return await self._do(UnitOfWork, lambda it: it.new_id())

    @property
    def receipt(self) -> Receipt | None:
        """As `UnitOfWork.receipt`."""
        return self._look(UnitOfWork, lambda it: it.receipt)

    async def flush(self) -> Receipt | None:
        """Async form of `UnitOfWork.flush`."""
        return await self._do(UnitOfWork, lambda it: it.flush())
