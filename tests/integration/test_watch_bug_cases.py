"""What went wrong with watch and compaction in etcd, as cases that hold here on every backend.

Numbers are those of the issues in etcd's own track record (tests/robustness in its repository); cases without one are
described in words. A backend that joins the fixture ``places`` has to pass them as they stand: they use nothing but
`begin`, `run`, `read` and `watch`, and count revisions from the one at which a case begins. etcd itself is one of them.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from charter_persist import Store, UnitOfWork, connect
from charter_persist.errors import CompactedError
from charter_persist.model.entry import CheckVersion, Delete, Set
from charter_persist.testing import OpenStore, Place
from charter_persist.testing.kv import newest, put
from charter_persist.testing.watch import change, delete, take, watching
from charter_persist.watch.event import WatchBatch
from tests.rounds.clients import Desk
from tests.rounds.clients import start as start_client
from tests.rounds.places import Place as Rounds

pytestmark = [
    pytest.mark.spec("P18", "KV-5"),
    pytest.mark.parametrize("places", ["memory", "sqlite", "postgres", "etcd"], indirect=True, scope="module"),
]


class UndoneError(Exception):
    """A unit that shall leave nothing."""


@pytest.fixture
def store(open_store: OpenStore) -> Any:
    with open_store() as store:
        yield store


@pytest.fixture
def start(open_store: OpenStore) -> int:
    """The revision at which the case begins."""
    with open_store() as store:
        return newest(store)


def compact(store: Store, upto: int) -> None:
    store.run(lambda uow: uow.kv.compact(upto=upto))


def changes(batches: list[WatchBatch]) -> list[Any]:
    return [change(event) for batch in batches for event in batch.events]


def told_or_compacted(store: Store, pattern: str, after: int, last: bytes) -> list[Any] | int:
    """What a watch tells until a value, or the oldest revision that is known, where it says that history is gone."""
    found: list[Any] = []
    with watching(store, pattern, after) as watch:
        try:
            for batch in watch:
                found += changes([batch])
                if batch.events[-1].new_value == last:
                    return found
        except CompactedError as exc:
            assert found == [], "what is told after a gap can only be behind it"
            return exc.oldest
    raise AssertionError(f"the watch ended without {last!r}")


def test_15220_progress_is_not_told_before_what_it_covers(store: Store, start: int) -> None:
    # A progress notification overtook events of the stream: who resumed from it lost them.
    for number in range(60):
        put(store, **{("a" if number % 3 else "other"): b"%d" % number})
    expected = changes(take(store, "kv:/a", 40, start))
    with store.watch("kv:/*"):  # what listens for commits need not begin anew for each watch
        for stop in range(1, 40, 3):
            with watching(store, "kv:/a", start) as watch:
                before = changes(list(islice(watch, stop)))
                bookmark = watch.revision
            assert before + changes(take(store, "kv:/a", 40 - stop, bookmark)) == expected


def test_15271_a_watch_never_goes_back_in_time(open_store: OpenStore, start: int) -> None:
    # After a network partition a watch went on from an older revision.
    told, bookmarks = [], [start]
    with open_store() as writer:
        for number in range(8):
            put(writer, a=b"%d" % number)
            put(writer, other=b"")
            with open_store() as reader, watching(reader, "kv:/a", bookmarks[-1]) as watch:
                told.append(next(watch).revision)
                bookmarks.append(watch.revision)
    assert told == list(range(start + 1, start + 16, 2))
    assert bookmarks == sorted(bookmarks)


def test_17247_a_transaction_is_told_once(store: Store, start: int) -> None:
    # A cache of transactions doubled an event.
    put(store, a=b"0", b=b"0")
    store.run(
        lambda uow: uow.kv.transaction([CheckVersion("/a", 1), Set("/a", b"1"), Set("/b", b"1"), Set("/a", b"2")])
    )
    for _ in range(3):
        store.run(lambda uow: uow.kv.set("/b", b"2"), operation_id="once")
    put(store, a=b"end")
    batches = take(store, "kv:/*", 3, after=start + 1)
    assert [set(changes([batch])) for batch in batches] == [
        {("/a", b"0", b"2", 2), ("/b", b"0", b"1", 2)},
        {("/b", b"1", b"2", 3)},
        {("/a", b"2", b"end", 3)},
    ]


def test_17529_no_watch_starves_beside_many_others(store: Store) -> None:
    # Of many watches on one stream some lost events while large values went to the others.
    with ThreadPoolExecutor(20) as pool:
        watches = [store.watch("kv:/n/*") for _ in range(20)]
        readers = [pool.submit(lambda watch=watch: changes(list(islice(watch, 40)))) for watch in watches]
        for number in range(40):
            put(store, **{f"n/{number}": b"%d" % number * 20_000})
        told = [reader.result(120) for reader in readers]
        for watch in watches:
            watch.close()
    assert [key for key, *_ in told[0]] == [f"/n/{number}" for number in range(40)]
    assert all(one == told[0] for one in told)


def test_17780_an_interrupted_compaction_takes_no_revision_back(open_store: OpenStore, start: int) -> None:
    # After a crash in a compaction the newest revision was lower, so revisions were given twice.
    with open_store() as store:
        for number in range(5):
            put(store, a=b"%d" % number)
        delete(store, "/a")

        def interrupted(uow: UnitOfWork) -> None:
            uow.kv.compact(upto=start + 6)
            uow.kv.set("/b", b"never")
            raise UndoneError

        with pytest.raises(UndoneError):
            store.run(interrupted)
    with open_store() as store:
        with store.read() as view:
            assert view.revision == start + 6
        put(store, a=b"new")
        assert [batch.revision - start for batch in take(store, "kv:/*", 7, start)] == list(range(1, 8))


def compact_again_and_again(store: Store, desk: Desk, chance: random.Random) -> None:
    while True:
        put(store, a=chance.randbytes(4), b=chance.randbytes(4))
        delete(store, "/a")
        with store.read() as view:
            revision = view.revision
        compact(store, revision)
        desk.tell(revision)


def test_17780_a_kill_in_a_compaction_takes_no_revision_back(place: Place) -> None:
    if place.url is None:
        pytest.skip("no process can open this store")
    chance, revision = random.Random(17780), 0
    for number in range(3):
        client = start_client(Rounds(place.url), compact_again_and_again, number)
        client.go()
        while not client.told:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        client.kill()
        acknowledged = client.finish()
        with connect(place.url) as store, store.read() as view:
            assert view.revision >= max(acknowledged) > revision
            revision = view.revision
            with watching(store, "kv:/*", revision) as watch:
                put(store, a=b"after")
                assert [event.new_value for event in next(watch).events] == [b"after"]


@pytest.mark.parametrize("after", [2, 3])
def test_18089_a_deletion_that_was_compacted_is_not_passed_over(store: Store, start: int, after: int) -> None:
    # Compacted at the revision of a deletion, a watch from there began with what came behind the deletion.
    for number in (2, 3, 4):
        put(store, k=b"v%d" % number)
    delete(store, "/k")
    put(store, k=b"v6")
    compact(store, start + 4)
    told = told_or_compacted(store, "kv:/k", start + after, b"v6")
    if not isinstance(told, int):
        assert [(key, new) for key, _, new, _ in told] == [("/k", None), ("/k", b"v6")]
    else:
        assert start + after < told <= start + 4
        assert told_or_compacted(store, "kv:/k", told, b"v6") == [("/k", None, b"v6", 1)]


def test_18667_a_transaction_reads_no_compacted_revision(store: Store, start: int) -> None:
    # A transaction with a read of a compacted revision was applied on one member and not on another.
    put(store, a=b"1")
    put(store, a=b"2")
    compact(store, start + 2)
    with store.read() as view:
        before = list(view.kv.iter())

    def read_of_then(uow: UnitOfWork) -> None:
        uow.kv.set("/a", b"3")
        with store.read(as_of=start + 1) as view:
            view.kv.get("/a")

    with pytest.raises(CompactedError) as caught, store.begin() as uow:
        read_of_then(uow)
    assert caught.value.oldest == start + 2
    with store.read() as view:
        assert list(view.kv.iter()) == before


def test_19179_a_watch_opened_beside_a_compaction_tells_all_or_says_so(open_store: OpenStore) -> None:
    # A watch that was opened on the revision of a compaction, while it ran, missed a deletion.
    with open_store() as writer, open_store() as reader, ThreadPoolExecutor(1) as pool:
        for number in range(10):
            keys = [f"/{number}/{name}" for name in "ab"]
            for value in (b"1", b"2"):
                writer.run(lambda uow, keys=keys, value=value: [uow.kv.set(key, value) for key in keys])
            writer.run(lambda uow, keys=keys: uow.kv.delete(keys[0]))
            with writer.read() as view:
                deleted = view.revision
            writer.run(lambda uow, keys=keys: uow.kv.set(keys[0], b"end"))
            compacting = pool.submit(compact, writer, deleted)
            told = told_or_compacted(reader, f"kv:/{number}/*", deleted - 1, b"end")
            compacting.result(60)
            if isinstance(told, int):
                assert told == deleted
            else:
                assert [(key, new) for key, _, new, _ in told] == [(keys[0], None), (keys[0], b"end")]


def test_20221_a_future_revision_tells_nothing_of_the_past(open_store: OpenStore, start: int) -> None:
    # A watch from a future revision told old events, and progress below what was asked for.
    with open_store() as writer, open_store() as reader:
        for number in range(5):
            put(writer, a=b"%d" % number)
        with watching(reader, "kv:/*", start + 8) as watch:
            assert watch.revision == start + 8
            for number in range(5, 10):
                put(writer, a=b"%d" % number)
                assert watch.revision >= start + 8
            assert changes([next(watch), next(watch)]) == [("/a", b"7", b"8", 9), ("/a", b"8", b"9", 10)]


def test_an_update_whose_old_value_was_compacted_is_not_told_as_a_creation(store: Store, start: int) -> None:
    # Without the value before it a change looks like the first one.
    for number in range(4):
        put(store, a=b"%d" % number)
    compact(store, start + 3)
    put(store, a=b"end")
    assert told_or_compacted(store, "kv:/a", start + 3, b"end") == [("/a", b"2", b"3", 4), ("/a", b"3", b"end", 5)]
    for after in (0, 1, 2):
        assert told_or_compacted(store, "kv:/a", start + after, b"end") == start + 3


def test_no_event_is_lost_or_doubled_where_a_watch_goes_on_at_a_compaction(store: Store, start: int) -> None:
    # Resumed at the compacted revision, watches lost the next event, or told the last one again.
    for number in range(10):
        put(store, a=b"%d" % number, b=b"%d" % number)
    expected = take(store, "kv:/*", 10, start)
    assert [one.revision - start for one in expected] == list(range(1, 11))
    for upto in (3, 4, 9):
        compact(store, start + upto)
        assert take(store, "kv:/*", 10 - upto, start + upto) == expected[upto:]


def test_a_reader_that_is_slow_is_not_dropped(open_store: OpenStore) -> None:
    # A watch whose reader was behind was cancelled, or its channel overflowed, and nobody was told.
    with open_store() as writer, open_store() as reader, watching(reader, "kv:/n", None) as watch:
        put(writer, n=b"first")
        assert changes([next(watch)]) == [("/n", None, b"first", 1)]
        for number in range(300):
            put(writer, n=b"%d" % number)
        values = [new for _, _, new, _ in changes(list(islice(watch, 300)))]
    assert values == [b"%d" % number for number in range(300)]


def test_order_and_bookmarks_outlive_every_handle(open_store: OpenStore, start: int) -> None:
    # Across a restart events came in another order, or revisions began anew.
    told: list[WatchBatch] = []
    for number in range(6):
        with open_store() as store:
            put(store, a=b"%d" % number, b=b"%d" % -number)
            told += take(store, "kv:/*", 1, told[-1].revision if told else start)
    assert [batch.revision - start for batch in told] == list(range(1, 7))
    with open_store() as store:
        assert take(store, "kv:/*", 6, start) == told


def test_no_event_of_a_large_transaction_is_missing(store: Store, start: int) -> None:
    # Events of one transaction were cut into several answers, and a part was lost between them.
    keys = [f"/many/{number:03}" for number in range(100)]
    put(store, first=b"")
    store.run(lambda uow: uow.kv.transaction([Set(key, b"1" * 3_000) for key in keys]))
    deletions: list[Any] = [Delete(key) for key in keys[:50]]
    store.run(lambda uow: uow.kv.transaction([*deletions, *(Set(key, b"2") for key in keys[50:])]))
    created, changed = take(store, "kv:/many/*", 2, start)
    assert [event.key for event in created.events] == keys
    assert {event.key: event.type for event in changed.events} == {
        **dict.fromkeys(keys[:50], "deleted"),
        **dict.fromkeys(keys[50:], "updated"),
    }


BORDERS = ("/a", "/a/b", "/a0", "/a~", "/aÿ", "/a\uffff", "/a\U0010ffff", "/a\U0010ffff/x", "/b")


@pytest.mark.parametrize("pattern", ["/a*", "/a/*", "/a", "/a\U0010ffff*", "/aÿ*", "/*"], ids=ascii)
def test_the_end_of_a_prefix_is_neither_too_near_nor_too_far(store: Store, start: int, pattern: str) -> None:
    def fits(key: str) -> bool:
        return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern

    # The end of a range is the prefix with its last byte raised; where that byte is the greatest, it went wrong.
    for key in BORDERS:
        store.run(lambda uow, key=key: uow.kv.set(key, b"1"))
    expected = [key for key in BORDERS if fits(key)]
    assert [key for key, *_ in changes(take(store, f"kv:{pattern}", len(expected), start))] == expected
    with store.read() as view:
        assert sorted(expected) == [entry.key for entry in view.kv.iter(pattern.rstrip("*")) if fits(entry.key)]
