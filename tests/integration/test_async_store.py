"""What an asynchronous store promises beyond what the sync one does: its loop, its tasks, its threads, its end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist import AsyncCharter, AsyncStore, connect, connect_async, upgrade
from charter_persist.aio.desks import VIEWS_MAX
from charter_persist.aio.facet import CHUNK_ITEMS, Chunks
from charter_persist.aio.store import open_async
from charter_persist.backends.contract import LedgerBackend, Transaction
from charter_persist.backends.memory import MemoryBackend
from charter_persist.errors import (
    CommitUnknownError,
    InvalidInputError,
    MigrationRequiredError,
    NotFoundError,
    StoreBusyError,
    StoreClosedError,
    VersionConflictError,
)
from charter_persist.testing import DelegatingBackend, open_over
from tests.async_holder import hold
from tests.cancelling import is_free, threads

MOMENT_S = 0.1


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else _database(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _database(request, tmp_path)


def _database(request: pytest.FixtureRequest, folder: Path) -> str:
    address = f"sqlite:///{folder}/store.db"
    if request.param == "postgres":
        address = request.getfixturevalue("postgres_database")
    upgrade(address)
    return address


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    gc.collect()
    for thread in threads() - before:
        thread.join(10)
    assert threads() <= before


# Units of work


def test_what_the_block_raises_rolls_the_unit_back(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            with pytest.raises(ZeroDivisionError):
                async with store.begin() as uow:
                    await uow.kv.set("/a", b"1")
                    await uow.flush()
                    raise ZeroDivisionError
            with pytest.raises(VersionConflictError):
                async with store.begin() as uow:
                    await uow.kv.set("/b", b"1")
                    await uow.metadata.set("m", 1, expected=7)
            assert uow.receipt is None
            with pytest.raises(StoreClosedError):
                await uow.kv.get("/a")
            async with store.read() as view:
                assert await view.revision == 0
            await is_free(store)

    asyncio.run(main())


def test_a_second_unit_of_the_same_task_is_refused_and_one_of_another_task_queues(url: str) -> None:
    """Whatever takes the lock; the open unit is not harmed, and views can be opened."""

    async def main() -> None:
        async with await connect_async(url) as store:
            order = []

            async def other() -> None:
                order.append("asks")
                async with store.begin() as uow:
                    order.append("has it")
                    await uow.kv.set("/b", b"1")

            async with store.begin() as uow:
                for call in (
                    store.begin().__aenter__,
                    lambda: store.run(print),
                    lambda: store.resolve("x"),
                    store.scrub,
                ):
                    with pytest.raises(InvalidInputError, match="this task"):
                        await call()
                with pytest.raises(InvalidInputError, match="this task"):
                    await AsyncCharter(store).create_area(label="a")
                task = asyncio.create_task(other())
                await uow.kv.set("/a", b"1")
                async with store.read() as view:
                    assert await view.revision == 0
                order.append("ends")
            await task
            assert order == ["asks", "ends", "has it"]

    asyncio.run(main())


def test_a_block_is_used_once(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            block = store.begin()
            async with block:
                pass
            with pytest.raises(StoreClosedError):
                async with block:
                    pytest.fail("the block was entered again")
            await is_free(store)

    asyncio.run(main())


def test_a_unit_belongs_to_its_thread_and_sees_the_context_of_its_task(url: str) -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")

    async def main() -> None:
        async with await connect_async(url) as store:
            seen = []

            def items() -> Iterator[tuple[str, str]]:
                seen.append((threading.get_ident(), who.get()))
                yield "doc", who.get()

            async with store.begin() as uow:
                for name in ("ana", "ben"):
                    who.set(name)
                    await uow.objects.put_many(items())
            await store.run(lambda uow: seen.append((0, who.get())))
            assert [name for _, name in seen] == ["ana", "ben", "ben"]
            assert seen[0][0] == seen[1][0] != threading.get_ident()

    asyncio.run(main())


def test_units_that_wait_hold_no_thread_and_are_let_in_as_they_came(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            order: list[int] = []

            async def one(number: int) -> None:
                if number % 2:
                    async with store.begin() as uow:
                        order.append(number)
                        await uow.kv.set(f"/{number}", b"1")
                else:
                    await store.run(lambda uow: (order.append(number), uow.kv.set(f"/{number}", b"1")))

            async with store.begin() as uow:
                await uow.kv.set("/a", b"1")
                before = threads()
                tasks = [asyncio.create_task(one(n)) for n in range(50)]
                await asyncio.sleep(MOMENT_S)
                assert threads() == before
                assert order == []
            await asyncio.gather(*tasks)
            assert order == list(range(50))

    asyncio.run(main())


def test_who_waits_too_long_for_its_turn_is_told(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url, unit_timeout_s=0.5) as store:

            async def late() -> None:
                await store.run(print)

            async with store.begin(timeout_s=30):
                with pytest.raises(StoreBusyError):
                    await asyncio.create_task(late())
            await is_free(store)

    asyncio.run(main())


def test_a_hundred_concurrent_units_complete_each_whole(shared_url: str) -> None:
    """Each has several awaits, reads what it wrote, and every fifth raises."""

    async def one(store: AsyncStore, number: int) -> int | None:
        try:
            async with store.begin() as uow:
                digest = await uow.objects.put("doc", number)
                await uow.refs.set(f"ref/{number}", digest, expected=0)
                count = await uow.metadata.get("count", 0)
                await asyncio.sleep(0)
                await uow.metadata.set("count", count + 1)
                assert await uow.objects.require(digest)
                if number % 5 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return None
        assert uow.receipt is not None
        return uow.receipt.revision

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            revisions = await asyncio.gather(*[one(store, n) for n in range(100)])
            kept = [revision for revision in revisions if revision is not None]
            assert sorted(kept) == list(range(1, 81))
            async with store.read() as view:
                assert await view.metadata.get("count") == 80
                assert len([ref async for ref in view.refs.iter()]) == 80
                assert await view.journal.size() == 240

    asyncio.run(main())


def test_the_loop_goes_on_while_units_wait_for_another_process(shared_url: str) -> None:
    """For the second in which the lock is held elsewhere a ticker of 5 ms must tick often, however busy the machine."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.005)
                    ticks += 1

            async def unit(number: int) -> None:
                async with store.begin() as uow:
                    await uow.kv.set(f"/{number}", b"1")

            with hold(shared_url, 1.0):
                ticker = asyncio.create_task(tick())
                runs = [store.run(lambda uow, n=n: uow.kv.set(f"/run/{n}", b"1")) for n in range(10)]
                await asyncio.gather(*[unit(n) for n in range(10)], *runs)
                during = ticks
            ticker.cancel()
            await asyncio.wait([ticker])
            # 200 where nothing else runs; none or a few where a wait blocks the loop.
            assert during > 20
            async with store.read() as view:
                assert len([entry async for entry in view.kv.iter()]) == 21

    asyncio.run(main())


def test_runs_that_queue_share_commits(shared_url: str) -> None:
    """As those of threads do: fewer operation rows than units are not seen from outside, but the receipts are whole."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            outcomes = await asyncio.gather(
                *[store.run(lambda uow, n=n: uow.kv.set(f"/{n}", b"1"), operation_id=f"op-{n}") for n in range(100)]
            )
            assert sorted(outcome.receipt.revision for outcome in outcomes if outcome.receipt) == list(range(1, 101))
            again = await store.run(lambda uow: pytest.fail("it was called again"), operation_id="op-7")
            assert (again.repeated, again.value) == (True, 1)
            known = await store.resolve("op-7")
            assert known is not None
            assert known.receipt == again.receipt

    asyncio.run(main())


def test_a_lost_answer_of_a_commit_reaches_the_task() -> None:
    class Lost(DelegatingBackend):
        def transaction(self, timeout_s: float) -> Transaction:
            transaction = super().transaction(timeout_s)
            commit = transaction.commit

            def lost(*arguments: Any) -> None:
                commit(*arguments)
                raise CommitUnknownError(operation_id=None)

            transaction.commit = lost  # type: ignore[method-assign]
            return transaction

    backend = MemoryBackend()

    def make() -> LedgerBackend:
        return Lost(backend)

    async def main() -> None:
        async with await open_async(open_over(make), timeout_s=30) as store:
            with pytest.raises(CommitUnknownError):
                async with store.begin() as uow:
                    await uow.kv.set("/a", b"1")
            with pytest.raises(CommitUnknownError) as caught:
                await store.run(lambda uow: uow.kv.set("/b", b"1"), operation_id="op")
            assert caught.value.operation_id == "op"
            known = await store.resolve("op")
            assert known is not None
            assert known.value == 1

    asyncio.run(main())


def test_a_function_that_raises_stop_iteration_is_told_of_it(url: str) -> None:
    """A future cannot carry it; waiting for one that never comes would be worse."""

    async def main() -> None:
        async with await connect_async(url) as store:
            with pytest.raises(RuntimeError, match="StopIteration"):
                await asyncio.wait_for(store.run(lambda uow: next(iter(()))), 10)
            await is_free(store)

    asyncio.run(main())


def test_a_unit_joins_a_transaction_of_the_caller(shared_url: str) -> None:
    engine = sa.create_engine(shared_url)

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            with engine.connect() as connection:
                connection.begin()
                async with store.begin(connection=connection) as uow:
                    await uow.kv.set("/a", b"1")
                    assert await uow.flush() is not None
                connection.rollback()
                connection.begin()
                async with store.begin(connection=connection) as uow:
                    await uow.kv.set("/b", b"1")
                connection.commit()
            async with store.read() as view:
                assert [entry.key async for entry in view.kv.iter()] == ["/b"]
            await is_free(store)

    asyncio.run(main())
    engine.dispose()


def test_verbs_and_questions_of_governance(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            charter = AsyncCharter(store)
            await asyncio.gather(*[charter.create_area(label=f"a{n}", area_id=f"a{n}", actor="ana") for n in range(10)])
            assert len(await charter.areas()) == 10
            assert await AsyncCharter(store, indexed=False).areas() == await charter.areas()
            assert len(await charter.as_of(3).areas()) == 3
            with pytest.raises(NotFoundError):
                await charter.as_of(99).areas()
            with pytest.raises(NotFoundError):
                await charter.area("x")
            assert (await charter.boot()).phases

    asyncio.run(main())


# Views and iterators


def test_more_views_than_there_are_threads_or_connections(url: str) -> None:
    """They wait for a place, without a thread, and each is closed."""

    async def one(store: AsyncStore) -> int:
        async with store.read() as view:
            await asyncio.sleep(0)
            assert await view.kv.get("/a") is not None
            return await view.revision

    async def main() -> None:
        async with await connect_async(url) as store:
            await store.run(lambda uow: uow.kv.set("/a", b"1"))
            assert await asyncio.gather(*[one(store) for _ in range(150)]) == [1] * 150
            views = [store.read() for _ in range(VIEWS_MAX)]
            for view in views:
                await view.__aenter__()
            await store.run(lambda uow: uow.kv.set("/a", b"2"))
            for view in views:
                await view.__aexit__(None, None, None)
            await is_free(store)

    asyncio.run(main())


def test_a_view_is_one_snapshot_for_every_task(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            await store.run(lambda uow: uow.kv.set("/a", b"1"))
            async with store.read() as view, store.read(as_of=0) as past:
                await store.run(lambda uow: uow.kv.set("/a", b"2"))
                found = await asyncio.gather(*[view.kv.require("/a") for _ in range(50)])
                assert {entry.value for entry in found} == {b"1"}
                assert await past.kv.get("/a") is None
                assert await view.kv.revision == 1

    asyncio.run(main())


def test_an_iterator_reads_a_chunk_ahead_and_no_more() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            if number == 700:
                raise ZeroDivisionError
            yield number

    hops = 0

    async def hop(call: Callable[[], Any], /) -> Any:
        nonlocal hops
        hops += 1
        return call()

    async def main() -> None:
        items = Chunks(hop, numbers)
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]
        assert taken <= CHUNK_ITEMS
        rest = []
        with pytest.raises(ZeroDivisionError):
            async for number in items:
                rest.append(number)
        assert rest == list(range(3, 700))
        assert hops < 350
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    asyncio.run(main())


def test_the_items_of_an_iterator_are_those_of_the_sync_one(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            await store.run(lambda uow: [uow.kv.set(f"/{n:04}", b"1") for n in range(1_000)])
            async with store.read() as view:
                keys = [entry.key async for entry in view.kv.iter(after="/0004")]
                assert keys == [f"/{n:04}" for n in range(5, 1_000)]
                one = view.kv.iter()
                assert [(await anext(one)).key for _ in range(2)] == ["/0000", "/0001"]
                with pytest.raises(InvalidInputError):
                    await anext(view.kv.iter(after="no key"))

    asyncio.run(main())


# Watches


@pytest.mark.spec("KV-5")
def test_a_watch_tells_every_batch_and_cancelling_loses_none(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            async with store.watch("kv:/*") as watch:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(watch), MOMENT_S)
                for n in range(3):
                    await store.run(lambda uow, n=n: uow.kv.set("/a", b"%d" % n))
                values = []
                async for batch in watch:
                    values += [event.new_value for event in batch.events]
                    if len(values) == 3:
                        break
                assert values == [b"0", b"1", b"2"]
                assert watch.revision == 3
                asyncio.get_running_loop().call_later(
                    MOMENT_S, lambda: closers.append(asyncio.ensure_future(watch.close()))
                )
                closers: list[asyncio.Future[None]] = []
                assert [batch async for batch in watch] == []
                await closers[0]
            assert {thread.name for thread in threads() if thread.name.startswith("charter-watch")} == set()
            with pytest.raises(InvalidInputError):
                async with store.watch("no pattern"):
                    pytest.fail("it was opened")

    asyncio.run(main())


def test_a_cancelled_watcher_leaves_no_thread(url: str) -> None:
    async def follow(store: AsyncStore) -> None:
        async with store.watch("kv:/*") as watch:
            async for _ in watch:
                pass

    async def main() -> None:
        async with await connect_async(url) as store:
            watchers = [asyncio.create_task(follow(store)) for _ in range(30)]
            await asyncio.sleep(MOMENT_S)
            await asyncio.wait_for(store.run(lambda uow: uow.kv.set("/a", b"1")), 10)
            for task in watchers:
                task.cancel()
            await asyncio.wait(watchers)
            assert all(task.cancelled() for task in watchers)
            names = {thread.name.rpartition("_")[0] for thread in threads()}
            assert names <= {"charter-read", "charter-write", "charter-run"}

    asyncio.run(main())


# Its end, and its loop


def test_closing_ends_what_is_open(url: str) -> None:
    """A unit is rolled back and told so, who waits is refused, a watch ends, and what `run` began is finished."""

    async def main() -> None:
        store = await connect_async(url)
        reached, closed = asyncio.Event(), asyncio.Event()

        async def unit() -> None:
            async with store.begin() as uow:
                await uow.kv.set("/unit", b"1")
                reached.set()
                await closed.wait()

        async def follow() -> list[Any]:
            async with store.watch("kv:/*") as watch:
                return [batch async for batch in watch]

        async def look() -> None:
            async with store.read() as view:
                await closed.wait()
                with pytest.raises(StoreClosedError):
                    await view.kv.get("/a")

        watching, looking, open_unit = (asyncio.create_task(work()) for work in (follow, look, unit))
        await reached.wait()
        waiting = asyncio.create_task(store.run(print))
        await asyncio.sleep(0)
        await asyncio.gather(store.close(), store.close())
        closed.set()
        assert await watching == []
        await looking
        for task in (open_unit, waiting):
            with pytest.raises(StoreClosedError):
                await task
        assert not (await store.health_check()).ok
        for call in (store.begin, store.read, lambda: store.watch("kv:/*")):
            with pytest.raises(StoreClosedError):
                call()
        with pytest.raises(StoreClosedError):
            await store.run(print)
        await store.close()

    asyncio.run(main())


def test_closing_leaves_the_lock_free(shared_url: str) -> None:
    async def main() -> None:
        store = await connect_async(shared_url)
        async with store.read() as view:
            with pytest.raises(StoreClosedError):
                async with store.begin() as uow:
                    await uow.kv.set("/a", b"1")
                    await uow.flush()
                    await store.close()
            with pytest.raises(StoreClosedError):
                await view.revision
        with connect(shared_url, unit_timeout_s=5) as other, other.begin() as again:
            again.kv.create_if_not_exists("/a", b"2")

    asyncio.run(main())


def test_a_store_belongs_to_its_loop(url: str) -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:
        store = first.run(connect_async(url))
        blocks = []

        async def elsewhere() -> None:
            for call in (store.begin, store.read, lambda: store.watch("kv:/*")):
                with pytest.raises(InvalidInputError, match="another event loop"):
                    call()
            for make in (lambda: store.run(print), lambda: store.resolve("x"), store.health_check, store.close):
                with pytest.raises(InvalidInputError, match="another event loop"):
                    await make()
            with pytest.raises(InvalidInputError, match="event loop"):
                await opened.revision

        async def enter() -> Any:
            blocks.append(store.read())
            return await blocks[0].__aenter__()

        async def leave() -> None:
            await blocks[0].__aexit__(None, None, None)
            await is_free(store)
            await store.close()

        opened = first.run(enter())
        second.run(elsewhere())
        first.run(leave())


def test_a_loop_that_is_closed_while_a_unit_is_open_gives_the_lock_back(shared_url: str) -> None:
    """Its coroutine is thrown away; then nothing can be awaited any more, and the thread rolls back by itself."""
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(connect_async(shared_url))

    async def unit() -> None:
        async with store.begin() as uow:
            await uow.kv.set("/a", b"1")
            await uow.flush()
            await asyncio.sleep(3600)

    work = unit()
    task = loop.create_task(work)
    loop.run_until_complete(asyncio.sleep(MOMENT_S))
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    del task
    work.close()
    with connect(shared_url, unit_timeout_s=10) as other, other.begin() as uow:
        uow.kv.create_if_not_exists("/a", b"2")
    asyncio.run(store.close())


def test_the_end_of_a_program_ends_its_units(shared_url: str) -> None:
    """`asyncio.run` cancels what is left over."""

    async def main() -> AsyncStore:
        store = await connect_async(shared_url)

        async def unit() -> None:
            async with store.begin() as uow:
                await uow.kv.set("/a", b"1")
                await asyncio.sleep(3600)

        main.left = asyncio.create_task(unit())  # type: ignore[attr-defined]
        await asyncio.sleep(MOMENT_S)
        return store

    store = asyncio.run(main())
    with connect(shared_url, unit_timeout_s=10) as other, other.begin() as uow:
        uow.kv.create_if_not_exists("/a", b"2")
    asyncio.run(store.close())


def test_connecting_raises_what_the_sync_one_raises(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(MigrationRequiredError):
            await connect_async(f"sqlite:///{tmp_path}/none.db")
        with pytest.raises(InvalidInputError):
            await connect_async("memory://", unit_timeout_s=0)
        async with await connect_async(f"sqlite:///{tmp_path}/new.db", migrate="upgrade") as store:
            assert (store.name, store.requires_network, store.supports_air_gapped) == ("sqlite", False, True)
            assert store.capabilities.supports_transactions
            assert store.store_id
            assert (await store.diagnose()).problems == ()
            assert (await store.health_check()).ok

    asyncio.run(main())
