"""Conformance of how a watch ends, and of watching from asynchronous code.

Source: KV-5, DESIGN 6.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from charter_persist.errors import CompactedError
from charter_persist.store import Store
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.kv import newest, put
from charter_persist.testing.watch import watching

JOIN_S: Final = 30.0
# Long enough that a thread waits in the watch.
MOMENT_S: Final = 0.05


@pytest.mark.spec("KV-5")
class WatchEndConformance(StoreFixtures):
    """Whoever closes a watch, it ends, and nothing of it is left."""

    @pytest.fixture(autouse=True)
    def _no_thread_is_left(self) -> Iterator[None]:
        before = set(threading.enumerate())
        yield
        assert threads_left(before) == []

    def test_a_closed_watch_has_ended(self, store: Store) -> None:
        """Also where there is more, and however often it is closed."""
        start = newest(store)
        put(store, a=b"1")
        put(store, a=b"2")
        with store.watch("kv:/*", after=start) as watch:
            next(watch)
        watch.close()
        assert list(watch) == []

    def test_closing_ends_a_watch_that_waits(self, store: Store) -> None:
        """From another thread; what listened for it has ended too, though the store is open."""
        before = set(threading.enumerate())
        watch = store.watch("kv:/*")
        batches, reader = read_in_thread(watch)
        watch.close()
        reader.join(JOIN_S)
        assert threads_left(before) == []
        assert batches == []

    def test_closing_the_store_ends_its_watches(self, open_store: OpenStore) -> None:
        """Those that wait, and those that nobody reads."""
        store = open_store()
        waiting, idle = store.watch("kv:/*"), store.watch("kv:/a")
        _, reader = read_in_thread(waiting)
        store.close()
        reader.join(JOIN_S)
        assert not reader.is_alive()
        assert list(idle) == []

    def test_watches_end_independently(self, store: Store) -> None:
        """Closing one neither ends nor starves another."""
        with watching(store, "kv:/*", None) as watch:
            for _ in range(3):
                store.watch("kv:/*").close()
                put(store, a=b"1")
                assert len(next(watch).events) == 1

    def test_an_asynchronous_watch_tells_the_same(self, store: Store) -> None:
        """`async for`, while another task writes through a thread."""

        async def read() -> list[bytes | str | None]:
            found: list[bytes | str | None] = []
            with store.watch("kv:/*") as watch:
                writer = asyncio.create_task(asyncio.to_thread(write_three, store))
                async for batch in watch:
                    found += [event.new_value for event in batch.events]
                    if len(found) == 3:
                        break
                await writer
            return found

        assert asyncio.run(read()) == [b"0", b"1", b"2"]

    def test_cancelling_loses_no_batch(self, store: Store) -> None:
        """However often somebody stops waiting, the next one gets what comes."""

        async def read() -> Any:
            with store.watch("kv:/*") as watch:
                for _ in range(3):
                    with pytest.raises(asyncio.TimeoutError):
                        await asyncio.wait_for(anext(watch), MOMENT_S)
                put(store, a=b"1")
                first = await anext(watch)
                task = asyncio.create_task(anext_of(watch))
                await asyncio.sleep(0)
                put(store, a=b"2")
                task.cancel()
                await asyncio.wait([task])
                second = await anext(watch) if task.cancelled() else task.result()
                return [event.new_value for batch in (first, second) for event in batch.events]

        assert asyncio.run(read()) == [b"1", b"2"]

    def test_closing_ends_an_asynchronous_watch(self, store: Store) -> None:
        """While it waits."""

        async def read() -> list[Any]:
            with store.watch("kv:/*") as watch:
                asyncio.get_running_loop().call_later(MOMENT_S, watch.close)
                return [batch async for batch in watch]

        assert asyncio.run(read()) == []

    def test_many_asynchronous_watches_keep_no_other_work_waiting(self, store: Store) -> None:
        """Each waits in a thread of its own, and not in one of those that the loop has for everybody."""

        async def read() -> list[Any]:
            watches = [store.watch("kv:/*") for _ in range(40)]
            waiting = [asyncio.create_task(anext_of(watch)) for watch in watches]
            await asyncio.sleep(MOMENT_S)
            revision = await asyncio.wait_for(asyncio.to_thread(put, store, a=b"1"), JOIN_S)
            batches = await asyncio.gather(*waiting)
            for watch in watches:
                watch.close()
            return [batch.revision - revision for batch in batches]

        assert asyncio.run(read()) == [0] * 40

    def test_the_end_of_a_loop_ends_what_waits_in_it(self, store: Store) -> None:
        """A task that nobody waited for is cancelled then, and must not keep the loop."""

        async def leave() -> Any:
            watch = store.watch("kv:/*")
            task = asyncio.create_task(anext_of(watch))
            await asyncio.sleep(MOMENT_S)
            return watch, task

        watch, task = asyncio.run(leave())
        assert task.cancelled()
        revision = put(store, a=b"1")
        assert next(watch).revision == revision
        watch.close()

    def test_an_error_reaches_an_asynchronous_reader(self, store: Store) -> None:
        """With its facts."""
        start = newest(store)
        put(store, a=b"1")
        upto = put(store, a=b"2")
        store.run(lambda uow: uow.kv.compact(upto=upto))

        async def read() -> None:
            with store.watch("kv:/*", after=start) as watch:
                await anext(watch)

        with pytest.raises(CompactedError) as caught:
            asyncio.run(read())
        assert caught.value.oldest == upto

    @requires(Requirement.JOURNAL)
    def test_a_watch_holds_no_view_while_it_waits(self, store: Store) -> None:
        """So what was erased can be scrubbed, and the log of a writer does not grow because somebody waits."""
        put(store, a=b"secret")
        watch = store.watch("kv:/*", after=0)
        next(watch)
        _, reader = read_in_thread(watch)
        with store.begin() as uow:
            uow.kv.erase("/a")
        store.scrub()
        watch.close()
        reader.join(JOIN_S)


def threads_left(before: set[threading.Thread]) -> list[str]:
    """Threads that were begun since and still run: ours at once, those of a driver within a time."""
    deadline = time.monotonic() + JOIN_S
    while left := [thread.name for thread in set(threading.enumerate()) - before]:
        if any(name.startswith("charter") for name in left) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return left


async def anext_of(watch: Any) -> Any:
    """The next batch, as a coroutine."""
    return await anext(watch)


def write_three(store: Store) -> None:
    """Three units."""
    for number in range(3):
        put(store, a=b"%d" % number)


def read_in_thread(watch: Any) -> tuple[list[Any], threading.Thread]:
    """Collect what a watch gives, in a thread that waits by the time this returns."""
    found: list[Any] = []
    read: Callable[[], None] = lambda: found.extend(watch)  # noqa: E731
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    time.sleep(MOMENT_S)
    return found, thread
