"""The async face on SQLite: what its hops cost beside the same sync unit that is handed to a thread whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, Work, compare
from benchmarks.payload import OBJECT_BYTES
from charter_persist import AsyncStore, connect_async

VALUE = b"x" * OBJECT_BYTES
Unit = Callable[[AsyncStore, int], Coroutine[Any, Any, None]]


async def unit(store: AsyncStore, n: int) -> None:
    """One await for each call: enter, get, set, leave."""
    async with store.begin() as uow:
        await uow.kv.get("/a")
        await uow.kv.set("/a", VALUE + b"%d" % n)


async def run(store: AsyncStore, n: int) -> None:
    """A plain function, one hop."""
    await store.run(lambda uow: (uow.kv.get("/a"), uow.kv.set("/a", VALUE + b"%d" % n)))


async def thread(store: AsyncStore, n: int) -> None:
    """The sync unit in a thread of asyncio's own."""

    def whole() -> None:
        with store.sync_store.begin() as uow:
            uow.kv.get("/a")
            uow.kv.set("/a", VALUE + b"%d" % n)

    await asyncio.to_thread(whole)


def one_by_one(runner: asyncio.Runner, store: AsyncStore, make: Unit, count: int) -> Work:
    """Units one after another, counted by their revisions."""

    async def revision() -> int:
        async with store.read() as view:
            return await view.revision

    async def units(number: int) -> None:
        for n in range(count):
            await make(store, number * count + n)

    def work(number: int) -> int:
        before = runner.run(revision())
        runner.run(units(number))
        return runner.run(revision()) - before

    return work


def at_once(runner: asyncio.Runner, store: AsyncStore, make: Unit, count: int) -> Work:
    """A hundred tasks at a time."""

    async def tasks(number: int) -> None:
        for start in range(0, count, 100):
            await asyncio.gather(*[make(store, number * count + n) for n in range(start, min(count, start + 100))])

    def work(number: int) -> int:
        runner.run(tasks(number))
        return count

    return work


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of the async face."""
    rounds, count = (2, 50) if quick else (7, 1_000)
    with asyncio.Runner() as runner:
        store = runner.run(connect_async(f"sqlite:///{folder}/async.db", migrate="upgrade"))
        for name, subject, row in (
            ("Async: a unit of two calls", unit, one_by_one),
            ("Async: the same through run", run, one_by_one),
            ("Async: 100 tasks through run", run, at_once),
        ):
            peer = one_by_one(runner, store, thread, count)
            yield compare(
                name,
                row(runner, store, subject, count),
                peer,
                peer_name="sync unit in a thread",
                wanted="-",
                rounds=rounds,
            )
        runner.run(store.close())
