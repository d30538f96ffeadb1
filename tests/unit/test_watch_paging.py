"""A watch reads the journal in pages: what it holds is bounded, and so is what a planted fault can hide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from charter_persist import Store, connect
from charter_persist.backends.contract import KV_CHANGE, METADATA_LOG, OBJECT, Relation
from charter_persist.backends.memory import MemoryBackend
from charter_persist.backends.wakeup import Wakeup
from charter_persist.errors import IntegrityError
from charter_persist.testing import MemoryBackDoor, SharedBackend, open_over
from charter_persist.testing.kv import put
from charter_persist.watch import delivery, journal_feed
from charter_persist.watch.journal_feed import BYTES_PER_WEIGHT, PAGE_WEIGHT


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


@pytest.mark.spec("KV-5")
def test_a_page_is_bounded_by_the_number_of_entries(store: Store) -> None:
    for number in range(PAGE_WEIGHT * 2):
        put(store, n=b"%d" % number)
    with store.watch("kv:/*", after=0) as watch:
        next(watch)
        assert len(watch._ready) < PAGE_WEIGHT
        assert sum(1 for _ in zip(range(PAGE_WEIGHT * 2 - 1), watch, strict=False)) == PAGE_WEIGHT * 2 - 1


@pytest.mark.spec("KV-5")
def test_a_page_is_bounded_by_the_size_of_the_values(store: Store) -> None:
    large = PAGE_WEIGHT * BYTES_PER_WEIGHT // 4
    for number in range(16):
        put(store, n=bytes([number]) * large)
    with store.watch("kv:/*", after=0) as watch:
        for number in range(16):
            assert next(watch).revision == number + 1
            assert len(watch._ready) <= 4


@pytest.mark.spec("KV-5")
def test_pages_of_one_revision_deliver_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        put(store, **dict.fromkeys("abc"[: number % 4], b"%d" % number), other=b"")
    with store.watch("kv:/a", after=0) as watch:
        whole = [next(watch) for _ in range(37)]
    monkeypatch.setattr(journal_feed, "PAGE_WEIGHT", 1)
    with store.watch("kv:/a", after=0) as watch:
        assert [next(watch) for _ in range(37)] == whole


@pytest.mark.spec("KV-5")
@pytest.mark.parametrize(
    ("pattern", "relation", "position"),
    [("kv:/*", KV_CHANGE, 1), ("kv:/*", KV_CHANGE, 5), ("metadata:*", METADATA_LOG, 2), ("object:*", OBJECT, 3)],
)
def test_what_nothing_accounts_for_is_not_skipped(pattern: str, relation: Relation[Any], position: int) -> None:
    memory = MemoryBackend()
    with open_over(lambda: SharedBackend(memory))() as store:
        with store.begin() as uow:
            uow.metadata.set("a", 1)
            uow.objects.put("thing", {})
            uow.metadata.set("a", 2)
        for number in range(2):
            put(store, a=b"%d" % number)
        backdoor = MemoryBackDoor(memory)
        rows = sorted(backdoor.raw_rows(relation), key=lambda row: row.position)
        backdoor.raw_delete(relation, relation.key_of(rows[0 if position < 5 else -1]))
        with store.watch(pattern, after=0) as watch, pytest.raises(IntegrityError, match="charter verify"):
            for _ in range(2):
                next(watch)


@pytest.mark.spec("KV-5")
def test_a_missed_wake_up_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # The control of the look-out's tests: without polling a lost ring would be waited for without end.
    monkeypatch.setattr(delivery, "POLL_S", 0.01)
    monkeypatch.setattr(Wakeup, "ring", lambda self: None)
    with store.watch("kv:/*") as watch:
        timer = threading.Timer(0.05, put, args=(store,), kwargs={"a": b"1"})
        timer.start()
        assert next(watch).events[0].new_value == b"1"
        timer.join()


@pytest.mark.spec("KV-5")
def test_only_the_first_and_the_last_listener_start_and_end_a_look_out() -> None:
    told: list[str] = []

    def start() -> Any:
        told.append("start")
        return lambda: told.append("end")

    wakeup = Wakeup(start)
    first, second = wakeup.listen(), wakeup.listen()
    first.close()
    first.close()
    assert told == ["start"]
    second.close()
    assert told == ["start", "end"]
    wakeup.listen()
    wakeup.close()
    wakeup.close()
    assert told == ["start", "end"] * 2


@pytest.mark.spec("KV-5")
def test_a_look_out_that_cannot_start_leaves_nobody_listening() -> None:
    def start() -> Any:
        raise OSError("no thread")

    wakeup = Wakeup(start)
    for _ in range(2):
        with pytest.raises(OSError, match="no thread"):
            wakeup.listen()
    assert wakeup._listeners == 0


@pytest.mark.spec("KV-5")
def test_a_ring_before_the_wait_ends_it_at_once() -> None:
    # Between reading a page and waiting there is always a moment; a commit in it must not be waited for.
    wakeup = Wakeup()
    bell = wakeup.listen()
    wakeup.ring()
    assert ends(lambda: bell.wait(3600.0))


@pytest.mark.spec("KV-5")
def test_closing_does_not_wait_for_a_poll(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "POLL_S", 3600.0)
    watch = store.watch("kv:/*")
    timer = threading.Timer(0.05, watch.close)
    timer.start()
    assert ends(lambda: list(watch))
    timer.join()


def ends(work: Callable[[], Any]) -> bool:
    """Whether a call comes to its end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10.0)
    return not thread.is_alive()
