"""The calls of a store for asyncio that are one hop each. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.backends.contract import BackendCapabilities, Diagnosis
from charter_persist.model.limits import Options
from charter_persist.stores.base import Health, Store
from charter_persist.unit_of_work import Outcome


class StoreFacet(Facet):
    """Async form of `Store`."""

    @property
    def name(self) -> str:
        """As `Store.name`."""
        return self._look(Store, lambda it: it.name)

    @property
    def store_id(self) -> str:
        """As `Store.store_id`."""
        return self._look(Store, lambda it: it.store_id)

    @property
    def capabilities(self) -> BackendCapabilities:
        """As `Store.capabilities`."""
        return self._look(Store, lambda it: it.capabilities)

    @property
    def requires_network(self) -> bool:
        """As `Store.requires_network`."""
        return self._look(Store, lambda it: it.requires_network)

    @property
    def supports_air_gapped(self) -> bool:
        """As `Store.supports_air_gapped`."""
        return self._look(Store, lambda it: it.supports_air_gapped)

    @property
    def options(self) -> Options:
        """As `Store.options`."""
        return self._look(Store, lambda it: it.options)

    async def resolve(self, operation_id: str) -> Outcome[Any] | None:
        """Async form of `Store.resolve`."""
        return await self._write(Store, lambda it: it.resolve(operation_id))

    async def health_check(self) -> Health:
        """Async form of `Store.health_check`."""
        return await self._do(Store, lambda it: it.health_check())

    async def scrub(self) -> None:
        """Async form of `Store.scrub`."""
        await self._write(Store, lambda it: it.scrub())

    async def diagnose(self) -> Diagnosis:
        """Async form of `Store.diagnose`."""
        return await self._do(Store, lambda it: it.diagnose())
