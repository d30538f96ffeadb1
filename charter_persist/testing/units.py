"""Conformance of units of work: whole or not at all, isolated, one at a time, ended once.

Source: DESIGN 1.1 and 3, RELIABILITY P9, P10 and P57.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import pytest

from charter_persist.backends.contract import JOURNAL
from charter_persist.errors import (
    CharterError,
    InvalidInputError,
    NotSupportedError,
    ReadOnlyError,
    StoreClosedError,
    VersionConflictError,
)
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, Requirement, StoreFixtures, requires
from charter_persist.testing.objects import put
from charter_persist.unit_of_work import ReadView, UnitOfWork

READS: Final[dict[str, Callable[[ReadView | UnitOfWork], Any]]] = {
    "objects": lambda view: list(view.objects.iter()),
    "refs": lambda view: list(view.refs.iter()),
    "audit": lambda view: list(view.audit.iter()),
    "metadata": lambda view: list(view.metadata.iter()),
    "sessions": lambda view: list(view.sessions.iter()),
}
WRITES: Final[dict[str, Callable[[UnitOfWork], Any]]] = {
    "objects": lambda uow: uow.objects.put("doc", "late"),
    "many objects": lambda uow: uow.objects.put_many([("doc", "late")]),
    "refs": lambda uow: uow.refs.set("late", uow.objects.put("doc", 1), expected=0),
    "audit": lambda uow: uow.audit.append("LATE", scope="GLOBAL", subject=("doc", "x")),
    "metadata": lambda uow: uow.metadata.set("late", 1),
    "sessions": lambda uow: uow.sessions.create(area_id="x", problem_statement="late"),
}


def change_everything(uow: UnitOfWork, tag: str) -> None:
    """One change in each store."""
    digest = uow.objects.put("doc", tag)
    uow.refs.set(f"ref/{tag}", digest, expected=0)
    uow.audit.append("NOTED", scope="GLOBAL", subject=("doc", digest), event_id=f"event-{tag}")
    uow.metadata.set(f"key/{tag}", tag)
    uow.sessions.create(session_id=f"session-{tag}", area_id="x", problem_statement=tag)


def counts(view: ReadView) -> list[int]:
    """How many there are of each kind."""
    return [len(read(view)) for read in READS.values()]


@pytest.mark.spec("STO-1", "P9")
class UnitConformance(StoreFixtures):
    """What `begin` promises."""

    def test_all_changes_become_visible_together(self, store: Store) -> None:
        """Before the end of the unit none is visible, behind it all are."""
        with store.begin() as uow:
            change_everything(uow, "a")
            uow.flush()
            with store.read() as view:
                # Catches a flush that commits.
                assert counts(view) == [0] * 5
                assert view.revision == 0
        with store.read() as view:
            assert counts(view) == [1] * 5
            assert view.revision == 1

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_a_unit_that_raises_leaves_nothing(
        self, store: Store, backdoor: BackDoor, error: type[BaseException]
    ) -> None:
        """Whatever is raised, also what is no Exception, also behind a flush; the error reaches the caller."""
        put(store, "before")
        with nothing_written(backdoor), pytest.raises(error), store.begin() as uow:
            change_everything(uow, "a")
            uow.flush()
            change_everything(uow, "b")
            raise error
        with pytest.raises(StoreClosedError):
            uow.objects.put("doc", "late")
        with store.begin() as uow:
            change_everything(uow, "c")
        assert uow.receipt is not None
        assert (uow.receipt.revision, uow.receipt.first_position) == (2, 2)

    def test_a_unit_that_was_undone_hides_nothing_of_a_later_one(self, store: Store) -> None:
        """Rows in the place of rows that were rolled back are found, newest and oldest first, and one by one."""
        with store.begin() as uow:
            uow.sessions.create(session_id="s", area_id="x", problem_statement="why")
            uow.sessions.set_state("s", "ACTIVE")
        with pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.objects.put("doc", "to make the positions differ")
            uow.sessions.set_state("s", "PAUSED")
            uow.flush()
            raise KeyboardInterrupt
        with store.begin() as uow:
            uow.sessions.set_state("s", "BLOCKED")
        with store.read() as view:
            # Catches what is left of a rolled-back row in an index, where it stands in for the live one.
            assert str(view.sessions.require("s").state) == "BLOCKED"
            assert [str(past.state) for past in view.sessions.history("s")] == ["ACTIVE", "BLOCKED"]

    def test_a_unit_that_changed_nothing_takes_no_revision(self, store: Store, backdoor: BackDoor) -> None:
        """It has no receipt and leaves no trace."""
        put(store, "before")
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.objects.exists(uow.objects.put("doc", "before"))
            assert uow.flush() is None
        assert uow.receipt is None

    def test_a_receipt_tells_what_the_unit_became(self, store: Store) -> None:
        """Revision, first position, size and root; it is there when the unit has ended, and not before."""
        put(store, "before")
        with store.begin() as uow:
            change_everything(uow, "a")
            with refused(StoreClosedError):
                _ = uow.receipt
            provisional = uow.flush()
        receipt = uow.receipt
        assert receipt is not None
        assert (receipt.revision, receipt.first_position, receipt.size) == (2, 2, 6)
        assert provisional == receipt
        with store.read() as view:
            assert (view.revision, view.journal.size(), view.journal.root()) == (2, 6, receipt.root)
            assert view.objects.list().revision == 2

    @pytest.mark.spec("P10")
    def test_a_call_that_was_refused_changed_nothing_in_its_unit(self, store: Store, backdoor: BackDoor) -> None:
        """A caller that handles the error and goes on commits what it did besides, and only that."""
        (digest,) = put(store, "before")
        with store.begin() as uow:
            with refused(VersionConflictError):
                uow.refs.set("a", digest, expected=3)
            with refused(InvalidInputError):
                uow.audit.append("NOTED", scope="nowhere", subject=("doc", "x"))
            uow.metadata.set("went", "on")
        assert [row.store for row in sorted(backdoor.raw_rows(JOURNAL))] == ["object", "metadata"]

    def test_a_view_is_one_moment(self, store: Store) -> None:
        """Whatever is read in a view, and whenever, was true at one revision."""
        with store.begin() as uow:
            change_everything(uow, "a")
        with store.read() as view:
            # Nothing was read yet: a snapshot is taken when the view is opened, not at its first read.
            for tag in "bcd":
                with store.begin() as uow:
                    change_everything(uow, tag)
                    uow.metadata.set("key/a", tag)
            assert counts(view) == [1] * 5
            assert view.metadata.get("key/a") == "a"
            assert (view.revision, view.journal.size()) == (1, 5)
            page = view.refs.list(limit=1)
            assert (page.cursor, page.revision) == (None, 1)
        with store.read() as view:
            assert counts(view) == [4] * 5

    def test_a_view_neither_waits_for_a_writer_nor_makes_one_wait(self, open_store: OpenStore) -> None:
        """Readers and one writer go side by side, on one handle and on two."""
        with open_store(unit_timeout_s=5.0) as one, open_store(unit_timeout_s=5.0) as two, one.read() as early:
            began = time.monotonic()
            with one.begin() as uow:
                change_everything(uow, "a")
                uow.flush()
                with one.read() as here, two.read() as there:
                    assert counts(here) == counts(there) == [0] * 5
            assert counts(early) == [0] * 5
            assert time.monotonic() - began < 4.0

    def test_another_handle_sees_what_was_committed(self, open_store: OpenStore) -> None:
        """At once, and in a unit as in a view."""
        with open_store() as one, open_store() as two:
            for number in range(1, 4):
                writer, reader = (one, two) if number % 2 else (two, one)
                with writer.begin() as uow:
                    change_everything(uow, str(number))
                with reader.read() as view:
                    assert counts(view) == [number] * 5
                with reader.begin() as uow:
                    assert uow.objects.exists(uow.objects.put("doc", str(number)))
                assert uow.receipt is None

    def test_a_second_unit_of_the_same_thread_is_refused(self, open_store: OpenStore) -> None:
        """It would wait for itself; the open unit is not harmed, and views can be opened."""
        with open_store(unit_timeout_s=5.0) as store, store.begin() as uow:
            uow.objects.put("doc", 1)
            calls: list[Callable[[], Any]] = [
                lambda: store.begin().__enter__(),
                lambda: store.run(lambda inner: None),
                lambda: store.resolve("x"),
            ]
            for call in calls:
                with refused(InvalidInputError, "this thread"):
                    call()
            with store.read() as view:
                assert view.revision == 0
        assert uow.receipt is not None

    def test_a_unit_inside_a_run_is_refused(self, store: Store) -> None:
        """Also there, and the store is free again."""
        with refused(InvalidInputError, "this thread"):
            store.run(lambda uow: store.begin().__enter__())
        put(store, 2)

    def test_a_unit_block_is_used_once(self, store: Store) -> None:
        """Entering it again is refused."""
        block = store.begin()
        with block as uow:
            uow.objects.put("doc", 1)
        with refused(StoreClosedError), block:
            pytest.fail("the block was entered again")
        put(store, 2)

    @pytest.mark.spec("P57")
    @pytest.mark.parametrize("ended_well", [True, False])
    def test_a_unit_that_has_ended_refuses_everything(self, store: Store, backdoor: BackDoor, ended_well: bool) -> None:
        """Neither reads nor writes go through a unit that leaked out of its block, nor is anything passed on."""
        put(store, 1)
        with contextlib.suppress(KeyboardInterrupt), store.begin() as uow:
            change_everything(uow, "a")
            if not ended_well:
                raise KeyboardInterrupt
        with nothing_written(backdoor):
            for call in (*READS.values(), *WRITES.values(), UnitOfWork.flush):
                with refused(StoreClosedError):
                    call(uow)
            with store.begin() as later:
                # Catches a leaked unit that goes on in the transaction of the next one.
                for call in (*READS.values(), *WRITES.values(), UnitOfWork.flush):
                    with refused(StoreClosedError):
                        call(uow)
            assert later.receipt is None

    @pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 10**400, True, "1", [1]], ids=str)
    def test_what_is_no_time_limit_is_refused(self, store: Store, backdoor: BackDoor, timeout_s: Any) -> None:
        """It is refused before the lock is taken: the next unit is like any other."""
        with nothing_written(backdoor), refused(InvalidInputError, "timeout_s"), store.begin(timeout_s=timeout_s):
            pytest.fail("the block was entered")
        put(store, 1)

    @pytest.mark.parametrize("verb", ["objects.put_many", "kv.transaction"])
    def test_what_cannot_be_taken_one_by_one_is_refused(self, store: Store, backdoor: BackDoor, verb: str) -> None:
        """Nothing was done, and the unit can go on."""
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidInputError, "iterable"):
            attrgetter(verb)(uow)(None)

    def test_a_unit_may_be_ended_by_another_thread(self, store: Store) -> None:
        """Then the thread that began it may begin the next one, which a second end of the first one does not touch."""
        block = store.begin()
        put_in = block.__enter__()
        put_in.objects.put("doc", 1)
        ending = threading.Thread(target=block.__exit__, args=(None, None, None))
        ending.start()
        ending.join()
        with store.begin() as uow:
            with refused(StoreClosedError):
                block.__exit__(None, None, None)
            with refused(InvalidInputError, "open"), store.begin():
                pytest.fail("the block was entered")
            uow.objects.put("doc", 2)
        with store.read() as view:
            assert [envelope.object for envelope in view.objects.iter()] == [1, 2]

    @pytest.mark.spec("P57")
    def test_a_unit_that_has_ended_leaves_no_trace_in_the_journal(self, store: Store, open_store: OpenStore) -> None:
        """Its entries are not taken for those which another handle wrote since, though they are as many."""
        put(store, 1)
        with contextlib.suppress(KeyboardInterrupt), store.begin() as uow:
            uow.objects.put("doc", "never")
            raise KeyboardInterrupt
        with refused(StoreClosedError):
            uow.flush()
        with open_store() as other:
            put(other, 2)
        with store.begin() as later:
            later.objects.put("doc", 3)
        receipt = later.receipt
        assert receipt is not None
        with store.read() as view:
            assert receipt.root == view.journal.root(receipt.size)

    @pytest.mark.spec("P57")
    def test_a_view_that_has_ended_refuses_everything(self, store: Store) -> None:
        """What it handed out before stays valid."""
        with store.begin() as uow:
            change_everything(uow, "a")
        with store.read() as view:
            (envelope,) = view.objects.iter()
        view.close()
        assert envelope.object == "a"
        for read in READS.values():
            with refused(StoreClosedError):
                read(view)
        with refused(StoreClosedError):
            view.journal.root()

    @pytest.mark.spec("P57")
    def test_a_store_that_is_closed_refuses_everything(self, open_store: OpenStore) -> None:
        """Closing twice is harmless; another handle is not touched."""
        with open_store() as other:
            store = open_store()
            block = store.begin()
            store.close()
            store.close()
            uses: list[Callable[[], Any]] = [
                store.read,
                store.begin,
                block.__enter__,
                store.diagnose,
                lambda: store.run(lambda uow: None),
                lambda: store.resolve("x"),
            ]
            for use in uses:
                with refused(StoreClosedError):
                    use()
            assert not store.health_check().ok
            put(other, 1)
            assert other.health_check().ok

    @requires(Requirement.REOPEN)
    @pytest.mark.spec("P57")
    def test_a_store_that_is_closed_inside_a_unit_commits_nothing(
        self, open_store: OpenStore, backdoor: BackDoor
    ) -> None:
        """Whoever closes the store gives up what is open on it."""
        with open_store() as other:
            store = open_store()
            with nothing_written(backdoor), refused(StoreClosedError), store.begin() as uow:
                uow.objects.put("doc", 1)
                store.close()
            put(other, 2)

    def test_a_connection_that_leads_elsewhere_cannot_be_joined(self, store: Store, backdoor: BackDoor) -> None:
        """Refused with a typed error, and the store is free again."""
        with nothing_written(backdoor), pytest.raises(CharterError) as caught, store.begin(connection=object()):
            pytest.fail("joined an object that is no connection")
        assert caught.type in (NotSupportedError, InvalidInputError)
        put(store, 1)

    @requires(Requirement.READ_ONLY)
    def test_a_read_only_handle_reads_and_never_writes(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Every way to write is refused at once; reading works."""
        with open_store() as store:
            put(store, 1)
        with open_store(read_only=True) as store, nothing_written(backdoor):
            with store.read() as view:
                assert len(list(view.objects.iter())) == 1
            with refused(ReadOnlyError), store.begin():
                pytest.fail("a unit was opened")
            with refused(ReadOnlyError):
                store.run(lambda uow: uow.objects.put("doc", 2))
