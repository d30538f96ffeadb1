"""Conformance of the metadata store: current values over an append-only log, which may be compacted.

Source: STO-3.4, REQUIREMENTS 8.
"""

from __future__ import annotations

from typing import Any

import pytest

from charter_persist.backends.contract import METADATA_LOG
from charter_persist.errors import InvalidInputError, NotFoundError, VersionConflictError
from charter_persist.model.records import MetadataEntry
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import StoreFixtures
from charter_persist.testing.refs import IN_ORDER


def set_keys(store: Store, **values: Any) -> None:
    """Set each key in a unit of its own."""
    for key, value in values.items():
        with store.begin() as uow:
            uow.metadata.set(key, value)


@pytest.mark.spec("STO-3.4")
class MetadataStoreConformance(StoreFixtures):
    """What a metadata store must do."""

    def test_a_value_comes_back_with_its_version(self, store: Store, backdoor: BackDoor) -> None:
        """The newest row of the log is the value."""
        with store.begin() as uow:
            assert uow.metadata.set("policy/quorum", {"n": 3.0}) == 1
            assert uow.metadata.set("policy/quorum", {"n": 4}) == 2
        with store.read() as view:
            assert view.metadata.get("policy/quorum") == {"n": 4}
            assert view.metadata.require("policy/quorum") == {"n": 4}
            assert view.metadata.entry("policy/quorum") == MetadataEntry("policy/quorum", {"n": 4}, False, 2, 1)
        assert [(row.position, row.key, row.value, row.version) for row in sorted(backdoor.raw_rows(METADATA_LOG))] == [
            (1, "policy/quorum", b'{"n":3}', 1),
            (2, "policy/quorum", b'{"n":4}', 2),
        ]

    @pytest.mark.parametrize("value", [None, False, 0, "", [], {}], ids=ascii)
    def test_an_empty_value_is_a_value(self, store: Store, value: Any) -> None:
        """Null is not absence, and what is false is not absence either."""
        set_keys(store, k=value)
        with store.read() as view:
            assert view.metadata.exists("k")
            # Catches `value or default`, and a null that is taken for a tombstone.
            assert view.metadata.get("k", "default") == value
            assert view.metadata.require("k") == value
            assert [entry.value for entry in view.metadata.iter()] == [value]

    def test_an_absent_key_is_the_default_or_not_found(self, store: Store) -> None:
        """`get` gives the default, `require` raises."""
        with store.read() as view:
            assert view.metadata.get("k") is None
            assert view.metadata.get("k", 7) == 7
            assert view.metadata.entry("k") is None
            assert not view.metadata.exists("k")
            with refused(NotFoundError, "k"):
                view.metadata.require("k")

    def test_a_deleted_key_has_no_value_and_its_log_stays(self, store: Store) -> None:
        """A delete is a change like any other; versions go on counting."""
        set_keys(store, k=1, other=2)
        with store.begin() as uow:
            uow.metadata.delete("k")
            assert not uow.metadata.exists("k")
        with store.read() as view:
            assert view.metadata.get("k", "none") == "none"
            assert [entry.key for entry in view.metadata.iter()] == ["other"]
            assert list(view.metadata.history("k")) == [
                MetadataEntry("k", 1, False, 1, 1),
                MetadataEntry("k", None, True, 2, 3),
            ]
        with store.begin() as uow:
            assert uow.metadata.set("k", 3, expected=0) == 3

    def test_a_key_that_is_absent_cannot_be_deleted(self, store: Store, backdoor: BackDoor) -> None:
        """Neither a key that never was, nor one that is gone."""
        set_keys(store, k=1)
        with store.begin() as uow:
            uow.metadata.delete("k")
        with nothing_written(backdoor), store.begin() as uow:
            for key in ("k", "never"):
                with refused(NotFoundError, key):
                    uow.metadata.delete(key)
                with refused(NotFoundError, key):
                    uow.metadata.delete(key, expected=0)

    @pytest.mark.parametrize("expected", [0, 1, 3, 2**63, 2**70])
    def test_a_wrong_expected_version_of_a_key_changes_nothing(
        self, store: Store, backdoor: BackDoor, expected: int
    ) -> None:
        """Where a version is given, it is compared; the error carries both."""
        set_keys(store, k=1)
        set_keys(store, k=2)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(VersionConflictError, "k", "2") as caught:
                uow.metadata.set("k", 3, expected=expected)
            assert isinstance(caught.value, VersionConflictError)
            assert (caught.value.expected, caught.value.actual) == (expected, 2)
            with refused(VersionConflictError):
                uow.metadata.delete("k", expected=expected)
        with store.begin() as uow:
            assert uow.metadata.set("k", 3, expected=2) == 3
            uow.metadata.delete("k", expected=3)

    @pytest.mark.parametrize("expected", [-1, True, "1", 1.0, (1,)], ids=ascii)
    def test_expected_of_a_key_must_be_a_version_or_none(self, store: Store, backdoor: BackDoor, expected: Any) -> None:
        """Nothing else is read as a version."""
        set_keys(store, k=1)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidInputError, "expected"):
                uow.metadata.set("k", 1, expected=expected)
            with refused(InvalidInputError, "expected"):
                uow.metadata.delete("k", expected=expected)

    def test_metadata_keys_come_in_the_order_of_their_bytes(self, store: Store) -> None:
        """Order and prefix are those of UTF-8, and no character of a prefix is a wildcard."""
        with store.begin() as uow:
            for n, key in enumerate(reversed(IN_ORDER)):
                uow.metadata.set(key, n)
                uow.metadata.set(key, n + 100)
        with store.read() as view:
            assert [entry.key for entry in view.metadata.iter()] == list(IN_ORDER)
            for prefix in ("a", "a/", "A", "\u00e9", "\U0001f600", "%", "_", "x"):
                fitting = [key for key in IN_ORDER if key.startswith(prefix)]
                assert [entry.key for entry in view.metadata.iter(prefix)] == fitting

    def test_a_unit_sees_what_it_set(self, store: Store) -> None:
        """Reads of a unit see its own changes in every form, and no other view does."""
        set_keys(store, a=1, b=2)
        with store.begin() as uow:
            uow.metadata.set("a", 3)
            uow.metadata.delete("b")
            uow.metadata.set("c", 4)
            assert [(entry.key, entry.value) for entry in uow.metadata.iter()] == [("a", 3), ("c", 4)]
            assert [entry.version for entry in uow.metadata.history("a")] == [1, 2]
            with store.read() as view:
                assert [(entry.key, entry.value) for entry in view.metadata.iter()] == [("a", 1), ("b", 2)]


@pytest.mark.spec("STO-3.4")
class MetadataCompactionConformance(StoreFixtures):
    """Compaction drops what was replaced, and never a current value."""

    def test_compaction_keeps_every_current_value(self, store: Store, backdoor: BackDoor) -> None:
        """Current values and versions are the same after it; older rows are gone."""
        for n in range(3):
            set_keys(store, a=n, b=n)
        set_keys(store, once="only")
        with store.begin() as uow:
            uow.metadata.delete("b")
        with store.read() as view:
            before = list(view.metadata.iter())
            root, size = view.journal.root(), view.journal.size()
        with store.begin() as uow:
            assert uow.metadata.compact() == 5
        with store.read() as view:
            assert list(view.metadata.iter()) == before
            assert [entry.version for entry in view.metadata.history("a")] == [3]
            # A deleted key keeps its tombstone: without it versions would begin again at 1.
            assert [(entry.deleted, entry.version) for entry in view.metadata.history("b")] == [(True, 4)]
            # The journal keeps its entries, so every proof over them still verifies.
            assert view.journal.root(size) == root
            assert view.journal.size() == size + 1
        kept = {row.key: row.version for row in backdoor.raw_rows(METADATA_LOG) if row.key}
        assert kept == {"a": 3, "b": 4, "once": 1}
        with store.begin() as uow:
            assert uow.metadata.set("b", "again", expected=0) == 5

    def test_compaction_of_nothing_changes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """A second compaction has nothing to drop and leaves no entry, however many came before."""
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.metadata.compact() == 0
        assert uow.receipt is None
        for n in range(1, 4):
            set_keys(store, a=n)
            set_keys(store, a=-n)
            with store.begin() as uow:
                assert uow.metadata.compact() == (1 if n == 1 else 2)
            # Catches a compaction that drops the record of the one before, and so never comes to rest.
            with nothing_written(backdoor), store.begin() as uow:
                assert uow.metadata.compact() == 0

    def test_compaction_sees_its_own_unit(self, store: Store) -> None:
        """What the same unit replaced is dropped as well, and the unit can go on."""
        with store.begin() as uow:
            uow.metadata.set("a", 1)
            uow.metadata.set("a", 2)
            assert uow.metadata.compact() == 1
            assert uow.metadata.set("a", 3) == 3
        with store.read() as view:
            assert [entry.value for entry in view.metadata.history("a")] == [2, 3]

    def test_compaction_that_is_rolled_back_drops_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Like every change it is undone with its unit."""
        set_keys(store, a=1)
        set_keys(store, a=2)
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.metadata.compact()
            raise KeyboardInterrupt

    def test_compaction_is_no_key(self, store: Store) -> None:
        """What records a compaction is not listed, and cannot be read or written as a key."""
        set_keys(store, a=1)
        set_keys(store, a=2)
        with store.begin() as uow:
            uow.metadata.compact()
        with store.begin() as uow:
            assert [entry.key for entry in uow.metadata.iter()] == ["a"]
            with pytest.raises(InvalidInputError):
                uow.metadata.get("")
            with pytest.raises(InvalidInputError):
                uow.metadata.set("", 1)

    def test_a_long_log_is_compacted_whole(self, store: Store, backdoor: BackDoor) -> None:
        """Compaction reaches beyond any page of a backend and any buffer of a unit."""
        for start in (0, 2_500):
            with store.begin() as uow:
                for n in range(start, start + 2_500):
                    uow.metadata.set(f"k{n % 3}", n)
        with store.begin() as uow:
            assert uow.metadata.compact() == 4_997
        assert len(backdoor.raw_rows(METADATA_LOG)) == 4
        with store.read() as view:
            assert [entry.value for entry in view.metadata.iter()] == [4_998, 4_999, 4_997]
