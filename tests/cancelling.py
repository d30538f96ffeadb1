"""Cancelling a coroutine at each of its suspensions, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from charter_persist import AsyncStore


@coroutine
def _cancelling(inner: Coroutine[Any, Any, Any], at: int, pause_s: float) -> Generator[Any, Any, int]:
    """Drive a coroutine, and cancel its task when it is suspended for the ``at``-th time; how often it was."""
    number = 0
    send, value = inner.send, None
    while True:
        try:
            suspended = send(value)
        except StopIteration:
            return number
        number += 1
        if number == at:
            task = asyncio.current_task()
            assert task is not None
            if pause_s:
                asyncio.get_running_loop().call_later(pause_s, task.cancel)
            else:
                task.cancel()
        try:
            value, send = (yield suspended), inner.send
        except BaseException as exc:
            value, send = exc, inner.throw


async def cancel_at(work: Coroutine[Any, Any, Any], at: int, *, pause_s: float = 0) -> bool:
    """Run a coroutine and cancel it at a suspension; whether it has that many.

    Args:
        work: what is cancelled.
        at: the number of the suspension, from 1.
        pause_s: how long after it was suspended; by then its thread is in the midst of something, or it has ended.
    """

    async def run() -> int:
        return await _cancelling(work, at, pause_s)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if task.cancelled():
        return True
    suspensions = task.result()
    assert pause_s or suspensions < at, "a cancellation was swallowed"
    return suspensions >= at


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("charter")}


async def is_free(store: AsyncStore) -> None:
    """The next unit gets the lock at once, and every way to write works; what it writes is no change."""
    async with asyncio.timeout(10):
        async with store.begin() as uow:
            await uow.kv.set("/free", b"1")
            await uow.kv.delete("/free")
        assert uow.receipt is None
        await store.run(lambda unit: unit.kv.exists("/free"))
        assert await store.resolve("unknown") is None
    assert store._blocks == set()
    assert store._runs == set()
    assert not store._writing.turn.sharing
    assert not store._writing.turn._taken
