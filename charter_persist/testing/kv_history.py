"""Conformance of keys over time: pages pinned to a revision, the past, compaction, erasure.

Source: KV-4, GOV-15, REQUIREMENTS 8, RELIABILITY P14 and P28, NEIGHBOURS 6 (row 1).
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, Final

import pytest

from charter_persist.backends.contract import KV_CHANGE, KV_ENTRY, Relation
from charter_persist.errors import (
    CompactedError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotFoundError,
)
from charter_persist.integrity.verify import Level, verify
from charter_persist.proofs import verify_inclusion
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.kv import entries_of, put
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED
from charter_persist.testing.sources import FIRST_MOMENT, CountingSources

IN_ORDER: Final = ("/A", "/Z", "/a", "/a b", "/a-b", "/a/b", "/aa", "/b", "/\u00e9", "/\ufb33", "/\U0001f600")
"""Keys by the bytes of UTF-8, which no collation and no UTF-16 has in this order."""


def fill(store: Store, *keys: str) -> None:
    """Set each key to its own name."""
    with store.begin() as uow:
        for key in keys:
            uow.kv.set(key, key.encode())


def pages(store: Store, prefix: str, limit: int, between: Any = None) -> list[str]:
    """The keys of all pages, each read in a view of its own, with something done between two of them."""
    found: list[str] = []
    cursor: str | None = None
    revisions = set()
    while True:
        with store.read() as view:
            page = view.kv.list(prefix, limit=limit, cursor=cursor)
        found += [entry.key for entry in page.items]
        revisions.add(page.revision)
        if page.cursor is None:
            assert len(revisions) == 1
            return found
        cursor = page.cursor
        if between is not None:
            between()


def sound(store: Store) -> None:
    """Everything recomputed from what is stored agrees."""
    report = verify(store, store_id=store.store_id)
    assert (report.findings, report.level) == ((), Level.CHAIN)


@pytest.mark.spec("KV-4")
class KeyValuePageConformance(StoreFixtures):
    """Listing: an exact prefix, the order of bytes, one revision."""

    @pytest.mark.parametrize("limit", [1, 2, 3, 10, 11, 12])
    def test_pages_together_are_the_listing(self, store: Store, limit: int) -> None:
        """Whatever their size; none is empty but the only one."""
        fill(store, *reversed(IN_ORDER))
        assert pages(store, "", limit) == list(IN_ORDER)
        assert pages(store, "/nothing", limit) == []

    @pytest.mark.parametrize("prefix", ["", "/", "/a", "/a/", "/A", "/\u00e9", "/\U0001f600", "/%", "/_", "/a%", "/x"])
    def test_a_prefix_is_literal_and_case_sensitive(self, store: Store, prefix: str) -> None:
        """Catches LIKE with an unescaped prefix: there % and _ are wildcards, and case is ignored."""
        fill(store, *IN_ORDER)
        expected = [key for key in IN_ORDER if key.startswith(prefix)]
        with store.read() as view:
            assert [entry.key for entry in view.kv.iter(prefix)] == expected
            assert [entry.key for entry in view.kv.list(prefix).items] == expected

    def test_pages_show_the_revision_of_the_first_one(self, store: Store) -> None:
        """Keys that come, go or change between two pages do not show, whatever was read already."""
        fill(store, *IN_ORDER)
        number = iter(range(100))

        def disturb() -> None:
            with store.begin() as uow:
                n = next(number)
                uow.kv.set(f"/a{n}", b"new")
                uow.kv.set(f"/zz{n}", b"new")
                uow.kv.delete(IN_ORDER[-1 - n], missing_ok=True)
                uow.kv.set("/b", b"changed")

        assert pages(store, "", 2, disturb) == list(IN_ORDER)

    def test_values_of_later_pages_are_those_of_then(self, store: Store) -> None:
        """Not only the keys: the values, versions and times too."""
        fill(store, "/a", "/b", "/c")
        with store.read() as view:
            before = list(view.kv.iter())
            first = view.kv.list(limit=1)
        fill(store, "/b")
        with store.begin() as uow:
            uow.kv.set("/b", b"another")
            uow.kv.delete("/c")
        with store.read() as view:
            later = view.kv.list(limit=5, cursor=first.cursor)
        assert [*first.items, *later.items] == before

    def test_a_token_that_moves_is_listed_once(self, store: Store) -> None:
        """A writer moves it between two pages, forwards and backwards: never none, never two."""
        keys = [f"/{n:02}" for n in range(20)]
        place = 0

        def move() -> None:
            nonlocal place
            target = (place + 7) % len(keys)
            with store.begin() as uow:
                uow.kv.delete(keys[place])
                uow.kv.set(keys[target], b"token")
            place = target

        fill(store, keys[0], *(f"/{n:02}/x" for n in range(20)))
        for limit in (1, 3, 7):
            for _ in range(5):
                assert len([key for key in pages(store, "", limit, move) if key in keys]) == 1
                move()

    def test_a_unit_lists_its_own_changes(self, store: Store) -> None:
        """In their places, on every page."""
        fill(store, "/b", "/d", "/f")
        with store.begin() as uow:
            uow.kv.set("/a", b"new")
            uow.kv.set("/d", b"changed")
            uow.kv.delete("/f")
            uow.kv.set("/g", b"new")
            uow.kv.set("/h", b"new")
            uow.kv.delete("/h")
            assert [(e.key, e.value) for e in uow.kv.iter()] == [
                ("/a", b"new"),
                ("/b", b"/b"),
                ("/d", b"changed"),
                ("/g", b"new"),
            ]
            page = uow.kv.list(limit=2)
            assert [entry.key for entry in uow.kv.list(limit=2, cursor=page.cursor).items] == ["/d", "/g"]
            assert [entry.key for entry in uow.kv.iter("/d")] == ["/d"]

    @requires(Requirement.JOURNAL)
    def test_a_unit_lists_what_it_flushed(self, store: Store) -> None:
        """As what it did not flush."""
        fill(store, "/b", "/d", "/f")
        with store.begin() as uow:
            uow.kv.set("/d", b"changed")
            uow.kv.delete("/f")
            uow.kv.set("/h", b"new")
            uow.flush()
            assert [(e.key, e.value) for e in uow.kv.iter()] == [("/b", b"/b"), ("/d", b"changed"), ("/h", b"new")]
            assert [entry.key for entry in uow.kv.iter("/d")] == ["/d"]

    def test_a_cursor_is_of_its_listing(self, store: Store) -> None:
        """Forged, foreign or from a future that never came: refused, and no harm done."""
        fill(store, *IN_ORDER)
        with store.read() as view:
            cursor = view.kv.list("/a", limit=1).cursor
            with refused(InvalidInputError, "prefix"):
                view.kv.list("/b", cursor=cursor)
            texts = [
                *LITERAL,
                *REFUSED,
                f"{view.revision + 1_000}/a",
                "1",
                "/a",
                "-1/a",
                "\u0661/a",
                "1e3/a",
                "9" * 30 + "/a",
                "1/\0",
            ]
            forged = [base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode() for text in texts]
            for bad in ("", "!", "a", "=", "\0", "\ud800", "\u20ac", 7, b"YQ==", *forged):
                with pytest.raises(InvalidInputError):
                    view.kv.list(cursor=bad)  # type: ignore[arg-type]  # two of them are no text

    def test_bad_prefixes_and_limits_are_refused(self, store: Store) -> None:
        """No key begins so, or no page is so large."""
        with store.read() as view:
            for prefix in ("a", "%", "*", " /", *REFUSED[1:], *NOT_TEXTS):
                with refused(InvalidKeyError, "prefix"):
                    view.kv.list(prefix)  # type: ignore[arg-type]  # some are no text
            with refused(LimitExceededError):
                view.kv.list("/" * 1_025)
            with refused(LimitExceededError, "page_items_max"):
                view.kv.list(limit=10_001)
            with refused(InvalidInputError, "limit"):
                view.kv.list(limit=0)

    def test_a_page_that_was_compacted_away_says_so(self, store: Store) -> None:
        """Never a mixture of two revisions; the error names the oldest one that is known."""
        fill(store, "/a", "/b")
        with store.read() as view:
            cursor = view.kv.list(limit=1).cursor
        fill(store, "/b")
        upto = put(store, b=b"3")
        with store.begin() as uow:
            uow.kv.compact(upto=upto)
        with store.read() as view, refused(CompactedError, str(upto)) as caught:
            view.kv.list(limit=1, cursor=cursor)
        assert caught.value.oldest == upto  # type: ignore[attr-defined]


@pytest.mark.spec("KV-1")
class KeyValueCompactionConformance(StoreFixtures):
    """Compaction drops what was replaced, and never what a key holds."""

    def test_compaction_keeps_what_keys_hold_and_every_entry(self, store: Store, backdoor: BackDoor) -> None:
        """Values, versions, roots and later pasts are as before; older changes are gone."""
        for n in range(4):
            put(store, a=b"%d" % n, b=b"%d" % n)
        with store.begin() as uow:
            uow.kv.delete("/b")
        put(store, a=b"4", once=b"1")
        with store.read() as view:
            before, root, size = list(view.kv.iter()), view.journal.root(), view.journal.size()
        with store.begin() as uow:
            assert uow.kv.compact(upto=5) == 7
        with store.read() as view:
            assert list(view.kv.iter()) == before
            assert (view.journal.root(size), view.journal.size()) == (root, size + 1)
        kept = sorted((row.key, row.version) for row in backdoor.raw_rows(KV_CHANGE) if row.key.startswith("/"))
        # Revision 5 needs version 4 of /a, which revision 6 replaced.
        assert kept == [("/a", 4), ("/a", 5), ("/b", 0), ("/once", 1)]
        assert entries_of(store)[-1] == ("compact", "")
        sound(store)
        with store.read(as_of=5) as view:
            assert [(entry.key, entry.version) for entry in view.kv.iter()] == [("/a", 4)]

    def test_the_past_below_a_compaction_is_refused(self, store: Store) -> None:
        """For each read, with the oldest revision that is known; nothing is answered wrongly."""
        for n in range(4):
            put(store, a=b"%d" % n)
        with store.begin() as uow:
            uow.kv.compact(upto=3)
        for revision in range(3):
            with store.read(as_of=revision) as view:
                for read in (
                    lambda view=view: view.kv.get("/a"),
                    lambda view=view: list(view.kv.iter("/")),
                    lambda view=view: view.kv.version("/never"),
                ):
                    with refused(CompactedError, "3") as caught:
                        read()
                    assert caught.value.oldest == 3  # type: ignore[attr-defined]
        with store.read(as_of=3) as view:
            assert view.kv.require("/a").value == b"2"

    def test_compaction_of_a_prefix_leaves_other_keys_alone(self, store: Store) -> None:
        """They are known as of every revision still."""
        for _ in range(3):
            fill(store, "/a/x", "/b/x")
        with store.begin() as uow:
            assert uow.kv.compact(upto=3, prefix="/a") == 2
        with store.read(as_of=1) as view:
            assert [entry.version for entry in view.kv.iter("/b")] == [1]
            assert view.kv.version("/b/x") == 1
            for read in (lambda: view.kv.get("/a/x"), lambda: list(view.kv.iter("/a/x")), lambda: list(view.kv.iter())):
                with refused(CompactedError, "3"):
                    read()
        with store.begin() as uow:
            assert uow.kv.compact(upto=3) == 2
        sound(store)

    def test_compaction_by_age(self, open_store: OpenStore) -> None:
        """Up to the last unit before the time."""
        sources = CountingSources()
        with open_store(**sources.arguments()) as store:
            for n in range(5):
                put(store, a=b"%d" % n)
            with store.read() as view:
                times = [entry.recorded_at for entry in view.journal.entries()]
                third = view.kv.require("/a")
            assert third.version == 5
            with store.begin() as uow:
                assert uow.kv.compact(before=FIRST_MOMENT) == 0
                moment = FIRST_MOMENT + timedelta(microseconds=times[3] - times[0] + 1_000_000)
                assert uow.kv.compact(before=moment) == 2
            with store.read(as_of=3) as view:
                assert view.kv.require("/a").value == b"2"
            with store.begin() as uow:
                assert uow.kv.compact(before=FIRST_MOMENT + timedelta(days=1)) == 2

    def test_compaction_of_no_key_changes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Neither the first nor a second one, however many came before; a bad bound is refused."""
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.kv.compact(upto=0) == 0
            bads: list[dict[str, Any]] = [{}, {"upto": -1}, {"upto": "1"}, {"upto": 0, "before": FIRST_MOMENT}]
            for bad in bads:
                with refused(InvalidInputError):
                    uow.kv.compact(**bad)
            with refused(NotFoundError, "9"):
                uow.kv.compact(upto=9)
        for n in range(1, 4):
            put(store, a=b"%d" % n)
            upto = put(store, a=b"-%d" % n)
            with store.begin() as uow:
                assert uow.kv.compact(upto=upto) == (1 if n == 1 else 2)
            with nothing_written(backdoor), store.begin() as uow:
                assert uow.kv.compact(upto=upto) == 0
        assert len(backdoor.raw_rows(KV_CHANGE)) == 2

    def test_a_long_log_of_keys_is_compacted_whole(self, store: Store, backdoor: BackDoor) -> None:
        """Compaction reaches beyond any page of a backend and any buffer of a unit."""
        for _ in range(3):
            with store.begin() as uow:
                for n in range(1_500):
                    uow.kv.set(f"/k{n}", b"x")
        with store.begin() as uow:
            assert uow.kv.compact(upto=3) == 3_000
        assert len(backdoor.raw_rows(KV_CHANGE)) == 1_501
        sound(store)


@pytest.mark.spec("P28")
class KeyValueErasureConformance(StoreFixtures):
    """Erasure removes values and nonces; the entries and every proof stay."""

    def test_every_value_goes_and_every_proof_stays(self, store: Store, backdoor: BackDoor) -> None:
        """Of all versions, the present one too; old proofs verify against old roots and the new one."""
        for n in range(5):
            put(store, secret=b"text %d" % n, other=b"%d" % n)
        with store.begin() as uow:
            uow.kv.delete("/secret")
        put(store, secret=b"again")
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries()]
        with store.begin() as uow:
            assert uow.kv.erase("/secret") == 7
            assert uow.kv.get("/secret") is None
        kept = [row for row in backdoor.raw_rows(KV_CHANGE) if row.key == "/secret"]
        assert [(row.value, row.nonce, row.version) for row in kept] == [(None, b"", 0)]
        assert [row.key for row in backdoor.raw_rows(KV_ENTRY)] == ["/other"]
        assert entries_of(store)[-1] == ("erase", "/secret")
        for entry, proof in proofs:
            verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
        with store.read() as view:
            assert view.journal.root(size) == root
            for entry, _ in proofs:
                assert view.journal.entry(entry.position) == entry
        sound(store)

    def test_an_erased_key_is_absent_in_the_past_too(self, store: Store) -> None:
        """And can be set again, from version 1."""
        put(store, a=b"1", b=b"1")
        with store.begin() as uow:
            uow.kv.erase("/a")
        put(store, a=b"2")
        with store.read(as_of=1) as view:
            assert [entry.key for entry in view.kv.iter()] == ["/b"]
        with store.read() as view:
            assert view.kv.require("/a").version == 1
        with store.begin() as uow:
            uow.kv.compact(upto=3)
        sound(store)

    def test_erasing_a_deleted_key_removes_what_it_held(self, store: Store, backdoor: BackDoor) -> None:
        """A deletion left its values in the log."""
        put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.delete("/a")
        with store.begin() as uow:
            assert uow.kv.erase("/a") == 2
        assert [row.value for row in backdoor.raw_rows(KV_CHANGE)] == [None]
        sound(store)

    def test_erasing_what_holds_no_value_changes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """An absent key, one that was erased already, one that only this unit made."""
        put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.erase("/a")
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.kv.erase("/a") == 0
            assert uow.kv.erase("/never") == 0
            uow.kv.set("/new", b"1")
            assert uow.kv.erase("/new") == 0

    def test_an_erasure_replaces_what_the_unit_did_to_the_key(self, store: Store) -> None:
        """And nothing is done to the key after it in the same unit."""
        put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.set("/a", b"2")
            assert uow.kv.erase("/a") == 1
            with refused(InvalidInputError, "/a"):
                uow.kv.set("/a", b"3")
            uow.kv.set("/b", b"1")
        assert entries_of(store)[1:] == [("erase", "/a"), ("create", "/b")]
        sound(store)

    def test_an_erasure_that_is_rolled_back_removes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Like every change it is undone with its unit."""
        put(store, a=b"1")
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.kv.erase("/a")
            raise KeyboardInterrupt

    def test_a_removed_change_that_nothing_accounts_for_is_found(self, store: Store, backdoor: BackDoor) -> None:
        """Tolerated is what an erasure or a compaction of these very keys removed, and nothing else."""
        for n in range(3):
            put(store, a=b"%d" % n, b=b"%d" % n)
        with store.begin() as uow:
            uow.kv.compact(upto=2, prefix="/b")
            uow.kv.set("/c", b"1")
        sound(store)
        (second,) = [row for row in backdoor.raw_rows(KV_CHANGE) if (row.key, row.version) == ("/a", 2)]
        backdoor.raw_delete(KV_CHANGE, (second.position,))
        report = verify(store, store_id=store.store_id)
        assert {finding.code for finding in report.findings} == {"VALUE_MISSING", "VERSION_GAP"}
        backdoor.raw_put(KV_CHANGE, second)
        sound(store)
        (kept,) = [row for row in backdoor.raw_rows(KV_CHANGE) if (row.key, row.version) == ("/b", 2)]
        backdoor.raw_delete(KV_CHANGE, (kept.position,))
        # The one that the compaction dropped is missing too now: what replaced it then is gone.
        assert [f.code for f in verify(store, store_id=store.store_id).findings] == ["VALUE_MISSING"] * 2

    def test_a_changed_value_is_found(self, store: Store, backdoor: BackDoor) -> None:
        """In the log and in the table of present values."""
        put(store, a=b"1")
        (change,), (entry,) = backdoor.raw_rows(KV_CHANGE), backdoor.raw_rows(KV_ENTRY)
        kept: dict[Relation[Any], Any] = {KV_CHANGE: change, KV_ENTRY: entry}
        for relation, row in kept.items():
            for column, value in (("value", b"2"), ("version", 2), ("revision", 2), ("created_at", 1)):
                backdoor.raw_put(relation, row._replace(**{column: value}))
                assert verify(store, store_id=store.store_id).findings, (relation.name, column)
            backdoor.raw_put(relation, row)
        backdoor.raw_put(KV_ENTRY, entry._replace(key="/extra"))
        assert [f.code for f in verify(store, store_id=store.store_id).findings] == ["PROJECTION_MISMATCH"]
        backdoor.raw_delete(KV_ENTRY, ("/extra",))
        sound(store)
        backdoor.raw_delete(KV_ENTRY, ("/a",))
        assert [f.code for f in verify(store, store_id=store.store_id).findings] == ["PROJECTION_MISMATCH"]
