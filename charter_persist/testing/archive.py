"""Conformance of archives, the same for ledgers, files and S3, and what a ledger does besides.

A backend that carries archives alone overrides the fixtures ``store`` and ``overwrite``. Source: CCOS-1, CCOS-2, P22, P32.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, Final

import pytest

from charter_persist.backends.contract import ARCHIVE_ENTRY, ArchiveRow
from charter_persist.errors import (
    CharterError,
    DigestMismatchError,
    IntegrityError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    NotFoundError,
    StoreClosedError,
)
from charter_persist.model.archivable import ArchivableAction, ArchivablePlan, CheckpointRecord
from charter_persist.model.archive import Archivable, ArchivableEntity, content_hash
from charter_persist.proofs import verify_inclusion
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.kv_history import sound
from charter_persist.testing.sources import CountingSources
from charter_persist.testing.watch import take

NO_HASHES: Final = ("", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " + "0" * 63, "../" + "0" * 61, None, 7, b"0" * 64)
NO_TYPES: Final = ("", "Plan", "1plan", "plan/x", "..", "plan.json", "pl\u00e4n", "a" * 65, "plan\n", None, 7, b"plan")
MOMENT: Final = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
ENTITIES: Final[tuple[Archivable, ...]] = (
    ArchivablePlan(plan_id="p", body="(do it)", created_at=MOMENT, intent_ids=("i1", "i2"), policies={"max": 1.5}),
    ArchivableAction(action_id="a", action_type="step", created_at=MOMENT, metadata={"\u20ac": [None, True, "\u0000"]}),
    CheckpointRecord(checkpoint_id="c", plan_id="p", intent_id="i", serialized_context="{}", created_at=MOMENT),
)
Overwrite = Callable[[str, str, bytes], None]
"""Puts other bytes under a hash behind the package's back: type, hash, bytes."""


@dataclass(frozen=True, slots=True)
class _Note(ArchivableEntity):
    """An entity of the tests."""

    ENTITY_TYPE: ClassVar[str] = "note"
    ID_FIELD: ClassVar[str] = "note_id"

    note_id: str
    text: str = ""


class _Liar(_Note):
    """An entity that tells another hash than its JSON has."""

    __slots__ = ()

    def content_hash(self) -> str:
        """Of nothing."""
        return sha256(b"").hexdigest()


def note(number: int | str, **more: Any) -> dict[str, Any]:
    """A JSON object of type note."""
    return {"note_id": f"n{number}", **more}


def store_notes(store: Store, *numbers: int) -> list[str]:
    """Store notes in one unit; returns their hashes."""
    with store.begin() as uow:
        return [uow.archive("note").store(note(number)) for number in numbers]


@pytest.mark.spec("CCOS-1", "CCOS-2", "CCOS-7")
class ArchiveConformance(StoreFixtures):
    """What every archive does, whatever keeps its bytes."""

    @pytest.fixture
    def overwrite(self, backdoor: BackDoor) -> Overwrite:
        """Puts other bytes under a hash behind the package's back."""

        def put(kind: str, name: str, data: bytes) -> None:
            (row,) = [row for row in backdoor.raw_rows(ARCHIVE_ENTRY) if row.content_hash.hex() == name and row.nonce]
            backdoor.raw_put(ARCHIVE_ENTRY, row._replace(data=data))

        return put

    def test_what_was_stored_is_retrieved(self, store: Store) -> None:
        """Every entity comes back as the JSON that it was, under the hash that it says itself."""
        for entity in ENTITIES:
            with store.begin() as uow:
                found = uow.archive(entity.entity_type()).store(entity)
                assert uow.archive(entity.entity_type()).retrieve(found) == entity.to_json()
            assert found == entity.content_hash() == content_hash(entity.to_json())
            with store.read() as view:
                archive = view.archive(entity.entity_type())
                assert archive.retrieve(found) == archive.require(found) == entity.to_json()
                assert archive.exists(found)
                assert list(archive.list_hashes()) == [found]

    def test_the_hash_is_that_of_the_canonical_json(self, store: Store) -> None:
        """Whatever order the keys have, and however a number is written; without any header."""
        with store.begin() as uow:
            archive = uow.archive("note")
            found = archive.store({"id": "n", "a": 1, "b": [1.0, "\u20ac"]})
            assert found == archive.store({"b": [1, "\u20ac"], "a": 1.0, "id": "n"})
        assert found == sha256('{"a":1,"b":[1,"\u20ac"],"id":"n"}'.encode()).hexdigest()

    def test_storing_twice_changes_nothing(self, store: Store) -> None:
        """Neither in one unit nor in the next."""
        first = store_notes(store, 1, 1)
        assert store_notes(store, 1) == first[:1] == first[1:]
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == first[:1]

    def test_types_are_apart(self, store: Store) -> None:
        """The same JSON in two archives is two entities."""
        with store.begin() as uow:
            found = uow.archive("note").store({"id": "x"})
            assert uow.archive("other").store({"id": "x"}) == found
            assert not uow.archive("note_").exists(found)
            uow.archive("other").erase(found)
        with store.read() as view:
            assert view.archive("note").exists(found)
            assert not view.archive("other").exists(found)

    def test_what_is_not_there(self, store: Store) -> None:
        """Is None, or an error that names it."""
        absent = "0" * 64
        store_notes(store, 1)
        with store.read() as view:
            archive = view.archive("note")
            assert archive.retrieve(absent) is None
            assert archive.retrieve(absent, decode=_Note) is None
            assert not archive.exists(absent)
            with refused(NotFoundError, "note", absent):
                archive.require(absent)
            assert view.archive("never").stats().total_entities == 0
            assert list(view.archive("never").list_hashes()) == []
            assert view.archive("never").verify_integrity()

    def test_an_entity_is_made_of_the_json_on_request(self, store: Store) -> None:
        """By whatever the caller gives."""
        with store.begin() as uow:
            found = uow.archive("note").store(_Note("n", "text"))
        with store.read() as view:
            assert view.archive("note").retrieve(found, decode=lambda json: _Note(**json)) == _Note("n", "text")
            assert view.archive("note").require(found, decode=lambda json: _Note(**json)) == _Note("n", "text")

    def test_hashes_are_listed_in_their_own_order(self, store: Store) -> None:
        """Lazily, from any of them on, and in pages that lose and repeat nothing."""
        hashes = sorted(store_notes(store, *range(30)))
        with store.read() as view:
            archive = view.archive("note")
            assert list(archive.list_hashes()) == hashes
            for place in (0, 10, 29):
                assert list(archive.list_hashes(after=hashes[place])) == hashes[place + 1 :]
            assert list(archive.list_hashes(after="f" * 64)) == []
            for size in (1, 7, 29, 30, 31):
                found: list[str] = []
                cursor = None
                while True:
                    page = archive.list(limit=size, cursor=cursor)
                    found += page.items
                    assert len(page.items) <= size
                    if (cursor := page.cursor) is None:
                        break
                assert found == hashes

    def test_a_unit_sees_its_own_changes(self, store: Store) -> None:
        """In each read."""
        (kept,) = store_notes(store, 1)
        with store.begin() as uow:
            archive = uow.archive("note")
            new = archive.store(note(2))
            assert list(archive.list_hashes()) == sorted([kept, new])
            assert archive.exists(new)
            assert archive.stats().total_entities == 2
            assert archive.erase(kept)
            assert not archive.exists(kept)
            assert archive.retrieve(kept) is None
            assert list(archive.list_hashes()) == [new]
            assert archive.verify_integrity().checked == 1

    def test_a_unit_that_raises_leaves_the_archive_as_it_was(self, store: Store) -> None:
        """Neither what it stored is there, nor gone what it erased."""
        (kept,) = store_notes(store, 1)
        with pytest.raises(RuntimeError, match="undone"), store.begin() as uow:
            uow.archive("note").store(note(2))
            uow.archive("note").erase(kept)
            raise RuntimeError("undone")
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == [kept]

    def test_a_unit_that_has_ended_takes_nothing(self, store: Store) -> None:
        """However it ended: what comes too late is refused and not forgotten."""
        (kept,) = store_notes(store, 1)
        with store.begin() as uow:
            archive = uow.archive("note")
        with pytest.raises(RuntimeError, match="undone"), store.begin() as uow:
            undone = uow.archive("note")
            raise RuntimeError("undone")
        for late in (archive, undone):
            with pytest.raises(StoreClosedError):
                late.store(note(2))
            with pytest.raises(StoreClosedError):
                late.erase(kept)
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == [kept]

    def test_stats(self, store: Store) -> None:
        """Counts, bytes of canonical JSON, and aware times."""
        with store.begin() as uow:
            uow.archive("note").store({"id": "\u20ac"})
        store_notes(store, 1)
        with store.read() as view:
            stats = view.archive("note").stats()
        assert (stats.total_entities, stats.total_size_bytes) == (2, len(b'{"id":"xxx"}') + len(b'{"note_id":"n1"}'))
        assert stats.oldest_timestamp is not None
        assert stats.newest_timestamp is not None
        assert stats.oldest_timestamp.tzinfo is UTC
        assert stats.oldest_timestamp <= stats.newest_timestamp

    def test_what_is_stored_again_keeps_its_time(self, store: Store) -> None:
        """Inside the unit as after it: a second time changes nothing."""
        store_notes(store, 1)
        with store.read() as view:
            before = view.archive("note").stats()
        with store.begin() as uow:
            uow.archive("note").store(note(1))
            assert uow.archive("note").stats() == before
        with store.read() as view:
            assert view.archive("note").stats() == before

    def test_an_erased_entity_is_gone_and_can_be_stored_again(self, store: Store) -> None:
        """As often as one likes."""
        (found, other) = store_notes(store, 1, 2)
        for _ in range(3):
            with store.begin() as uow:
                assert uow.archive("note").erase(found)
                assert not uow.archive("note").erase(found)
            with store.read() as view:
                archive = view.archive("note")
                assert archive.retrieve(found) is None
                assert not archive.exists(found)
                assert list(archive.list_hashes()) == [other]
                assert archive.stats().total_entities == 1
                assert archive.verify_integrity()
            assert store_notes(store, 1) == [found]
            with store.read() as view:
                assert view.archive("note").require(found) == note(1)

    def test_an_entity_can_be_stored_and_erased_in_one_unit(self, store: Store) -> None:
        """And stored again."""
        with store.begin() as uow:
            found = uow.archive("note").store(note(1))
            assert uow.archive("note").erase(found)
            assert not uow.archive("note").exists(found)
            again = uow.archive("note").store(note(2))
            uow.archive("note").erase(again)
            assert uow.archive("note").store(note(2)) == again
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == [again]

    def test_damaged_bytes_are_never_returned(self, store: Store, overwrite: Overwrite) -> None:
        """A flipped bit, a cut end, no bytes at all: each is an error in reading, and verify_integrity names it."""
        data = b'{"note_id":"n1","text":"abc"}'
        for bad in (bytes([data[0] ^ 1]) + data[1:], data[:-1], b"", data + b" ", b'{"note_id":"n2"}'):
            with store.begin() as uow:
                found = uow.archive("note").store(note(1, text="abc"))
                sound_one = uow.archive("note").store(note(2))
            overwrite("note", found, bad)
            with store.read() as view:
                archive = view.archive("note")
                with refused(DigestMismatchError, found):
                    archive.retrieve(found)
                with refused(DigestMismatchError, found):
                    archive.require(found)
                report = archive.verify_integrity()
                assert not report
                assert [finding.subject for finding in report.findings] == [found]
                assert report.checked == 2
                assert archive.retrieve(sound_one) == note(2)
            with store.begin() as uow:
                uow.archive("note").erase(found)

    @pytest.mark.parametrize("bad", NO_HASHES)
    def test_what_is_no_hash_is_refused(self, store: Store, bad: Any) -> None:
        """Before anything is read."""
        with store.begin() as uow:
            archive = uow.archive("note")
            for call in (archive.retrieve, archive.require, archive.exists, archive.erase):
                with refused(InvalidInputError, "64 lower-case hexadecimal"):
                    call(bad)
            if bad is not None:
                with refused(InvalidInputError):
                    archive.list_hashes(after=bad)

    @pytest.mark.parametrize("bad", NO_TYPES)
    def test_what_is_no_type_is_refused(self, store: Store, bad: Any) -> None:
        """A type is the name of a folder on some backends."""
        with store.begin() as uow, refused(InvalidInputError, "entity type"):
            uow.archive(bad)
        with store.read() as view, refused(InvalidInputError, "entity type"):
            view.archive(bad)

    def test_what_is_no_entity_is_refused(self, store: Store) -> None:
        """And the unit goes on without it."""
        cases: list[tuple[Any, type[CharterError]]] = [
            ("text", InvalidInputError),
            (None, InvalidInputError),
            ([], InvalidInputError),
            ({}, InvalidInputError),
            ({"text": "no id"}, InvalidInputError),
            ({"id": ""}, InvalidKeyError),
            ({"id": 7}, InvalidKeyError),
            ({"id": "a\n"}, InvalidKeyError),
            ({"id": "x" * 513}, LimitExceededError),
            ({"id": "x", "n": float("nan")}, NotCanonicalError),
            ({"id": "x", "n": 2**53}, NotCanonicalError),
            ({"id": "x", "n": b""}, NotCanonicalError),
            ({"id": "x", 1: 2}, NotCanonicalError),
            ({"id": "x", "n": "\ud800"}, NotCanonicalError),
            (ENTITIES[0], InvalidInputError),
            (_Liar("n"), InvalidInputError),
        ]
        with store.begin() as uow:
            for bad, error in cases:
                with refused(error):
                    uow.archive("note").store(bad)
            found = uow.archive("note").store(note(1))
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == [found]

    def test_bad_pages_are_refused(self, store: Store) -> None:
        """Size and cursor."""
        with store.read() as view:
            archive = view.archive("note")
            for size, error in ((0, InvalidInputError), (10_001, LimitExceededError)):
                with refused(error):
                    archive.list(limit=size)
            for cursor in ("x", "", "AAAA", "\u20ac"):
                with refused(InvalidInputError):
                    archive.list(cursor=cursor)

    def test_many_threads_store_the_same_and_each_finds_it(self, store: Store) -> None:
        """Afterwards it is there once."""
        results: list[str] = []
        start = threading.Barrier(8)

        def act() -> None:
            start.wait()
            for number in range(5):
                with store.begin() as uow:
                    results.append(uow.archive("note").store(note(number)))

        threads = [threading.Thread(target=act) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as view:
            assert list(view.archive("note").list_hashes()) == sorted(set(results))
            assert view.archive("note").verify_integrity().checked == 5
        assert len(results) == 40


@pytest.mark.spec("CCOS-2", "P28", "GOV-15")
class LedgerArchiveConformance(StoreFixtures):
    """What an archive on a ledger does besides: journal, proofs, the past, watch."""

    def test_each_change_of_an_archive_is_a_journal_entry(self, store: Store, backdoor: BackDoor) -> None:
        """Of the store ``archive``, about ``<type>/<hash>``; nothing is recorded where nothing changes."""
        (found,) = store_notes(store, 1)
        with nothing_written(backdoor):
            store_notes(store, 1)
            with store.begin() as uow:
                assert not uow.archive("note").erase("0" * 64)
        with store.begin() as uow:
            uow.archive("note").erase(found)
        store_notes(store, 1)
        with store.read() as view:
            entries = [(entry.store, entry.operation, entry.subject) for entry in view.journal.entries()]
        assert entries == [("archive", operation, f"note/{found}") for operation in ("store", "erase", "store")]
        sound(store)

    def test_a_row_says_all_that_is_known(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Its time is that of the unit."""
        with open_store(**CountingSources().arguments()) as store:
            (found,) = store_notes(store, 1)
            with store.read() as view:
                entry = view.journal.entry(1)
        (row,) = backdoor.raw_rows(ARCHIVE_ENTRY)
        data = b'{"note_id":"n1"}'
        assert row == ArchiveRow(1, "note", bytes.fromhex(found), 1, "n1", len(data), row.stored_at, row.nonce, data)
        assert len(row.nonce) == 16
        assert entry is not None
        assert entry.recorded_at == row.stored_at

    def test_erasure_removes_the_json_and_every_proof_stays(self, store: Store, backdoor: BackDoor) -> None:
        """JSON and nonce are gone; old proofs verify against the old root, and fsck finds nothing."""
        (found, _) = store_notes(store, 1, 2)
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries()]
        with store.begin() as uow:
            assert uow.archive("note").erase(found)
        (row,) = [row for row in backdoor.raw_rows(ARCHIVE_ENTRY) if row.content_hash.hex() == found]
        assert (row.data, row.nonce, row.generation, row.entity_id) == (None, b"", 1, "n1")
        for entry, proof in proofs:
            verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
        with store.read() as view:
            assert view.journal.root(size) == root
        sound(store)

    def test_an_entity_that_is_stored_again_is_a_row_of_its_own(self, store: Store, backdoor: BackDoor) -> None:
        """The next generation."""
        for _ in range(3):
            (found,) = store_notes(store, 1)
            with store.begin() as uow:
                uow.archive("note").erase(found)
        store_notes(store, 1)
        rows = sorted(backdoor.raw_rows(ARCHIVE_ENTRY))
        assert [(row.generation, row.data is None) for row in rows] == [(1, True), (2, True), (3, True), (4, False)]
        sound(store)

    def test_the_past(self, store: Store) -> None:
        """As of a revision there is what was stored by then and was not erased since."""
        (first,) = store_notes(store, 1)
        (second,) = store_notes(store, 2)
        with store.begin() as uow:
            uow.archive("note").erase(first)
        store_notes(store, 1)
        for revision, expected in ((0, []), (1, []), (2, [second]), (3, [second]), (4, sorted([first, second]))):
            with store.read(as_of=revision) as view:
                archive = view.archive("note")
                assert list(archive.list_hashes()) == expected
                assert archive.stats().total_entities == len(expected)
                assert archive.exists(second) == (second in expected)
                assert archive.verify_integrity()

    def test_watch(self, store: Store) -> None:
        """All entities of a type, one of them, or all; what was erased since is not told of, the erasure is."""
        (first, second) = store_notes(store, 1, 2)
        with store.begin() as uow:
            uow.archive("plan").store(ENTITIES[0])
        with store.begin() as uow:
            uow.archive("note").erase(first)
        for pattern in ("archive:note/*", "archive:note"):
            found = take(store, pattern, 2)
            told = [(e.type, e.key, e.new_value, e.version) for batch in found for e in batch.events]
            assert told == [
                ("created", f"note/{second}", b'{"note_id":"n2"}', 1),
                ("deleted", f"note/{first}", None, 0),
            ]
        (batch,) = take(store, f"archive:note/{second}", 1)
        assert [event.key for event in batch.events] == [f"note/{second}"]

    def test_rows_that_were_altered_are_found(self, store: Store, backdoor: BackDoor) -> None:
        """Other bytes, another size, a row that is missing: in reading, by verify_integrity or by fsck."""
        (found,) = store_notes(store, 1)
        (row,) = backdoor.raw_rows(ARCHIVE_ENTRY)
        backdoor.raw_put(ARCHIVE_ENTRY, row._replace(size=3))
        with store.read() as view:
            assert [finding.subject for finding in view.archive("note").verify_integrity().findings] == [found]
        backdoor.raw_put(ARCHIVE_ENTRY, row._replace(data=b"{}"))
        with pytest.raises(DigestMismatchError), store.begin() as uow:
            uow.archive("note").store(note(1))
        other = b'{"note_id":"n2"}'
        assert len(other) == row.size
        changes: list[dict[str, Any]] = [
            {"entity_id": "n2"},
            {"data": None, "nonce": b""},
            {"data": b"{}"},
            {"data": other},
        ]
        for bad in [*(row._replace(**change) for change in changes), None]:
            if bad is None:
                backdoor.raw_delete(ARCHIVE_ENTRY, ARCHIVE_ENTRY.key_of(row))
            else:
                backdoor.raw_put(ARCHIVE_ENTRY, bad)
            with pytest.raises(AssertionError):
                sound(store)

    def test_json_that_is_no_object_is_refused_in_reading(self, store: Store, backdoor: BackDoor) -> None:
        """Its hash is right, and yet nothing of ours wrote it."""
        store_notes(store, 1)
        (row,) = backdoor.raw_rows(ARCHIVE_ENTRY)
        for data in (b"[1]", b"null", b"{", b"\xff"):
            name = sha256(data)
            backdoor.raw_put(ARCHIVE_ENTRY, row._replace(content_hash=name.digest(), data=data, position=9))
            with store.read() as view:
                with pytest.raises(IntegrityError):
                    view.archive("note").retrieve(name.hexdigest())
                assert not view.archive("note").verify_integrity()
            backdoor.raw_delete(ARCHIVE_ENTRY, ("note", name.digest(), 1))
