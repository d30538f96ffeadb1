"""Messages at the end of a long thread beside those at the end of a short one, and what a thread takes on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, Work, compare
from benchmarks.on_sqlite import opened, size
from charter_persist import Store

STEP = "x" * 415


def messages(store: Store, thread_id: str, count: int) -> Work:
    """Messages at the end of a thread, one a commit."""

    def work(_number: int) -> int:
        before = size(store)
        for _ in range(count):
            with store.begin() as uow:
                uow.messages.create_message(thread_id, role="user", content=STEP)
        return size(store) - before

    return work


def talk(store: Store, thread_id: str, steps: int) -> None:
    """A thread of so many messages, each the answer to the one before."""
    with store.begin() as uow:
        uow.messages.create_thread(tenant_id="t", user_id="u", thread_id=thread_id)
    parent = None
    for _ in range(steps):
        with store.begin() as uow:
            parent = uow.messages.create_message(thread_id, role="user", content=STEP, parent_id=parent).id


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of messages."""
    rounds, steps, tail = (2, 20, 5) if quick else (7, 1_000, 100)
    with opened(folder, "messages.db") as store:
        for n in range(rounds + 1):
            talk(store, f"short-{n}", 10)
        talk(store, "long", steps)
        yield compare(
            f"Messages: append at step {steps:,} beside step 10",
            messages(store, "long", tail),
            lambda number: messages(store, f"short-{number}", tail)(number),
            peer_name="at step 10",
            wanted="~ 1",
            rounds=rounds,
        )
    with opened(folder, "thread.db") as store:
        talk(store, "long", steps)
    taken = (folder / "thread.db").stat().st_size / 1e6
    yield Row(f"Messages: a thread of {steps:,} steps of 415 bytes", f"{taken:.2f} MB", "-", "-", "< 3 MB")
