"""A cancelled task leaves nothing behind, wherever it awaits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from charter_persist import AsyncCharter, AsyncStore, AsyncUnitOfWork, Store, connect, connect_async, upgrade
from charter_persist.aio.store import open_async
from charter_persist.errors import StoreBusyError
from tests.cancelling import cancel_at, is_free, threads

POINTS_MAX: Final = 80
# Long enough that a thread waits for the lock of the database.
MOMENT_S: Final = 0.2
# What is prompt on a machine that is busy with other work; the lock is not free before.
PROMPT_S: Final = 10.0


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://"
    address = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        address = request.getfixturevalue("postgres_database")
    upgrade(address)
    return address


@pytest.fixture(params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        address = request.getfixturevalue("postgres_database")
    upgrade(address)
    return address


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    assert threads() <= before


async def unit(store: AsyncStore, tag: str) -> None:
    async with store.begin() as uow:
        await uow.objects.put("doc", tag)
        await uow.kv.set(f"/{tag}", b"1")
        assert [ref async for ref in uow.refs.iter()] == []
        await uow.flush()
        await uow.metadata.set(tag, 1)


async def run(store: AsyncStore, tag: str) -> None:
    await store.run(lambda uow: [uow.kv.set(f"/{tag}", b"1"), uow.metadata.set(tag, 1)], operation_id=tag)


async def verb(store: AsyncStore, tag: str) -> None:
    await AsyncCharter(store).create_area(label=tag, area_id=tag)


async def view(store: AsyncStore, tag: str) -> None:
    async with store.read() as view:
        assert [ref async for ref in view.refs.iter()] == []
        await view.revision
        await view.journal.root()


async def watch(store: AsyncStore, tag: str) -> None:
    async with store.watch("kv:/*", after=0) as watch:
        await anext(watch)


async def scrub(store: AsyncStore, tag: str) -> None:
    await store.scrub()


async def resolve(store: AsyncStore, tag: str) -> None:
    assert await store.resolve(tag) is None


ACTIONS = [unit, run, verb, view, watch, scrub, resolve]
Action = Callable[[AsyncStore, str], Coroutine[Any, Any, None]]


async def written(store: AsyncStore) -> int:
    """How many journal entries there are."""
    async with store.read() as now:
        return await now.journal.size()


@pytest.mark.parametrize("pause_s", [0, 0.001])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_cancelled_at_any_await_all_or_nothing_is_written_and_nothing_is_held(
    url: str, action: Action, pause_s: float
) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            await store.run(lambda uow: uow.kv.set("/first", b"1"))
            before = await written(store)
            await action(store, "whole")
            whole = await written(store) - before
            for at in range(1, POINTS_MAX):
                before = await written(store)
                cancelled = await cancel_at(action(store, f"t{at}"), at, pause_s=pause_s)
                assert await written(store) - before in ({0, whole} if cancelled else {whole})
                await is_free(store)
                if not cancelled:
                    return
        raise AssertionError("it never came to its end")

    asyncio.run(main())


def test_connecting_can_be_cancelled_at_any_await(shared_url: str) -> None:
    """A store that was opened for nobody is closed."""
    opened: list[Store] = []

    def opening() -> Store:
        opened.append(connect(shared_url))
        return opened[-1]

    async def connecting() -> None:
        async with await open_async(opening, timeout_s=30):
            pass

    async def main() -> None:
        for at in range(1, POINTS_MAX):
            again = await cancel_at(connecting(), at)
            assert not any(store.health_check().ok for store in opened)
            if not again:
                assert at > 2
                return

    asyncio.run(main())


@pytest.mark.parametrize("action", [unit, run, verb, resolve], ids=lambda action: action.__name__)
def test_whoever_waits_for_another_process_can_be_cancelled_at_once(shared_url: str, action: Action) -> None:
    """The lock is held all the time, so what waits for it must be interrupted."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            with connect(shared_url) as other:
                with other.begin():
                    for tag in ("a", "b"):
                        task = asyncio.create_task(action(store, tag))
                        await asyncio.sleep(MOMENT_S)
                        assert not task.done()
                        task.cancel()
                        began = time.monotonic()
                        await asyncio.wait([task], timeout=PROMPT_S)
                        assert task.cancelled(), f"still there after {time.monotonic() - began:.1f} s"
                await is_free(store)
                await action(store, "c")

    asyncio.run(main())


def test_a_time_limit_of_asyncio_ends_the_waiting(shared_url: str) -> None:
    async def main() -> None:
        async with await connect_async(shared_url) as store:
            with connect(shared_url) as other, other.begin():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(MOMENT_S), asyncio.timeout(MOMENT_S):
                        await unit(store, "a")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(run(store, "a"), MOMENT_S)
            await is_free(store)
            assert (await store.run(lambda uow: uow.kv.get("/a"))).value is None

    asyncio.run(main())


def test_the_lock_of_another_process_that_is_never_free_is_an_error(shared_url: str) -> None:
    async def main() -> None:
        async with await connect_async(shared_url, unit_timeout_s=MOMENT_S) as store:
            with connect(shared_url) as other, other.begin():
                with pytest.raises(StoreBusyError):
                    await unit(store, "a")
                with pytest.raises(StoreBusyError):
                    await run(store, "a")
            await is_free(store)

    asyncio.run(main())


def test_a_run_that_is_cancelled_does_not_disturb_those_it_waits_with(shared_url: str) -> None:
    """It ends at once, though the commit that it would have been part of still waits; that one goes on without it."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            with connect(shared_url) as other:
                with other.begin():
                    tasks = [asyncio.create_task(run(store, f"t{n}")) for n in range(12)]
                    await asyncio.sleep(MOMENT_S)
                    for task in tasks[::2]:
                        task.cancel()
                    await asyncio.wait(tasks[::2], timeout=PROMPT_S)
                    assert all(task.cancelled() for task in tasks[::2])
                    assert not any(task.done() for task in tasks[1::2])
                await asyncio.gather(*tasks[1::2])
            async with store.read() as now:
                keys = [entry.key async for entry in now.kv.iter()]
            assert sorted(keys) == sorted(f"/t{n}" for n in range(1, 12, 2))
            await is_free(store)

    asyncio.run(main())


def test_all_runs_that_wait_for_one_lock_can_be_cancelled_at_once(shared_url: str) -> None:
    """More of them than there are threads."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            with connect(shared_url) as other, other.begin():
                tasks = [asyncio.create_task(run(store, f"t{n}")) for n in range(40)]
                await asyncio.sleep(MOMENT_S)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=PROMPT_S)
                assert all(task.cancelled() for task in tasks)
                async with asyncio.timeout(PROMPT_S):
                    while store._writing.turn.sharing:
                        await asyncio.sleep(0.01)  # their threads are back, while the lock is still held
            await is_free(store)
            assert await written(store) == 0

    asyncio.run(main())


def test_cancelling_again_while_a_unit_rolls_back_changes_nothing(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            for again in range(1, 12):
                task = asyncio.create_task(unit(store, f"t{again}"))
                for _ in range(again):
                    await asyncio.sleep(0)
                for _ in range(20):
                    task.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait([task])
                assert task.cancelled()
                await is_free(store)
            async with store.read() as now:
                assert not await now.kv.exists("/t1")

    asyncio.run(main())


def test_the_receipt_tells_what_became_of_a_unit_that_was_cancelled_while_it_committed(url: str) -> None:
    async def main() -> set[bool]:
        outcomes = set()
        async with await connect_async(url) as store:
            for at in range(1, POINTS_MAX):
                held: list[AsyncUnitOfWork] = []
                key = f"/t{at}"

                async def writes(held: list[AsyncUnitOfWork] = held, key: str = key) -> None:
                    async with store.begin() as uow:
                        held.append(uow)
                        await uow.kv.set(key, b"1")

                cancelled = await cancel_at(writes(), at)
                if held and cancelled:
                    async with store.read() as now:
                        assert await now.kv.exists(key) == (held[0].receipt is not None)
                    outcomes.add(held[0].receipt is not None)
                if not cancelled:
                    return outcomes
        return outcomes

    assert asyncio.run(main()) == {False, True}


def test_a_long_unit_that_is_cancelled_is_there_whole_or_not_at_all(shared_url: str) -> None:
    """In the midst of writing many rows, or of its commit."""
    rows = 3_000

    async def long(store: AsyncStore, tag: float) -> None:
        async with store.begin() as uow:
            await uow.objects.put_many(("doc", [str(tag), n]) for n in range(rows))

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            for pause_s in (0.0, 0.01, 0.05, 0.1):
                before = await written(store)
                task = asyncio.create_task(long(store, pause_s))
                await asyncio.sleep(pause_s)
                task.cancel()
                await asyncio.wait([task])
                assert await written(store) - before in ({0, rows} if task.cancelled() else {rows})
            await is_free(store)

    asyncio.run(main())


@pytest.mark.parametrize("action", [unit, run, verb], ids=lambda action: action.__name__)
def test_what_was_begun_when_its_task_was_cancelled_is_awaited_and_rolled_back(url: str, action: Action) -> None:
    """The thread is in the midst of it, and would commit if nobody told it."""
    begun, go_on = threading.Event(), threading.Event()

    def clock() -> datetime:
        begun.set()
        go_on.wait(PROMPT_S)
        return datetime.now(UTC)

    async def main() -> None:
        async with await connect_async(url, clock=clock) as store:
            task = asyncio.create_task(action(store, "a"))
            await asyncio.to_thread(begun.wait, PROMPT_S)
            task.cancel()
            await asyncio.wait([task], timeout=MOMENT_S / 4)
            assert not task.done()
            go_on.set()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await written(store) == 0
            await is_free(store)

    asyncio.run(main())
