"""Conformance of watching: ordered, unique, reliable, atomic, resumable, bookmarkable, on every store.

Source: KV-5, RELIABILITY P17 and P18, DESIGN 3 (watch patterns).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from random import Random
from typing import Any, Final

import pytest

from charter_persist.errors import CompactedError, InvalidInputError, InvalidKeyError, StoreClosedError
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.entry import Delete, Entry, Set
from charter_persist.model.pattern import Pattern
from charter_persist.store import Store
from charter_persist.testing.assertions import refused
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures
from charter_persist.testing.kv import newest, put
from charter_persist.unit_of_work import UnitOfWork
from charter_persist.watch.delivery import Watch
from charter_persist.watch.event import WatchBatch, WatchEvent
from charter_persist.watch.subjects import STORES

PATIENCE_S: Final = 60.0
KEYS: Final = ("/a", "/a/x", "/a/y/z", "/b", "/b/x", "/*")
PATTERNS: Final = ("/*", "/a*", "/a/*", "/*/x", "/a", r"/\*", "/none", "*")
BAD_PATTERNS: Final = (
    "",
    "kv",
    "kv:",
    ":",
    ":/a",
    "keys:/a",
    "KV:/a",
    "kv:/\\a",
    "ref:\\",
    "journal:*",
    None,
    b"kv:/*",
)
KEYLESS_PATTERNS: Final = ("kv:a", "kv:a*", "kv: /a", "kv:\\*")
Change = tuple[str, bytes | None, bytes | None, int]


@contextmanager
def watching(store: Store, pattern: str, after: int | None = 0) -> Iterator[Watch]:
    """A watch that ends when nothing comes for a long time, so that a test fails instead of waiting for ever."""
    with store.watch(pattern, after=after) as watch:
        timer = threading.Timer(PATIENCE_S, watch.close)
        timer.start()
        try:
            yield watch
        finally:
            timer.cancel()
            timer.join()


def take(store: Store, pattern: str, count: int, after: int | None = 0) -> list[WatchBatch]:
    """The first batches of a new watch."""
    with watching(store, pattern, after) as watch:
        batches = list(islice(watch, count))
    assert len(batches) == count
    return batches


def change(event: WatchEvent) -> Change:
    """What happened to a key, as `differences` tells it."""
    assert isinstance(event.old_value, bytes | None)
    assert isinstance(event.new_value, bytes | None)
    kinds = {(True, False): "created", (False, False): "updated", (False, True): "deleted"}
    assert event.type == kinds[event.old_value is None, event.new_value is None]
    return event.key, event.old_value, event.new_value, event.version


def count_units(uow: UnitOfWork, number: int) -> None:
    """A change of another store."""
    uow.metadata.set("count", number)


def no_change(_uow: UnitOfWork, _number: int) -> None:
    """Nothing, where there is no other store."""


def record_keys(store: Store, units: int, beside: Callable[[UnitOfWork, int], None]) -> None:
    """Units that set, change and delete keys, and do something beside it."""
    chance = Random(7)  # noqa: S311  # chance, not a secret
    for number in range(units):
        with store.begin() as uow:
            beside(uow, number)
            for key in chance.sample(KEYS, chance.choice((0, 1, 1, 2, 4))):
                if chance.random() < 0.3:
                    uow.kv.delete(key, missing_ok=True)
                else:
                    uow.kv.set(key, b"%d" % number)


def differences(store: Store, pattern: str, start: int) -> dict[int, set[Change]]:
    """For each revision behind one without keys: the difference of the views as of it and before, of keys that fit."""
    found = {}
    fitting = Pattern(pattern)
    before: dict[str, Entry] = {}
    for revision in range(start + 1, newest(store) + 1):
        with store.read(as_of=revision) as view:
            now = {entry.key: entry for entry in view.kv.iter() if fitting.fits(entry.key)}
        changed = set()
        for key in before.keys() | now.keys():
            old, new = before.get(key), now.get(key)
            if old != new:
                values = [None if entry is None else entry.value for entry in (old, new)]
                changed.add((key, values[0], values[1], new.version if new else 0))
        if changed:
            found[revision] = changed
        before = now
    return found


@pytest.mark.spec("KV-5", "P18")
class WatchConformance(StoreFixtures):
    """What a watch tells of keys."""

    @pytest.fixture
    def beside(self, lacking: frozenset[Requirement]) -> Callable[[UnitOfWork, int], None]:
        """What units do beside changing keys: a change of another store, where the backend has one."""
        return no_change if Requirement.JOURNAL in lacking else count_units

    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_a_watch_tells_the_differences_of_views(
        self, store: Store, pattern: str, beside: Callable[[UnitOfWork, int], None]
    ) -> None:
        """All of them, once, in order, a unit's together; from the beginning and from every bookmark."""
        start = newest(store)
        record_keys(store, 40, beside)
        expected = differences(store, pattern, start)
        last = put(store, **{"none": b"", "a": b"", "*": b"", "a/x": b""})
        for after in range(start, last):
            batches = take(store, f"kv:{pattern}", 1 + sum(revision > after for revision in expected), after)
            told = {batch.revision: set(map(change, batch.events)) for batch in batches[:-1]}
            assert told == {revision: changes for revision, changes in expected.items() if revision > after}
            assert list(told) == sorted(told)
            assert sum(len(batch.events) for batch in batches[:-1]) == sum(map(len, told.values()))
            assert batches[-1].revision == last

    def test_a_watch_goes_on_at_every_batch(self, store: Store, beside: Callable[[UnitOfWork, int], None]) -> None:
        """The revision of a batch is its bookmark: a new watch behind it begins with the next one."""
        start = newest(store)
        record_keys(store, 30, beside)
        count = len(differences(store, "/*", start))
        batches = take(store, "kv:/*", count, start)
        for number, batch in enumerate(batches[:-1], 1):
            assert take(store, "kv:/*", count - number, batch.revision) == batches[number:]

    def test_a_batch_has_what_a_unit_came_to(self, store: Store) -> None:
        """Net effects: what was set twice is told once, and what came and went is not told."""
        before = put(store, kept=b"1", gone=b"1")
        with store.begin() as uow:
            uow.kv.set("/kept", b"2")
            uow.kv.set("/kept", b"3")
            uow.kv.set("/passing", b"1")
            uow.kv.delete("/passing")
            uow.kv.transaction([Delete("/gone"), Set("/gone", b"again"), Set("/new", b"1"), Delete("/absent")])
        assert uow.receipt is not None
        (batch,) = take(store, "kv:/*", 1, before)
        assert batch.revision == uow.receipt.revision
        assert set(map(change, batch.events)) == {
            ("/kept", b"1", b"3", 2),
            ("/gone", b"1", b"again", 2),
            ("/new", None, b"1", 1),
        }

    def test_a_deletion_has_the_old_value(self, store: Store) -> None:
        """And a key that is created again begins at version 1."""
        start = newest(store)
        put(store, a=b"1")
        delete(store, "/a")
        put(store, a=b"2")
        batches = take(store, "kv:/a", 3, start)
        assert [change(event) for batch in batches for event in batch.events] == [
            ("/a", None, b"1", 1),
            ("/a", b"1", None, 0),
            ("/a", None, b"2", 1),
        ]

    def test_an_undone_unit_is_not_told(self, store: Store) -> None:
        """Neither one that raised, nor one that changed nothing."""
        with watching(store, "kv:/*", None) as watch:
            with pytest.raises(KeyboardInterrupt), store.begin() as uow:
                uow.kv.set("/a", b"1")
                raise KeyboardInterrupt
            with store.begin() as uow:
                uow.kv.delete("/a", missing_ok=True)
            put(store, a=b"2")
            assert [event.new_value for event in next(watch).events] == [b"2"]

    def test_a_watch_from_now_tells_what_comes(self, store: Store) -> None:
        """And nothing of before, whenever it is read."""
        before = put(store, a=b"1")
        with watching(store, "kv:/*", None) as watch:
            assert before <= watch.revision <= newest(store)
            put(store, a=b"2")
            assert [change(event) for event in next(watch).events] == [("/a", b"1", b"2", 2)]

    def test_a_watch_of_another_handle_tells_the_same(self, open_store: OpenStore) -> None:
        """Whichever handle wrote."""
        with open_store() as writer, open_store() as reader, watching(reader, "kv:/*", None) as watch:
            for number in range(5):
                put(writer, a=b"%d" % number)
                assert next(watch).events[0].new_value == b"%d" % number

    def test_a_future_revision_waits(self, store: Store) -> None:
        """What comes before it is passed over."""
        after = put(store, a=b"0") + 3
        with watching(store, "kv:/*", after) as watch:
            assert watch.revision == after
            revisions = [put(store, a=b"%d" % number) for number in range(1, 6)]
            first = next(number for number, revision in enumerate(revisions, 1) if revision > after)
            batch = next(watch)
            assert batch.revision == revisions[first - 1]
            # As many revisions as there are units, but where others share them.
            assert batch.revision <= watch.revision < [*revisions, newest(store) + 1][first]
            assert [change(event) for event in batch.events] == [("/a", b"%d" % (first - 1), b"%d" % first, first + 1)]

    def test_progress_is_told_where_nothing_fits(self, store: Store) -> None:
        """Behind the last batch it is how far was looked, before that never beyond what was delivered."""
        start = newest(store)
        first = put(store, a=b"1")
        put(store, other=b"1")
        second = put(store, a=b"2")
        put(store, other=b"2")
        with watching(store, "kv:/a", start) as watch:
            assert watch.revision == start
            assert next(watch).revision == first
            assert first <= watch.revision < second
            assert next(watch).revision == second
            third = put(store, a=b"3")
            assert second <= watch.revision < third
            assert next(watch).revision == third
            assert third <= watch.revision <= newest(store)

    def test_a_slow_reader_misses_nothing(self, store: Store) -> None:
        """10,000 changes while it does not read; then it has them all, in order."""
        with watching(store, "kv:/n/*", None) as watch:
            revisions = [put(store, **{f"n/{number:02}": b"%d" % unit for number in range(100)}) for unit in range(100)]
            batches = list(islice(watch, 100))
        assert [batch.revision for batch in batches] == revisions
        assert [event.new_value for batch in batches for event in batch.events] == [
            b"%d" % unit for unit in range(100) for _ in range(100)
        ]

    def test_200_forced_resumes_lose_and_double_nothing(self, open_store: OpenStore) -> None:
        """A watch that ends at any moment goes on from its bookmark, while others write."""
        units = 400
        with open_store() as writer, open_store() as reader:
            bookmark = newest(reader)
            revisions: list[int] = []
            thread = threading.Thread(target=record_counts, args=(writer, units, revisions))
            thread.start()
            chance = Random(3)  # noqa: S311  # chance, not a secret
            batches: list[WatchBatch] = []
            resumes = 0
            while len(batches) < units:
                with watching(reader, "kv:/n", bookmark) as watch:
                    batches += islice(watch, chance.choice((0, 1, 1, 2, 3)))
                    bookmark = watch.revision if chance.random() < 0.5 or not batches else batches[-1].revision
                resumes += 1
            thread.join()
        assert [event.new_value for batch in batches for event in batch.events] == [b"%d" % n for n in range(units)]
        assert [batch.revision for batch in batches] == revisions
        assert resumes >= 200

    @pytest.mark.parametrize("pattern", BAD_PATTERNS)
    def test_what_is_no_pattern_is_refused(self, store: Store, pattern: Any) -> None:
        """At once, and not when the first batch is asked for."""
        with refused(InvalidInputError):
            store.watch(pattern)

    @pytest.mark.parametrize("pattern", KEYLESS_PATTERNS)
    def test_a_pattern_that_no_key_fits_is_refused(self, store: Store, pattern: str) -> None:
        """It would wait for ever."""
        with refused(InvalidKeyError):
            store.watch(pattern)

    @pytest.mark.parametrize("after", [-1, 1.0, "1", True])
    def test_what_is_no_revision_is_refused(self, store: Store, after: Any) -> None:
        """Whatever it resembles."""
        with refused(InvalidInputError, "after"):
            store.watch("kv:/*", after=after)

    def test_a_closed_store_cannot_be_watched(self, open_store: OpenStore) -> None:
        """As it cannot be read."""
        store = open_store()
        store.close()
        with refused(StoreClosedError):
            store.watch("kv:/*")


def record_counts(store: Store, units: int, revisions: list[int]) -> None:
    """Units that count in one key, each with its revision."""
    for number in range(units):
        revisions.append(put(store, n=b"%d" % number))


@pytest.mark.spec("KV-5", "P18")
class WatchStoresConformance(StoreFixtures):
    """What a watch tells of the other stores."""

    def test_each_store_tells_its_changes(self, store: Store) -> None:
        """Type, subject, old and new value, version; and a pattern of one store fits no other."""
        with store.begin() as uow:
            first = uow.objects.put("thing", {"n": 1})
            second = uow.objects.put("resolution", {"n": 2})
            uow.refs.set("area/x", first, expected=0)
            uow.metadata.set("policy/quorum", 1)
            uow.sessions.create(session_id="s", area_id="x", problem_statement="why")
            event = uow.audit.append("HAPPENED", scope="AREA:x", subject=("thing", "1"), event_id="e")
            uow.audit.append("HAPPENED", scope="GLOBAL", subject=("thing", "1"), event_id="g")
        with store.begin() as uow:
            uow.refs.set("area/x", second, expected=1)
            uow.metadata.set("policy/quorum", 2)
            uow.sessions.set_state("s", "ACTIVE")
        with store.begin() as uow:
            uow.refs.delete("area/x", expected=2)
            uow.metadata.delete("policy/quorum")
        assert told(store, "ref:area/*", 3) == [
            ("created", "area/x", None, first, 1),
            ("updated", "area/x", first, second, 2),
            ("deleted", "area/x", second, None, 3),
        ]
        assert told(store, "metadata:policy/*", 3) == [
            ("created", "policy/quorum", None, b"1", 1),
            ("updated", "policy/quorum", b"1", b"2", 2),
            ("deleted", "policy/quorum", b"2", None, 3),
        ]
        created, updated = told(store, "session:*", 2)
        assert (created[:3], created[4]) == (("created", "s", None), 1)
        assert updated[2] == created[3]
        assert load_canonical(updated[3])["state"] == "ACTIVE"
        for pattern in ("object:resolution", "object:resolution/*", f"object:resolution/{second}"):
            ((kind, subject, old, data, version),) = told(store, pattern, 1)
            assert (kind, subject, old, version) == ("created", f"resolution/{second}", None, 1)
            assert data == canonical_bytes({"n": 2})
        for pattern in ("audit:AREA:x", "audit:AREA:*", "audit:AREA:x/e"):
            ((kind, subject, old, data, version),) = told(store, pattern, 1)
            assert (kind, subject, old, version) == ("created", "AREA:x/e", None, 1)
            assert load_canonical(data) == event.to_json()
        assert len(told(store, "audit:*", 1)) == len(told(store, "object:*", 1)) == 2

    def test_a_scope_is_the_whole_scope(self, store: Store) -> None:
        """Also where the identifier of an area has a slash, so that the subject alone could not tell."""
        for scope in ("AREA:x/y", "AREA:x"):
            with store.begin() as uow:
                uow.audit.append("HAPPENED", scope=scope, subject=("thing", "1"), event_id=f"of {scope}")
        assert told(store, "audit:AREA:x", 1) == told(store, "audit:AREA:x", 1, after=1)
        assert [subject for _, subject, *_ in told(store, "audit:AREA:x/y", 1)] == ["AREA:x/y/of AREA:x/y"]

    @pytest.mark.parametrize("kind", STORES)
    def test_closing_the_store_ends_a_watch_of_any_store(self, open_store: OpenStore, kind: str) -> None:
        """Also where nobody reads it."""
        store = open_store()
        watch = store.watch(f"{kind}:*")
        store.close()
        assert list(watch) == []

    def test_several_changes_of_one_unit_come_in_the_order_of_the_journal(self, store: Store) -> None:
        """Where a store logs each change, each is told, the old value of one being the new value of the one before."""
        with store.begin() as uow:
            for number in range(3):
                uow.metadata.set("n", number)
        assert told(store, "metadata:n", 1) == [
            ("created", "n", None, b"0", 1),
            ("updated", "n", b"0", b"1", 2),
            ("updated", "n", b"1", b"2", 3),
        ]


def told(store: Store, pattern: str, count: int, after: int = 0) -> list[Any]:
    """The events of the first batches as tuples."""
    batches = take(store, pattern, count, after)
    return [(e.type, e.key, e.old_value, e.new_value, e.version) for batch in batches for e in batch.events]


def delete(store: Store, key: str) -> None:
    """Delete a key in a unit of its own."""
    with store.begin() as uow:
        uow.kv.delete(key)


def set_metadata(store: Store, number: int) -> None:
    """Change a metadata key in a unit of its own."""
    with store.begin() as uow:
        uow.metadata.set("n", number)


def compacting(upto: int, prefix: str = "") -> Callable[[UnitOfWork], Any]:
    """A unit that compacts keys."""
    return lambda uow: uow.kv.compact(upto=upto, prefix=prefix)


@pytest.mark.spec("KV-5", "P18")
class WatchCompactionConformance(StoreFixtures):
    """What a watch says where history is gone: never nothing."""

    def test_a_watch_at_the_compacted_revision_goes_on(self, store: Store) -> None:
        """One before it is told where to begin, and from there everything is told; a deletion at it has its old value."""
        for number in range(1, 6):
            put(store, a=b"%d" % number, b=b"%d" % number)
        delete(store, "/a")
        store.run(compacting(5))
        for after in range(5):
            with watching(store, "kv:/a", after) as watch, pytest.raises(CompactedError) as caught:
                next(watch)
            assert caught.value.oldest == 5
        assert told(store, "kv:/a", 1, after=5) == [("deleted", "/a", b"5", None, 0)]

    def test_a_deletion_at_the_compacted_revision(self, store: Store) -> None:
        """Etcd lost deletions there: behind it nothing is missing, before it the old value is."""
        put(store, a=b"1")
        delete(store, "/a")
        put(store, a=b"2")
        store.run(compacting(2))
        assert told(store, "kv:/a", 1, after=2) == [("created", "/a", None, b"2", 1)]
        for after in (0, 1):
            with watching(store, "kv:/a", after) as watch, pytest.raises(CompactedError) as caught:
                next(watch)
            assert caught.value.oldest == 2

    def test_what_comes_before_the_gap_is_told_first(self, store: Store) -> None:
        """And the error as often as it is asked again, with the bookmark where it was."""
        put(store, kept=b"1")
        put(store, a=b"1")
        put(store, a=b"2")
        store.run(compacting(3))
        with watching(store, "kv:/*") as watch:
            assert next(watch).revision == 1
            for _ in range(2):
                with pytest.raises(CompactedError) as caught:
                    next(watch)
                assert watch.revision == 1
        assert caught.value.oldest == 3

    def test_compacting_other_keys_does_no_harm(self, store: Store) -> None:
        """By its prefix; and where nothing was replaced nothing is missing."""
        for number in range(3):
            put(store, a=b"%d" % number, b=b"%d" % number)
        store.run(compacting(3, "/b"))
        assert [new for *_, new, _ in told(store, "kv:/a", 3)] == [b"0", b"1", b"2"]
        put(store, once=b"1")
        store.run(compacting(4))
        assert told(store, "kv:/once", 1) == [("created", "/once", None, b"1", 1)]

    def test_a_watch_that_is_behind_a_compaction_is_told(self, store: Store) -> None:
        """It was open already, and did not read for too long."""
        put(store, a=b"1")
        with watching(store, "kv:/*", 1) as watch:
            put(store, a=b"2")
            put(store, a=b"3")
            store.run(compacting(3))
            with pytest.raises(CompactedError):
                next(watch)

    def test_the_oldest_revision_holds_for_the_whole_pattern(self, store: Store) -> None:
        """Going on from it never meets another gap, whichever keys were compacted last."""
        for number in range(4):
            put(store, **{"a/x": b"%d" % number, "b": b"%d" % number})
        store.run(compacting(2, "/a/"))
        store.run(compacting(4, "/b"))
        with watching(store, "kv:/*") as watch, pytest.raises(CompactedError) as caught:
            next(watch)
        put(store, b=b"last")
        assert told(store, "kv:/*", 1, caught.value.oldest)[-1][3] == b"last"

    def test_metadata_that_was_compacted_is_told(self, store: Store) -> None:
        """As for keys."""
        for number in range(3):
            set_metadata(store, number)
        store.run(lambda uow: uow.metadata.compact())
        set_metadata(store, 7)
        with watching(store, "metadata:*") as watch, pytest.raises(CompactedError) as caught:
            next(watch)
        assert told(store, "metadata:*", 1, caught.value.oldest) == [("updated", "n", b"2", b"7", 4)]

    def test_an_erased_value_is_never_told(self, store: Store) -> None:
        """Who had it is told that it is gone; who comes later is told what a view as of then shows."""
        put(store, a=b"secret", b=b"1")
        put(store, a=b"secret")
        store.run(lambda uow: uow.kv.erase("/a"))
        put(store, a=b"new")
        assert told(store, "kv:/*", 3) == [
            ("created", "/b", None, b"1", 1),
            ("deleted", "/a", None, None, 0),
            ("created", "/a", None, b"new", 1),
        ]
