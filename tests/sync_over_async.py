"""The async face driven from plain threads, so that the conformance suite can say of it what it says of a store.

Each calling thread has one task on the loop, because a unit of work belongs to a task as it belongs to a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any

from charter_persist.aio.facet import Chunks, Facet
from charter_persist.aio.lease import AsyncLease
from charter_persist.aio.store import AsyncStore, open_async
from charter_persist.store import Store
from charter_persist.testing import OpenStore


class Bridge:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bridge")
        self._local = threading.local()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread.start()

    def call(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Await something in the task of the calling thread."""
        if not hasattr(self._local, "queue"):
            self._local.queue = asyncio.Queue()
            self._loop.call_soon_threadsafe(self._begin, self._local.queue)
        done: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._local.queue.put_nowait, (make, done))
        return done.result()

    def _begin(self, queue: asyncio.Queue[Any]) -> None:
        self._tasks.append(self._loop.create_task(self._serve(queue)))

    @staticmethod
    async def _serve(queue: asyncio.Queue[Any]) -> None:
        while True:
            make, done = await queue.get()
            try:
                done.set_result(await make())
            except asyncio.CancelledError as exc:
                done.set_exception(exc)
                raise
            except BaseException as exc:
                done.set_exception(exc)

    def close(self) -> None:
        async def end() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncFacet:
    """A facet without its awaits."""

    def __init__(self, bridge: Bridge, facet: Facet) -> None:
        self._bridge = bridge
        self._facet = facet

    def __getattr__(self, name: str) -> Any:
        if not hasattr(type(self._facet), name):
            return getattr(self._facet._find(), name)  # what backends see of a unit is the same object
        value = getattr(self._facet, name)
        if callable(value):
            return lambda *args, **kwargs: self._plain(lambda: value(*args, **kwargs))
        return self._plain(lambda: value)

    def _plain(self, make: Callable[[], Any]) -> Any:
        value = make()
        if isinstance(value, Facet):
            return SyncFacet(self._bridge, value)
        if isinstance(value, AsyncIterator):
            return self._items(value)
        if isinstance(value, Awaitable):
            return self._bridge.call(lambda: value)
        return value

    def _items(self, chunks: Any) -> Iterator[Any]:
        """What a sync call refuses at once is refused at once."""
        assert isinstance(chunks, Chunks)

        def start() -> None:
            chunks._items = chunks._start()

        self._bridge.call(lambda: chunks._hop(start))
        return self._iterate(chunks)

    def _iterate(self, chunks: Chunks[Any]) -> Iterator[Any]:
        """Item by item, with one call of the loop for what is there already."""

        async def some() -> list[Any]:
            found = [await anext(chunks)]
            while chunks._ready:
                found.append(await anext(chunks))
            return found

        while True:
            try:
                found = self._bridge.call(some)
            except StopAsyncIteration:
                return
            yield from found


class SyncBlock:
    """An asynchronous context manager without its awaits; a view is open before it is entered."""

    def __init__(self, bridge: Bridge, block: AbstractAsyncContextManager[Any]) -> None:
        self._bridge = bridge
        self._block = block

    def __enter__(self) -> Any:
        return SyncFacet(self._bridge, self._bridge.call(self._block.__aenter__))

    def __exit__(self, *error: Any) -> None:
        self._bridge.call(lambda: self._block.__aexit__(*error))
        if isinstance(error[1], GeneratorExit):  # then nobody waits for the thread
            self._bridge.call(lambda: asyncio.wait_for(self._until_left(), 30))

    async def _until_left(self) -> None:
        while self._block in self._block._among:  # type: ignore[attr-defined]
            await asyncio.sleep(0)


class SyncView(SyncFacet):
    def __init__(self, bridge: Bridge, block: AbstractAsyncContextManager[Any]) -> None:
        self._block = SyncBlock(bridge, block)
        super().__init__(bridge, bridge.call(block.__aenter__))

    def __enter__(self) -> SyncView:
        return self

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)

    def close(self) -> None:
        self._block.__exit__(None, None, None)


class SyncWatch:
    """An asynchronous watch without its awaits."""

    def __init__(self, bridge: Bridge, block: AbstractAsyncContextManager[Any]) -> None:
        self._bridge = bridge
        self._block = block
        self._watch = bridge.call(block.__aenter__)

    @property
    def revision(self) -> int:
        return int(self._watch.revision)

    def __iter__(self) -> SyncWatch:
        return self

    def __next__(self) -> Any:
        try:
            return self._bridge.call(self._watch.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._bridge.call(lambda: self._block.__aexit__(None, None, None))

    def __enter__(self) -> SyncWatch:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class SyncTenure:
    """An asynchronous lease or leadership without its awaits; it has begun before it is entered."""

    def __init__(self, bridge: Bridge, block: AbstractAsyncContextManager[Any], held: Any = None) -> None:
        self._bridge = bridge
        self._block = block
        self._held = held or bridge.call(block.__aenter__)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._held, name)
        if isinstance(value, AsyncLease):
            return SyncTenure(self._bridge, self._block, value)
        if inspect.iscoroutinefunction(value):
            return lambda *arguments: self._bridge.call(lambda: value(*arguments))
        return value

    def __enter__(self) -> SyncTenure:
        return self

    def __exit__(self, *error: Any) -> None:
        self._bridge.call(lambda: self._block.__aexit__(*error))


class SyncStore(SyncFacet):
    """An `AsyncStore` without its awaits."""

    _facet: AsyncStore

    def begin(self, **arguments: Any) -> SyncBlock:
        return SyncBlock(self._bridge, self._bridge.call(lambda: self._soon(self._facet.begin, arguments)))

    def read(self, **arguments: Any) -> SyncView:
        return SyncView(self._bridge, self._bridge.call(lambda: self._soon(self._facet.read, arguments)))

    def watch(self, pattern: str, **arguments: Any) -> SyncWatch:
        return SyncWatch(
            self._bridge, self._bridge.call(lambda: self._soon(self._facet.watch, {"pattern": pattern, **arguments}))
        )

    def lease(self, ttl_s: float) -> SyncTenure:
        return SyncTenure(self._bridge, self._bridge.call(lambda: self._soon(self._facet.lease, {"ttl_s": ttl_s})))

    def elect(self, key: str, value: bytes = b"", **arguments: Any) -> SyncTenure:
        arguments |= {"key": key, "value": value}
        return SyncTenure(self._bridge, self._bridge.call(lambda: self._soon(self._facet.elect, arguments)))

    def run(self, fn: Callable[[Any], Any], **arguments: Any) -> Any:
        context = contextvars.copy_context()
        return self._bridge.call(lambda: self._facet.run(lambda uow: context.copy().run(fn, uow), **arguments))

    @staticmethod
    async def _soon(open_block: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        return open_block(**arguments)

    def close(self) -> None:
        self._bridge.call(self._facet.close)

    def __enter__(self) -> SyncStore:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class SyncOverAsync:
    """`OpenStore` whose handles go through the async face; close it when they are closed."""

    def __init__(self, open_store: OpenStore) -> None:
        self._open_store = open_store
        self._bridge = Bridge()

    def __call__(self, *, unit_timeout_s: float = 30.0, **arguments: Any) -> Store:
        def open_sync() -> Store:
            return self._open_store(unit_timeout_s=unit_timeout_s, **arguments)

        store: Any = SyncStore(self._bridge, self._bridge.call(lambda: open_async(open_sync, timeout_s=unit_timeout_s)))
        return store

    def close(self) -> None:
        self._bridge.close()
