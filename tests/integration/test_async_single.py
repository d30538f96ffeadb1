"""The async face of backends that carry one kind of store: archives in files, keys on etcd, and what they refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from charter_persist import connect_async
from charter_persist.errors import InvalidInputError, NotSupportedError

PLAN = {"plan_id": "p", "body": "text"}


@pytest.mark.spec("CCOS-2")
@pytest.mark.parametrize("kind", ["files", "memory"])
def test_archives_are_used_with_await(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with await connect_async(f"file://{tmp_path / 'a'}" if kind == "files" else "memory://") as store:
            async with store.begin() as uow:
                kept = await uow.archive("plan").store(PLAN)
            async with store.read() as view:
                assert await view.archive("plan").retrieve(kept) == PLAN
                assert [found async for found in view.archive("plan").list_hashes()] == [kept]
                with pytest.raises(InvalidInputError, match="entity type"):
                    await view.archive("No Type").stats()

    asyncio.run(main())


@pytest.mark.spec("ENA-1")
def test_what_a_backend_does_not_offer_is_refused_when_it_is_used(tmp_path: Path) -> None:
    async def main() -> None:
        async with await connect_async(f"file://{tmp_path / 'a'}") as store, store.read() as view:
            with pytest.raises(NotSupportedError, match="files backend does not offer kv"):
                await view.kv.get("/a")

    asyncio.run(main())


@pytest.mark.spec("KV-8")
def test_keys_on_etcd_are_used_with_await(etcd_url: str) -> None:
    async def main() -> None:
        async with await connect_async(etcd_url) as store:
            async with store.begin() as uow:
                await uow.kv.set("/a", b"1")
            assert (await store.run(lambda uow: uow.kv.compare_and_set("/a", b"2", expected=1))).value == 2
            async with store.read() as view:
                entry = await view.kv.require("/a")
                assert (entry.value, entry.version) == (b"2", 2)

    asyncio.run(main())
