"""A rehash gives what is stored another digest, and changes nothing of what it means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha3_256
from pathlib import Path

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.engine.charter import Charter
from charter_persist.errors import DigestMismatchError, InvalidInputError, NotSupportedError
from charter_persist.integrity.verify import verify
from charter_persist.model.adoption import Rehash
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest
from charter_persist.transfer.rehash import RehashReport, rehash
from tests.bundles import bundle_of, event_types, governed, memory_store, take
from tests.governed_store import decide


@pytest.fixture
def store() -> Iterator[Store]:
    with governed("a", "b") as store:
        yield store


def assert_sound(store: Store) -> None:
    assert verify(store, store_id=store.store_id).findings == ()
    assert Charter(store).findings() == ()


def versions(store: Store) -> dict[str, str]:
    """The hash version of each object, by its digest."""
    with store.read() as view:
        return {item.object_hash: item.charter_hash_version for item in view.objects.iter()}


@pytest.mark.spec("HASH-6")
def test_the_second_version_is_sha3_over_a_header_of_its_own() -> None:
    content = {"value": 42}
    body = canonical_bytes(content)
    expected = sha3_256(b"charter:v2\ntype:area\nlen:%d\n%b" % (len(body), body)).hexdigest()
    assert digest("area", content, version="v2") == expected


@pytest.mark.spec("HASH-6")
def test_every_object_has_both_digests_and_every_ref_the_new_one(store: Store) -> None:
    before = versions(store)
    with store.read() as view:
        refs = {ref.name: ref for ref in view.refs.iter()}
    report = rehash(store, "v2", actor="ivy")
    assert report == RehashReport("v1", "v2", len(before), len(refs))
    after = versions(store)
    assert before.items() <= after.items()
    with store.read() as view:
        for name in before:
            item = view.objects.require(name)
            copy = view.objects.require(digest(item.object_type, item.object, version="v2"))
            assert (copy.object, copy.charter_hash_version, copy.hash_algorithm) == (item.object, "v2", "sha3-256")
        for ref in view.refs.iter():
            was = refs[ref.name]
            item = view.objects.require(was.digest or "")
            assert ref.digest == digest(item.object_type, item.object, version="v2")
            assert ref.version == was.version + 1
    assert_sound(store)


@pytest.mark.spec("HASH-6")
def test_what_is_decided_stays_decided_and_goes_on(store: Store) -> None:
    charter = Charter(store)
    states = {state: charter.resolutions("a", state=state) for state in ("ACTIVE", "SUPERSEDED", "RETIRED")}
    rehash(store, "v2")
    assert {state: Charter(store).resolutions("a", state=state) for state in states} == states
    second = digest("resolution", charter.resolution(states["ACTIVE"][0]).resolution.to_content(), version="v2")
    assert Charter(store).resolution(second).digest == states["ACTIVE"][0]
    decide(Charter(store), "a", "after", {"text": "after"}, supersedes=[])
    assert_sound(store)


@pytest.mark.spec("HASH-6")
def test_records_come_first_and_are_not_rehashed(store: Store) -> None:
    rehash(store, "v2")
    with store.read() as view:
        written = [
            item for item in view.objects.iter() if item.charter_hash_version == "v2" or item.object_type == "rehash"
        ]
    kinds = [item.object_type == Rehash.object_type for item in written]
    assert kinds == sorted(kinds, reverse=True)
    assert {item.charter_hash_version for item in written if item.object_type == "rehash"} == {"v1"}
    pairs = {
        pair for item in written if item.object_type == "rehash" for pair in Rehash.from_content(item.object).pairs
    }
    assert {new for _, new in pairs} == {item.object_hash for item in written if item.object_type != "rehash"}


@pytest.mark.spec("HASH-6")
def test_it_is_audited_for_the_store_and_in_each_area(store: Store) -> None:
    report = rehash(store, "v2", actor="ivy")
    with store.read() as view:
        events = {event.scope: event for event in view.audit.iter(event_type="HASH_MIGRATED")}
    assert set(events) == {"GLOBAL", "AREA:a", "AREA:b"}
    assert events["GLOBAL"].actor == "ivy"
    assert events["GLOBAL"].details == {
        "from_version": "v1",
        "to_version": "v2",
        "objects": report.objects,
        "refs_rebound": report.refs,
    }
    assert sum(events[scope].details["refs_rebound"] for scope in ("AREA:a", "AREA:b")) == report.refs - 1
    assert sum(events[scope].details["objects"] for scope in ("AREA:a", "AREA:b")) == report.objects - 1


@pytest.mark.spec("HASH-6")
def test_again_it_does_what_is_left_and_then_nothing(store: Store) -> None:
    rehash(store, "v2")
    with store.read() as view:
        revision = view.revision
    assert rehash(store, "v2") == RehashReport("v1", "v2", 0, 0)
    with store.read() as view:
        assert view.revision == revision
    decide(Charter(store), "a", "after", {"text": "after"})
    assert rehash(store, "v2") == RehashReport("v1", "v2", 2, 0)
    assert event_types(store, "HASH_").count("HASH_MIGRATED") == 3 + 2
    assert_sound(store)


def test_a_long_list_is_divided_into_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charter_persist.transfer.rehash.PART_PAIRS_MAX", 5)
    rehash(store, "v2")
    with store.read() as view:
        records = [Rehash.from_content(item.object) for item in view.objects.iter("rehash")]
    assert all(len(record.pairs) <= 5 for record in records)
    assert {record.part for record in records} == set(range(1, max(record.parts for record in records) + 1))
    with memory_store("there") as there:
        take(there, bundle_of(store))
        assert bundle_of(there) == bundle_of(store)


def test_an_empty_store_has_nothing_to_rehash() -> None:
    with memory_store() as empty:
        assert rehash(empty, "v2") == RehashReport("v1", "v2", 0, 0)
        assert event_types(empty, "") == []


def test_the_version_of_new_objects_and_unknown_ones_are_refused(store: Store) -> None:
    with pytest.raises(InvalidInputError, match="every new object"):
        rehash(store, "v1")
    with pytest.raises(NotSupportedError):
        rehash(store, "v9")


@pytest.mark.spec("HASH-6", "GOV-12")
def test_a_rehashed_store_goes_by_bundle_whole_and_area_by_area(store: Store) -> None:
    before = bundle_of(store)
    rehash(store, "v2")
    for areas in (None, ["a"]):
        bundle = bundle_of(store, areas)
        with memory_store("there") as there:
            take(there, bundle)
            assert bundle_of(there, areas) == bundle
            assert_sound(there)
    with memory_store("old") as old:
        take(old, before)
        active = Charter(old).resolutions("a", state="ACTIVE")
        report = take(old, bundle_of(store), "consolidate")
        assert [(area.case, area.under_review) for area in report.areas] == [("C", 0), ("C", 0)]
        assert Charter(old).resolutions("a", state="ACTIVE") == active
        assert_sound(old)


def test_a_damaged_object_is_not_rehashed(tmp_path: Path) -> None:

    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as store:
        with store.begin() as uow:
            uow.objects.put("note", "right")
        with sqlite3.connect(path) as raw:
            for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                raw.execute(f'DROP TRIGGER "{name}"')
            raw.execute("UPDATE object SET data = CAST('\"wrong\"' AS BLOB)")
        raw.close()
        with pytest.raises(DigestMismatchError):
            rehash(store, "v2")
