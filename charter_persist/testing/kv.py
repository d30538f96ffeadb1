"""Conformance of keys and values: what each operation does, net effects of a unit, transactions, and bad input.

Source: KV-1 to KV-3, KV-7, KV-9, NEIGHBOURS 6 (rows 2, 3, 5 and 7).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from charter_persist.backends.contract import KV_CHANGE, KV_ENTRY, SCHEMA_VERSION
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotFoundError,
    StoreClosedError,
    TransactionFailedError,
    VersionConflictError,
)
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, Entry, Set
from charter_persist.model.key import SCHEMA_VERSION_KEY
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.limits import exceeds
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED
from charter_persist.testing.sources import FIRST_MOMENT, CountingSources
from charter_persist.unit_of_work import UnitOfWork

NO_KEYS: Final = ("a", "/", "//", "/a/", "/a//b", "//a", "a/", " /a", *REFUSED)
"""Texts that are no keys."""

WRITES: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "set": lambda uow, key: uow.kv.set(key, b"1"),
    "compare_and_set": lambda uow, key: uow.kv.compare_and_set(key, b"1", expected=0),
    "create_if_not_exists": lambda uow, key: uow.kv.create_if_not_exists(key, b"1"),
    "delete": lambda uow, key: uow.kv.delete(key, missing_ok=True),
    "erase": lambda uow, key: uow.kv.erase(key),
    "transaction set": lambda uow, key: uow.kv.transaction([Set("/ok", b"1"), Set(key, b"1")]),
    "transaction delete": lambda uow, key: uow.kv.transaction([Set("/ok", b"1"), Delete(key)]),
}
READS: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "get": lambda uow, key: uow.kv.get(key),
    "require": lambda uow, key: uow.kv.require(key),
    "exists": lambda uow, key: uow.kv.exists(key),
    "version": lambda uow, key: uow.kv.version(key),
    "transaction check": lambda uow, key: uow.kv.transaction([CheckVersion(key, 0)]),
    "transaction check of a revision": lambda uow, key: uow.kv.transaction([CheckRevision(key, 0)]),
}


def put(store: Store, **values: bytes) -> int:
    """Set keys ``/name`` in a unit of their own; returns its revision."""
    with store.begin() as uow:
        for name, value in values.items():
            uow.kv.set(f"/{name}", value)
    assert uow.receipt is not None
    return uow.receipt.revision


def newest(store: Store) -> int:
    """The newest revision; 0 where a ledger is new, and any number where others share the server's revisions."""
    with store.read() as view:
        return view.revision


def entries_of(store: Store) -> list[tuple[str, str]]:
    """Operation and subject of each journal entry of the store of keys."""
    with store.read() as view:
        return [(entry.operation, entry.subject) for entry in view.journal.entries() if entry.store == "kv"]


@pytest.mark.spec("KV-1", "KV-2")
class KeyValueConformance(StoreFixtures):
    """What a key holds, and what each operation makes of it."""

    def test_an_entry_has_all_that_is_known_of_a_key(self, open_store: OpenStore) -> None:
        """Value, version, revision and both times."""
        with open_store(**CountingSources().arguments()) as store:
            first = put(store, a=b"\x00\xff", b=b"")
            second = put(store, a=b"2")
            with store.read() as view:
                a, b = view.kv.require("/a"), view.kv.require("/b")
        assert (a.key, a.value, a.version, a.revision) == ("/a", b"2", 2, second)
        assert (b.key, b.value, b.version, b.revision) == ("/b", b"", 1, first)
        assert FIRST_MOMENT < a.created_at == b.created_at == b.updated_at < a.updated_at
        assert a.created_at.tzinfo is UTC

    @requires(Requirement.JOURNAL)
    def test_every_change_of_a_key_is_logged(self, store: Store, backdoor: BackDoor) -> None:
        """Each with a nonce of its own, and the row of a key says which is its newest."""
        put(store, a=b"\x00\xff", b=b"")
        put(store, a=b"2")
        changes = sorted(backdoor.raw_rows(KV_CHANGE))
        assert [(row.key, row.value, row.version) for row in changes] == [
            ("/a", b"\x00\xff", 1),
            ("/b", b"", 1),
            ("/a", b"2", 2),
        ]
        assert len({row.nonce for row in changes}) == 3
        newest = {row.key: row.position for row in changes}
        assert {row.key: row.position for row in backdoor.raw_rows(KV_ENTRY)} == newest

    def test_an_absent_key_is_none_false_and_zero(self, store: Store) -> None:
        """And `require` says which."""
        with store.read() as view:
            assert view.kv.get("/a") is None
            assert not view.kv.exists("/a")
            assert view.kv.version("/a") == 0
            with refused(NotFoundError, "/a"):
                view.kv.require("/a")

    def test_keys_are_compared_as_they_are(self, store: Store) -> None:
        """Case, accents and composed forms make other keys."""
        names = ["/a", "/A", "/\u00e9", "/e\u0301", "/a/b", "/a b", "/ a"]
        with store.begin() as uow:
            for name in names:
                uow.kv.set(name, name.encode())
        with store.read() as view:
            assert [view.kv.require(name).value for name in names] == [name.encode() for name in names]

    def test_delete_of_an_absent_key_is_an_error_unless_it_may_be_missing(
        self, store: Store, backdoor: BackDoor
    ) -> None:
        """Both are documented, and neither writes anything."""
        with nothing_written(backdoor), store.begin() as uow:
            with refused(NotFoundError, "/a"):
                uow.kv.delete("/a")
            assert uow.kv.delete("/a", missing_ok=True) is False
        put(store, a=b"1")
        with store.begin() as uow:
            assert uow.kv.delete("/a") is True
        with store.read() as view:
            assert view.kv.get("/a") is None

    def test_create_takes_an_absent_key_only(self, store: Store, backdoor: BackDoor) -> None:
        """What is there is not touched."""
        with store.begin() as uow:
            assert uow.kv.create_if_not_exists("/a", b"1") == 1
        with nothing_written(backdoor), store.begin() as uow, refused(AlreadyExistsError, "/a"):
            uow.kv.create_if_not_exists("/a", b"2")

    def test_compare_and_set_takes_the_version_that_is_expected(self, store: Store, backdoor: BackDoor) -> None:
        """0 means absent; every other number is refused with both, and nothing is written."""
        with nothing_written(backdoor), store.begin() as uow:
            with refused(VersionConflictError, "0", "1") as caught:
                uow.kv.compare_and_set("/a", b"x", expected=1)
            assert (caught.value.expected, caught.value.actual) == (1, 0)  # type: ignore[attr-defined]
        with store.begin() as uow:
            assert uow.kv.compare_and_set("/a", b"1", expected=0) == 1
        with store.begin() as uow:
            assert uow.kv.compare_and_set("/a", b"2", expected=1) == 2
        with nothing_written(backdoor), store.begin() as uow:
            for expected in (0, 1, 3, 2**63 - 1, 2**70):
                with refused(VersionConflictError):
                    uow.kv.compare_and_set("/a", b"x", expected=expected)

    def test_a_revision_is_never_taken_for_another_value(self, store: Store) -> None:
        """A key that was deleted and created again has its old version, and never its old revision."""
        put(store, a=b"one")
        with store.read() as view:
            seen = view.kv.require("/a")
        with store.begin() as uow:
            uow.kv.delete("/a")
        put(store, a=b"another")
        with store.begin() as uow:
            # Catches a tombstone that goes on counting: univrs-storage says that a create gives version 1.
            assert uow.kv.version("/a") == seen.version == 1
            with refused(VersionConflictError, "revision"):
                uow.kv.compare_and_set("/a", b"mine", expected_revision=seen.revision)
            now = uow.kv.require("/a")
            assert uow.kv.compare_and_set("/a", b"mine", expected_revision=now.revision) == 2

    def test_compare_and_set_takes_exactly_one_expectation(self, store: Store, backdoor: BackDoor) -> None:
        """None, both, or what is no number is refused."""
        with nothing_written(backdoor), store.begin() as uow:
            bad: list[dict[str, Any]] = [{}, {"expected": 0, "expected_revision": 0}]
            bad += [{name: value} for name in ("expected", "expected_revision") for value in (-1, "0", 1.0, True)]
            for arguments in bad:
                with refused(InvalidInputError, "expected"):
                    uow.kv.compare_and_set("/a", b"x", **arguments)

    @pytest.mark.spec("KV-9")
    def test_the_schema_version_is_a_key_that_nobody_writes(self, store: Store, backdoor: BackDoor) -> None:
        """It can be read and checked; it is not listed, and no operation takes it."""
        with store.begin() as uow:
            entry = uow.kv.require(SCHEMA_VERSION_KEY)
            assert int(entry.value) == entry.version == SCHEMA_VERSION
            uow.kv.transaction([CheckVersion(SCHEMA_VERSION_KEY, SCHEMA_VERSION), Set("/a", b"1")])
            assert uow.kv.exists(SCHEMA_VERSION_KEY)
        assert uow.receipt is not None
        with store.read(as_of=uow.receipt.revision) as view:
            assert view.kv.version(SCHEMA_VERSION_KEY) == SCHEMA_VERSION
            assert [item.key for item in view.kv.iter()] == ["/a"]
            assert view.kv.list("/meta").items == ()
        with nothing_written(backdoor), store.begin() as uow:
            for write in WRITES.values():
                with refused(InvalidKeyError, SCHEMA_VERSION_KEY):
                    write(uow, SCHEMA_VERSION_KEY)


@pytest.mark.spec("KV-3")
class KeyValueUnitConformance(StoreFixtures):
    """A unit changes a key once, as seen from outside."""

    def test_several_changes_of_a_key_are_one(self, store: Store) -> None:
        """One version, the last value; the unit itself sees each of them."""
        put(store, a=b"0")
        with store.begin() as uow:
            for value in (b"1", b"2", b"3"):
                assert uow.kv.set("/a", value) == 2
                assert uow.kv.require("/a").value == value
        with store.read() as view:
            entry = view.kv.require("/a")
        assert (entry.value, entry.version) == (b"3", 2)

    def test_delete_then_set_is_an_update(self, store: Store) -> None:
        """The version goes on, and the key was created when it was."""
        put(store, a=b"1")
        with store.read() as view:
            before = view.kv.require("/a")
        with store.begin() as uow:
            uow.kv.delete("/a")
            assert (uow.kv.get("/a"), uow.kv.version("/a")) == (None, 0)
            assert uow.kv.create_if_not_exists("/a", b"2") == 2
        with store.read() as view:
            after = view.kv.require("/a")
        assert (after.version, after.value, after.created_at) == (2, b"2", before.created_at)

    def test_create_then_delete_is_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """No entry, no revision, no nonce wasted."""
        with nothing_written(backdoor), store.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.kv.delete("/a")
        assert uow.receipt is None

    def test_set_then_delete_is_a_deletion(self, store: Store) -> None:
        """What the key held before the unit is what is deleted."""
        before = put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.set("/a", b"2")
            uow.kv.delete("/a")
        with store.read() as view:
            assert view.kv.get("/a") is None
        with store.read(as_of=before) as view:
            assert view.kv.require("/a").value == b"1"

    @requires(Requirement.JOURNAL)
    def test_the_journal_has_what_a_unit_came_to(self, store: Store) -> None:
        """One entry for each key, whatever the unit did to it on the way."""
        put(store, a=b"0")
        with store.begin() as uow:
            for value in (b"1", b"2"):
                uow.kv.set("/a", value)
        with store.begin() as uow:
            uow.kv.delete("/a")
            uow.kv.create_if_not_exists("/a", b"3")
        with store.begin() as uow:
            uow.kv.set("/a", b"4")
            uow.kv.delete("/a")
        assert entries_of(store) == [(operation, "/a") for operation in ("create", "update", "update", "delete")]

    def test_a_deleted_key_begins_again_with_version_one(self, store: Store) -> None:
        """In another unit; its creation is a new one."""
        put(store, a=b"1")
        put(store, a=b"2")
        with store.begin() as uow:
            uow.kv.delete("/a")
        put(store, a=b"3")
        with store.read() as view:
            entry = view.kv.require("/a")
        assert (entry.version, entry.created_at) == (1, entry.updated_at)

    @requires(Requirement.JOURNAL)
    def test_a_flushed_key_is_not_changed_again(self, store: Store) -> None:
        """What was written cannot be taken back, and a second change would be a second event; other keys go on."""
        with store.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.flush()
            for again in ("set", "delete", "erase", "transaction set", "transaction delete"):
                with refused(InvalidInputError, "/a"):
                    WRITES[again](uow, "/a")
            with refused(InvalidInputError, "/a"):
                uow.kv.compare_and_set("/a", b"2", expected=1)
            assert uow.kv.set("/b", b"1") == 1
            assert uow.kv.require("/a").value == b"1"
        assert entries_of(store) == [("create", "/a"), ("create", "/b")]

    def test_a_unit_that_raises_changes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Nor does one that was left open by mistake, afterwards."""
        put(store, a=b"1")
        with nothing_written(backdoor):
            with pytest.raises(KeyboardInterrupt), store.begin() as uow:
                uow.kv.set("/a", b"2")
                raise KeyboardInterrupt
            with pytest.raises(StoreClosedError):
                uow.kv.set("/a", b"3")
            with pytest.raises(StoreClosedError):
                uow.kv.set("/b", b"3")

    def test_each_unit_that_changes_a_key_has_its_own_revision(self, store: Store) -> None:
        """Later ones larger ones, and an entry has that of the unit that changed it."""
        seen = newest(store)
        for number in range(1, 4):
            done = store.run(lambda uow: uow.kv.set("/a", b"x"))
            assert done.value == number
            assert done.receipt is not None
            assert seen < done.receipt.revision <= newest(store)
            seen = done.receipt.revision
            with store.read() as view:
                assert view.kv.require("/a").revision == seen

    @requires(Requirement.JOURNAL)
    def test_each_unit_of_a_batch_has_its_own_revision(self, store: Store) -> None:
        """Two units of one commit are two changes, counted from 1."""
        for number in (1, 2):
            assert store.run(lambda uow: uow.kv.set("/a", b"x")).value == number
        with store.read() as view:
            assert view.kv.require("/a").revision == view.revision == 2


@pytest.mark.spec("KV-2")
class KeyValueTransactionConformance(StoreFixtures):
    """All or nothing, and the first check that failed."""

    def test_the_workload_moves_or_stays(self, store: Store, backdoor: BackDoor) -> None:
        """The example of the specification."""
        put(store, source=b"w", target=b"")

        def move(source: int, target: int) -> list[Any]:
            checks = [CheckVersion("/source", source), CheckVersion("/target", target)]
            return [*checks, Set("/source", b""), Set("/target", b"w"), Set("/workload", b"target")]

        with store.begin() as uow:
            uow.kv.transaction(move(1, 1))
        with nothing_written(backdoor), store.begin() as uow, refused(TransactionFailedError, "/source", "2") as caught:
            uow.kv.transaction(move(1, 1))
        error = caught.value
        assert isinstance(error, TransactionFailedError)
        # Catches an implementation that raises the conflict of the check and leaves open which one it was.
        assert (error.index, error.check) == (0, CheckVersion("/source", 1))
        with store.read() as view:
            assert {entry.key: (entry.value, entry.version) for entry in view.kv.iter()} == {
                "/source": (b"", 2),
                "/target": (b"w", 2),
                "/workload": (b"target", 1),
            }

    def test_checks_come_first_wherever_they_stand(self, store: Store, backdoor: BackDoor) -> None:
        """A check sees no write of its own transaction, and the first one that fails is told."""
        put(store, a=b"1")
        with nothing_written(backdoor), store.begin() as uow:
            with refused(TransactionFailedError) as caught:
                uow.kv.transaction(
                    [Set("/a", b"2"), CheckVersion("/a", 1), CheckVersion("/a", 2), CheckRevision("/b", 7)]
                )
            assert caught.value.index == 2  # type: ignore[attr-defined]
            # The unit goes on, and holds nothing of it.
            assert uow.kv.require("/a").value == b"1"

    def test_operations_are_done_in_order(self, store: Store) -> None:
        """The last one of a key counts; deleting what is absent is no error."""
        put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.transaction(
                [Set("/a", b"2"), Delete("/a"), Set("/a", b"3"), Delete("/b"), Set("/c", b"1"), Delete("/c")]
            )
        with store.read() as view:
            assert [(entry.key, entry.value, entry.version) for entry in view.kv.iter()] == [("/a", b"3", 2)]

    def test_a_revision_is_checked_as_well(self, store: Store) -> None:
        """By the revision no delete and create can deceive."""
        revision = put(store, a=b"1")
        with store.begin() as uow:
            uow.kv.transaction([CheckRevision("/a", revision), CheckRevision("/b", 0), Delete("/a")])
        put(store, a=b"1")
        with store.begin() as uow, refused(TransactionFailedError, "revision"):
            uow.kv.transaction([CheckVersion("/a", 1), CheckRevision("/a", revision), Set("/a", b"2")])

    def test_an_empty_transaction_changes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Nor does one of checks alone."""
        with nothing_written(backdoor), store.begin() as uow:
            uow.kv.transaction([])
            uow.kv.transaction([CheckVersion("/a", 0)])

    @pytest.mark.parametrize("bad", [None, "x", ("/a", b"1"), {"set": 1}, Set, Entry], ids=repr)
    def test_what_is_no_operation_is_refused(self, store: Store, backdoor: BackDoor, bad: Any) -> None:
        """Before anything is done."""
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidInputError):
            uow.kv.transaction([Set("/a", b"1"), bad])


@pytest.mark.spec("KV-1", "KV-7", "P47", "P48")
class KeyValueInputConformance(StoreFixtures):
    """Bad input: the same typed error on every backend, before any I/O."""

    @pytest.mark.parametrize("call", [*WRITES, *READS])
    def test_what_is_no_key_is_refused(self, store: Store, backdoor: BackDoor, call: str) -> None:
        """By each operation, and nothing of its unit is written."""
        use = {**WRITES, **READS}[call]
        wrong: list[tuple[Any, str]] = []
        with nothing_written(backdoor):
            for key in (*NO_KEYS, *NOT_TEXTS):
                try:
                    with store.begin() as uow:
                        use(uow, key)
                except InvalidKeyError as exc:
                    if exc.applied != "no" or "key" not in exc.message:
                        wrong.append((key, exc.message))
                except CharterError as exc:
                    wrong.append((key, repr(exc)))
                else:
                    wrong.append((key, "accepted"))
        assert wrong == []

    @pytest.mark.parametrize(
        "value",
        [None, "text", bytearray(b"x"), memoryview(b"x"), 7, [b"x"], {"a": 1}],
        ids=lambda value: type(value).__name__,
    )
    def test_what_is_no_bytes_is_refused(self, store: Store, backdoor: BackDoor, value: Any) -> None:
        """By each operation that takes a value."""
        with nothing_written(backdoor), store.begin() as uow:
            for write in (
                lambda: uow.kv.set("/a", value),
                lambda: uow.kv.compare_and_set("/a", value, expected=0),
                lambda: uow.kv.create_if_not_exists("/a", value),
                lambda: uow.kv.transaction([Set("/b", b"1"), Set("/a", value)]),
            ):
                with refused(InvalidInputError, "bytes"):
                    write()

    def test_any_text_behind_a_slash_is_kept_literally(self, store: Store) -> None:
        """No key is SQL, a path or a pattern, and no two keys meet."""
        halves = [f"/{name}" for name in LITERAL], [f"/x/{name}/y" for name in LITERAL]
        names = [*halves[0], *halves[1]]
        for half in halves:
            with store.begin() as uow:
                for name in half:
                    uow.kv.set(name, name.encode())
        with store.read() as view:
            assert [entry.key for entry in view.kv.iter()] == sorted(names, key=str.encode)
            for name in names:
                assert view.kv.require(name).value == name.encode()
                found = [entry.key for entry in view.kv.iter(name)]
                assert found == sorted((other for other in names if other.startswith(name)), key=str.encode)

    @pytest.mark.parametrize("character", ["x", "\u20ac", "\U0001f600"], ids=ascii)
    def test_length_of_a_key(self, store: Store, backdoor: BackDoor, character: str) -> None:
        """1,024 bytes of UTF-8 are fine, one more is refused with the facts."""
        key = "/" + character * (1_023 // len(character.encode()))
        key += "y" * (1_024 - len(key.encode()))
        with nothing_written(backdoor), store.begin() as uow, refused(LimitExceededError, "key_bytes_max") as caught:
            uow.kv.set(key + "y", b"1")
        assert exceeds(caught, "key_bytes_max", 1_024, 1_025)
        with store.begin() as uow:
            uow.kv.set(key, b"1")
            uow.kv.set(key[:-1], b"1")
        with store.read() as view:
            page = view.kv.list(limit=1)
            assert [entry.key for entry in view.kv.list(limit=1, cursor=page.cursor).items] == [key]

    def test_size_of_a_value_of_a_key(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """At the limit is fine, one byte more is refused; the limit can be lowered."""
        with open_store(options=Options(kv_value_bytes_max=100)) as store:
            with nothing_written(backdoor), store.begin() as uow:
                with refused(LimitExceededError, "kv_value_bytes_max") as caught:
                    uow.kv.set("/a", b"x" * 101)
                assert exceeds(caught, "kv_value_bytes_max", 100, 101)
                with refused(LimitExceededError, "kv_value_bytes_max"):
                    uow.kv.transaction([Set("/b", b""), Set("/a", b"x" * 101)])
            with store.begin() as uow:
                uow.kv.set("/a", b"x" * 100)

    def test_number_of_operations_in_a_transaction(self, store: Store, backdoor: BackDoor) -> None:
        """As many as the store says are fine, one more is refused, however many follow."""
        maximum = store.options.transaction_operations_max
        with nothing_written(backdoor), store.begin() as uow:
            with refused(LimitExceededError, "transaction_operations_max") as caught:
                uow.kv.transaction(Set("/a", b"") for _ in range(1_000_000_000))
            assert exceeds(caught, "transaction_operations_max", maximum, maximum + 1)
        with store.begin() as uow:
            uow.kv.transaction([Set(f"/{number}", b"") for number in range(maximum)])
        with store.read() as view:
            assert len(view.kv.list(limit=10_000).items) == maximum

    @requires(Requirement.JOURNAL)
    def test_a_ledger_keeps_the_limits_of_keys(self, store: Store) -> None:
        """10,000 operations and 64 MiB; a backend of keys alone may keep smaller ones, and `Store.options` says them."""
        limits = store.options
        assert (limits.transaction_operations_max, limits.kv_value_bytes_max) == (10_000, 64 * 1024 * 1024)

    def test_times_are_those_of_the_clock_to_the_microsecond(self, open_store: OpenStore) -> None:
        """They come back as they went in."""
        moment = datetime(2026, 11, 21, 8, 46, 0, 1, tzinfo=UTC)
        with open_store(clock=lambda: moment) as store:
            put(store, a=b"1")
            with store.read() as view:
                assert view.kv.require("/a").created_at == moment
