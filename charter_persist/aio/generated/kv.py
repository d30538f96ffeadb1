"""`repositories.kv` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from charter_persist.aio.generated.kv_reader import AsyncKeyValueReader
from charter_persist.model.entry import KvOperation
from charter_persist.repositories.kv import KeyValueRepository


class AsyncKeyValueRepository(AsyncKeyValueReader):
    """Async form of `KeyValueRepository`."""

    async def set(self, key: str, value: bytes, *, lease: str | None = None) -> int:
        """Async form of `KeyValueRepository.set`."""
        return await self._do(KeyValueRepository, lambda it: it.set(key, value, lease=lease))

    async def compare_and_set(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        expected_revision: int | None = None,
        lease: str | None = None,
    ) -> int:
        """Async form of `KeyValueRepository.compare_and_set`."""
        return await self._do(
            KeyValueRepository,
            lambda it: it.compare_and_set(
                key, value, expected=expected, expected_revision=expected_revision, lease=lease
            ),
        )

    async def create_if_not_exists(self, key: str, value: bytes, *, lease: str | None = None) -> int:
        """Async form of `KeyValueRepository.create_if_not_exists`."""
        return await self._do(KeyValueRepository, lambda it: it.create_if_not_exists(key, value, lease=lease))

    async def delete(self, key: str, *, missing_ok: bool = False) -> bool:
        """Async form of `KeyValueRepository.delete`."""
        return await self._do(KeyValueRepository, lambda it: it.delete(key, missing_ok=missing_ok))

    async def transaction(self, operations: Iterable[KvOperation]) -> None:
        """Async form of `KeyValueRepository.transaction`."""
        await self._do(KeyValueRepository, lambda it: it.transaction(operations))

    async def compact(self, *, upto: int | None = None, before: datetime | None = None, prefix: str = "") -> int | None:
        """Async form of `KeyValueRepository.compact`."""
        return await self._do(KeyValueRepository, lambda it: it.compact(upto=upto, before=before, prefix=prefix))

    async def erase(self, key: str) -> int:
        """Async form of `KeyValueRepository.erase`."""
        return await self._do(KeyValueRepository, lambda it: it.erase(key))
