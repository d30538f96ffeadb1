"""Conformance of the journal: one entry for each change, positions without a gap, a Merkle tree over all of it.

Expected values are computed here from ``hashlib`` and from ``charter_persist.proofs``, never with the code under test.

Source: DESIGN 1.2 and 4, RFC 6962, RELIABILITY P11, P17 and P25.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from charter_persist.backends.contract import JOURNAL, JOURNAL_TILE, OBJECT, SESSION_LOG, JournalRow
from charter_persist.errors import InvalidInputError
from charter_persist.integrity.verify import Level, verify
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.time import format_micros
from charter_persist.proofs import (
    EMPTY_ROOT,
    leaf_data,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from charter_persist.store import Store
from charter_persist.testing.assertions import refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.history import record_history
from charter_persist.testing.objects import put
from charter_persist.testing.places import MemoryPlaces
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import ReadView

AFTER: Final[dict[str, Callable[[ReadView, int], Iterator[Any]]]] = {
    "journal": lambda view, after: view.journal.entries(after=after),
    "objects": lambda view, after: view.objects.iter(after=after),
    "objects of a type": lambda view, after: view.objects.iter("doc", after=after),
    "audit": lambda view, after: view.audit.iter(after=after),
    "audit of a scope": lambda view, after: view.audit.iter(scope="GLOBAL", after=after),
    "replay": lambda view, after: view.audit.replay(after=after),
}


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, written down as it stands there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def leaf_of(entry: JournalRow) -> bytes:
    """The leaf hash as a sceptic computes it."""
    return leaf_hash(leaf_data(*entry[:5], entry.commitment.hex(), format_micros(entry.recorded_at)))


def committed(data: bytes, nonce: bytes = b"") -> bytes:
    """The commitment to a value."""
    return hashlib.sha256(b"charter:commit:v1\n" + nonce + data).digest()


@pytest.mark.spec("STO-1", "P11")
class JournalConformance(StoreFixtures):
    """What the journal of a store must show."""

    def test_every_change_has_exactly_one_entry(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Store, subject, operation and commitment of each kind of change."""
        with open_store(**CountingSources().arguments()) as store, store.begin() as uow:
            digest = uow.objects.put("doc", {"n": 1})
            uow.refs.set("r", digest, expected=0)
            uow.refs.delete("r", expected=1)
            uow.metadata.set("m", [1.0])
            uow.metadata.delete("m")
            event = uow.audit.append("NOTED", scope="AREA:x", subject=("doc", digest))
            uow.sessions.create(session_id="s", area_id="x", problem_statement="why")
        (log,) = backdoor.raw_rows(SESSION_LOG)
        moment = 1_767_225_601_000_000
        expected = [
            ("object", f"doc/{digest}", "put", bytes.fromhex(digest)),
            (
                "ref",
                "r",
                "set",
                committed(canonical_bytes({"digest": digest, "name": "r", "revision": 1, "version": 1})),
            ),
            ("ref", "r", "delete", committed(b"")),
            ("metadata", "m", "set", committed(b'{"key":"m","revision":1,"value":[1],"version":1}')),
            ("metadata", "m", "delete", committed(b"")),
            ("audit", f"AREA:x/{event.event_id}", "append", committed(canonical_bytes(event.to_json()))),
            ("session", "s", "create", committed(log.data, log.nonce)),
        ]
        rows = sorted(backdoor.raw_rows(JOURNAL))
        assert [row[2:6] for row in rows] == expected
        assert [(row.position, row.revision, row.recorded_at) for row in rows] == [
            (position, 1, moment) for position in range(1, 8)
        ]
        assert len(log.nonce) == 16

    def test_the_tree_is_that_of_rfc_6962(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Every leaf, every receipt and every root follow from the entries, across finished tiles."""
        with open_store(**CountingSources().arguments()) as store:
            receipts = record_history(store)
            with store.read() as view:
                entries = list(view.journal.entries())
                leaves = [leaf_of(entry) for entry in entries]
                assert [entry.leaf for entry in entries] == leaves
                assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
                assert len(entries) > 300
                for size in (0, 1, 2, 3, 255, 256, 257, len(entries)):
                    assert view.journal.root(size) == root_of(leaves[:size])
                assert view.journal.root() == root_of(leaves)
        after = 0
        for revision, receipt in enumerate(receipts, 1):
            # Units that raised in between took neither a revision nor a position.
            assert (receipt.revision, receipt.first_position) == (revision, after + 1)
            assert {entry.revision for entry in entries[after : receipt.size]} == {revision}
            assert receipt.root == root_of(leaves[: receipt.size])
            after += len([entry for entry in entries if entry.revision == revision])
            assert receipt.size == after
        assert after == len(entries)
        (tile,) = [row for row in backdoor.raw_rows(JOURNAL_TILE) if row.level == 0]
        assert tile.nodes[: 256 * 32] == b"".join(leaves[:256])
        assert tile.root == root_of(leaves[:256])

    def test_equal_sources_give_equal_roots_everywhere(self, open_store: OpenStore) -> None:
        """The same calls with the same time, ids and nonces end with the root that memory ends with."""
        place = MemoryPlaces().new()
        with place.open_store(**CountingSources().arguments()) as model:
            expected = record_history(model)[-1]
        with open_store(**CountingSources().arguments()) as store:
            receipt = record_history(store)[-1]
        assert (receipt, receipt.root) == (expected, expected.root)

    @pytest.mark.spec("P25")
    def test_journal_proofs_verify_for_a_sceptic(self, store: Store) -> None:
        """Inclusion at each position of several sizes and consistency between them, checked by `proofs` alone."""
        record_history(store)
        with store.read() as view:
            size = view.journal.size()
            leaves = [leaf_of(entry) for entry in view.journal.entries()]
            sizes = [1, 2, 7, 255, 256, 257, size]
            for total in sizes:
                for position in {1, total // 2 + 1, total - 1 or 1, total, min(total, 256)}:
                    proof = view.journal.inclusion_proof(position, total)
                    verify_inclusion(leaves[position - 1], position - 1, total, proof, root_of(leaves[:total]))
            for size1 in sizes:
                for size2 in sizes:
                    if size1 <= size2:
                        steps = view.journal.consistency_proof(size1, size2)
                        verify_consistency(size1, size2, root_of(leaves[:size1]), root_of(leaves[:size2]), steps)

    def test_an_empty_journal_has_the_empty_root(self, store: Store) -> None:
        """Nothing is there, and that has a root as well."""
        with store.read() as view:
            assert (view.revision, view.journal.size(), view.journal.last()) == (0, 0, None)
            assert view.journal.root() == view.journal.root(0) == hashlib.sha256(b"").digest()
            assert list(view.journal.entries()) == []
            assert view.journal.entry(1) is None

    def test_reading_entries_goes_on_at_every_position(self, store: Store) -> None:
        """`after` is exclusive, `limit` is a maximum, and reading can be resumed anywhere."""
        put(store, *range(8))
        with store.read() as view:
            everything = list(view.journal.entries())
            for after in range(10):
                assert list(view.journal.entries(after=after)) == everything[after:]
                for limit in (0, 1, 3, 8, 9):
                    assert list(view.journal.entries(after=after, limit=limit)) == everything[after:][:limit]
            assert [view.journal.entry(position) for position in range(1, 9)] == everything
            assert view.journal.entry(9) is None
            assert view.journal.last() == everything[-1]

    @pytest.mark.parametrize("number", [-1, 9, 2**31, 2**63, 2**70])
    def test_a_journal_size_out_of_range_is_refused(self, store: Store, number: int) -> None:
        """Sizes and positions beyond the journal are errors, of one type on every backend."""
        put(store, *range(8))
        with store.read() as view:
            journal = view.journal
            calls: list[Callable[[], Any]] = [
                lambda: journal.root(number),
                lambda: journal.inclusion_proof(number),
                lambda: journal.inclusion_proof(1, number),
                lambda: journal.consistency_proof(number),
                lambda: journal.consistency_proof(1, number),
            ]
            for call in calls:
                with refused(InvalidInputError):
                    call()
            with refused(InvalidInputError):
                journal.inclusion_proof(0)
            with refused(InvalidInputError):
                journal.inclusion_proof(8, 7)

    @pytest.mark.parametrize("position", [2**63 - 1, 2**63, 2**70])
    def test_behind_every_position_there_is_nothing(self, store: Store, position: int) -> None:
        """A position is compared, however large: no backend answers with the limits of its integers."""
        put(store, 1)
        with store.read() as view:
            assert view.journal.entry(position) is None
            for read in AFTER.values():
                assert list(read(view, position)) == []

    @pytest.mark.parametrize("read", AFTER)
    def test_a_negative_position_is_refused(self, store: Store, read: str) -> None:
        """It is a mistake of the caller in every call that takes a position."""
        with store.read() as view, refused(InvalidInputError, "after"):
            list(AFTER[read](view, -1))

    def test_a_sound_store_verifies(self, open_store: OpenStore) -> None:
        """Everything recomputed from what is stored agrees; each object was read and hashed."""
        with open_store() as store:
            record_history(store)
            report = verify(store, store_id=store.store_id)
        assert (report.findings, report.level) == ((), Level.CHAIN)

    def test_damage_is_found(self, store: Store, backdoor: BackDoor) -> None:
        """The same verification does find what was altered behind the package's back."""
        record_history(store, 0, 5)
        row = min(backdoor.raw_rows(OBJECT))
        backdoor.raw_put(OBJECT, row._replace(data=b"null"))
        report = verify(store, store_id=store.store_id)
        assert [finding.code for finding in report.findings] == ["HASH_MISMATCH"]
        assert report.level is Level.NONE

    def test_handles_that_take_turns_grow_one_tree(self, open_store: OpenStore) -> None:
        """What another handle appended is part of the tree, across finished tiles and after a unit that was undone."""
        with (
            open_store(**CountingSources().arguments()) as one,
            open_store(**CountingSources(10**6).arguments()) as two,
        ):
            number = 0
            for handle, units in ((one, 3), (two, 20), (one, 1), (two, 1), (one, 20), (two, 15)):
                receipts = record_history(handle, number, number + units)
                number += units
            with one.read() as view:
                leaves = [leaf_of(entry) for entry in view.journal.entries()]
            assert receipts[-1].root == root_of(leaves)
            assert verify(one, store_id=one.store_id).findings == ()
            assert one.store_id == two.store_id

    @pytest.mark.parametrize("others", [1, 2, 3, 4])
    def test_entries_that_were_undone_are_in_no_tree(self, open_store: OpenStore, others: int) -> None:
        """Also not where another handle put its own entries, fewer, as many or more, in their place."""
        with open_store() as one, open_store() as two:
            put(one, "before")
            with pytest.raises(KeyboardInterrupt), one.begin() as uow:
                uow.objects.put_many(("undone", n) for n in range(2))
                # Catches a tree that has grown by now and is told from its size alone.
                uow.flush()
                raise KeyboardInterrupt
            put(two, *range(others))
            with one.begin() as uow:
                uow.objects.put("doc", "behind")
            with two.read() as view:
                leaves = [leaf_of(entry) for entry in view.journal.entries()]
                assert view.journal.root() == root_of(leaves)
            assert uow.receipt is not None
            assert uow.receipt.root == root_of(leaves)

    @requires(Requirement.REOPEN)
    @pytest.mark.spec("STO-5.3")
    def test_a_store_that_is_opened_again_goes_on(self, open_store: OpenStore) -> None:
        """What was committed is there, under the same identity, and the journal goes on where it ended."""
        sources = CountingSources()
        for first in (0, 20, 40):
            with open_store(**sources.arguments()) as store:
                receipts = record_history(store, first, first + 20)
                identity = store.store_id
        place = MemoryPlaces().new()
        with place.open_store(**CountingSources().arguments()) as model:
            expected = record_history(model)[-1]
        with open_store() as store, store.read() as view:
            assert receipts[-1].root == view.journal.root() == expected.root
            assert store.store_id == identity
            assert verify(store, store_id=identity).findings == ()
