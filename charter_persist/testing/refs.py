"""Conformance of the ref store: single-value pointers, moved by compare-and-set only, with their whole history.

Source: STO-3.2, NEIGHBOURS 2.2, REQUIREMENTS 8 (what ``expected`` means).
"""

from __future__ import annotations

from typing import Any

import pytest

from charter_persist.backends.contract import JOURNAL, REF, REF_LOG, RefLogRow, RefRow
from charter_persist.errors import DanglingReferenceError, InvalidInputError, NotFoundError, VersionConflictError
from charter_persist.model.records import Ref
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import StoreFixtures
from charter_persist.testing.objects import ABSENT, NOT_DIGESTS, all_pages, put

IN_ORDER = ("A", "Z", "a", "a-b", "a/b", "aa", "b", "\u00e9", "\ufb33", "\U0001f600")
"""Names in the order of their UTF-8 bytes; a collation, a locale or UTF-16 orders them otherwise."""


@pytest.mark.spec("STO-3.2")
class RefStoreConformance(StoreFixtures):
    """What a ref store must do."""

    def test_a_new_ref_has_version_one(self, store: Store, backdoor: BackDoor) -> None:
        """The first set makes the ref, its log row and its journal entry."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            assert uow.refs.set("area/x/authority", digest, expected=0) == Ref("area/x/authority", digest, 1, 2)
        raw = bytes.fromhex(digest)
        assert backdoor.raw_rows(REF) == [RefRow("area/x/authority", raw, 1, 2, 2)]
        assert backdoor.raw_rows(REF_LOG) == [RefLogRow(2, "area/x/authority", raw, 1, 2)]
        assert sorted(backdoor.raw_rows(JOURNAL))[1][:5] == (2, 2, "ref", "area/x/authority", "set")

    def test_a_ref_that_stands_in_the_backend_is_what_get_gives(self, store: Store, backdoor: BackDoor) -> None:
        """A read goes to the stored rows."""
        (digest,) = put(store, 1)
        backdoor.raw_put(REF, RefRow("planted", bytes.fromhex(digest), 7, 1, 1))
        with store.read() as view:
            assert view.refs.get("planted") == Ref("planted", digest, 7, 1)
            assert list(view.refs.iter()) == [Ref("planted", digest, 7, 1)]

    def test_versions_of_a_ref_count_each_change(self, store: Store) -> None:
        """A set counts although the target is the same, and a delete counts as well."""
        one, two = put(store, 1, 2)
        with store.begin() as uow:
            assert uow.refs.set("a", one, expected=0).version == 1
            assert uow.refs.set("a", one, expected=1).version == 2
            assert uow.refs.set("a", two, expected=2).version == 3
            uow.refs.delete("a", expected=3)
            # Catches versions that begin again at 1: who still holds the old version 1 would then win.
            assert uow.refs.set("a", one, expected=0).version == 5
        with store.read() as view:
            assert [(ref.digest, ref.version) for ref in view.refs.history("a")] == [
                (one, 1),
                (one, 2),
                (two, 3),
                (None, 4),
                (one, 5),
            ]
            assert [ref.revision for ref in view.refs.history("a")] == [2] * 5

    @pytest.mark.parametrize("expected", [0, 1, 3, 2**31, 2**63 - 1, 2**63, 2**70])
    def test_a_wrong_expected_version_of_a_ref_changes_nothing(
        self, store: Store, backdoor: BackDoor, expected: int
    ) -> None:
        """The error carries both versions, so that the caller can decide anew."""
        one, two = put(store, 1, 2)
        with store.begin() as uow:
            uow.refs.set("a", one, expected=0)
            uow.refs.set("a", one, expected=1)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(VersionConflictError, "a", "2") as caught:
                uow.refs.set("a", two, expected=expected)
            assert isinstance(caught.value, VersionConflictError)
            assert (caught.value.expected, caught.value.actual) == (expected, 2)
            if expected:
                with refused(VersionConflictError):
                    uow.refs.delete("a", expected=expected)
        assert uow.receipt is None

    @pytest.mark.parametrize("expected", [-1, True, "1", 1.0, None, (1,)], ids=ascii)
    def test_expected_of_a_ref_must_be_a_version(self, store: Store, backdoor: BackDoor, expected: Any) -> None:
        """None does not mean "whatever it is": a blind write is impossible."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            uow.refs.set("a", digest, expected=0)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidInputError, "expected"):
                uow.refs.set("a", digest, expected=expected)
            with refused(InvalidInputError, "expected"):
                uow.refs.delete("a", expected=expected)

    def test_expected_of_a_ref_cannot_be_left_out(self, store: Store) -> None:
        """Compare-and-set is the only way to write a ref."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            with pytest.raises(TypeError):
                uow.refs.set("a", digest)  # type: ignore[call-arg]  # that is what is tested
            with pytest.raises(TypeError):
                uow.refs.delete("a")  # type: ignore[call-arg]  # that is what is tested

    def test_a_ref_points_to_a_stored_object(self, store: Store, backdoor: BackDoor) -> None:
        """A dangling ref cannot be made; an object of the same unit is good enough."""
        with nothing_written(backdoor), store.begin() as uow, refused(DanglingReferenceError, ABSENT):
            uow.refs.set("a", ABSENT, expected=0)
        with store.begin() as uow:
            uow.refs.set("a", uow.objects.put("doc", "new"), expected=0)
        assert uow.receipt is not None

    @pytest.mark.parametrize("digest", NOT_DIGESTS, ids=ascii)
    def test_a_ref_points_to_a_digest(self, store: Store, backdoor: BackDoor, digest: Any) -> None:
        """Anything but a digest in its one spelling is refused."""
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidInputError, "digest"):
            uow.refs.set("a", digest, expected=0)

    def test_a_deleted_ref_is_gone_and_its_history_stays(self, store: Store, backdoor: BackDoor) -> None:
        """After a delete the ref is absent everywhere but in its history."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            uow.refs.set("a", digest, expected=0)
            uow.refs.set("b", digest, expected=0)
        with store.begin() as uow:
            uow.refs.delete("a", expected=1)
            assert uow.refs.get("a") is None
        with store.read() as view:
            assert view.refs.get("a") is None
            assert not view.refs.exists("a")
            assert [ref.name for ref in view.refs.iter()] == ["b"]
            assert list(view.refs.history("a")) == [Ref("a", digest, 1, 2), Ref("a", None, 2, 3)]
            with refused(NotFoundError, "a"):
                view.refs.require("a")
        assert backdoor.raw_get(REF, ("a",)) is None

    def test_a_ref_that_is_absent_cannot_be_deleted(self, store: Store, backdoor: BackDoor) -> None:
        """Neither a ref that never was, nor one that is gone."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            uow.refs.set("a", digest, expected=0)
            uow.refs.delete("a", expected=1)
        with nothing_written(backdoor), store.begin() as uow:
            for name in ("a", "never"):
                with refused(VersionConflictError, name):
                    uow.refs.delete(name, expected=1)
                with refused(InvalidInputError, "expected"):
                    uow.refs.delete(name, expected=0)

    def test_a_unit_sees_the_refs_it_moved(self, store: Store) -> None:
        """Reads of a unit see its own changes in `get`, `iter`, `list` and `history`."""
        one, two = put(store, 1, 2)
        with store.begin() as uow:
            uow.refs.set("a", one, expected=0)
        with store.begin() as uow:
            uow.refs.set("a", two, expected=1)
            uow.refs.set("b", one, expected=0)
            assert uow.refs.require("a").digest == two
            assert [ref.digest for ref in uow.refs.iter()] == [two, one]
            assert [ref.name for ref in uow.refs.list().items] == ["a", "b"]
            assert [ref.version for ref in uow.refs.history("a")] == [1, 2]
            with store.read() as view:
                assert view.refs.require("a").digest == one
                assert not view.refs.exists("b")

    def test_refs_come_in_the_order_of_their_bytes(self, store: Store) -> None:
        """Order is that of UTF-8 on every backend, whatever its collation."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            for name in reversed(IN_ORDER):
                uow.refs.set(name, digest, expected=0)
        with store.read() as view:
            assert [ref.name for ref in view.refs.iter()] == list(IN_ORDER)
            assert [ref.name for ref in view.refs.list().items] == list(IN_ORDER)

    @pytest.mark.parametrize(
        "prefix", ["a", "a/", "A", "\u00e9", "\U0001f600", "aa", "x", "%", "_", "a%", "a_b"], ids=ascii
    )
    def test_a_ref_prefix_is_taken_literally(self, store: Store, prefix: str) -> None:
        """A prefix is exact and case-sensitive, and no character in it is a wildcard."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            for name in IN_ORDER:
                uow.refs.set(name, digest, expected=0)
        fitting = [name for name in IN_ORDER if name.startswith(prefix)]
        with store.read() as view:
            assert [ref.name for ref in view.refs.iter(prefix)] == fitting
            assert [ref.name for ref in view.refs.list(prefix).items] == fitting

    @pytest.mark.parametrize("last", ["\ud7ff", "\uffff", "\U0010ffff", "\x7e"], ids=ascii)
    def test_a_ref_prefix_ends_where_its_last_character_ends(self, store: Store, last: str) -> None:
        """The end of a prefix is right at the edges of Unicode."""
        (digest,) = put(store, 1)
        names = [f"p{last}", f"p{last}{last}", f"p{last}a"]
        with store.begin() as uow:
            for name in ["p", *names, "q"]:
                uow.refs.set(name, digest, expected=0)
        with store.read() as view:
            assert {ref.name for ref in view.refs.iter(f"p{last}")} == set(names)

    @pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11])
    def test_pages_give_each_ref_once(self, store: Store, limit: int) -> None:
        """Pages neither repeat nor skip, and only the last one has no cursor."""
        (digest,) = put(store, 1)
        with store.begin() as uow:
            for name in IN_ORDER:
                uow.refs.set(name, digest, expected=0)
        with store.read() as view:
            assert [ref.name for ref in all_pages(view.refs.list, limit, len(IN_ORDER), revision=2)] == list(IN_ORDER)
