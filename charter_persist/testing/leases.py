"""Conformance of leases and elections: what ends with a lease, who sees it, and that one leads at a time.

Source: KV-5, KV-8, RELIABILITY 4.6 (leases are no mutual exclusion).
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import pytest

from charter_persist.errors import (
    InvalidInputError,
    InvalidKeyError,
    NotFoundError,
    StoreClosedError,
    TimedOutError,
    TransactionFailedError,
)
from charter_persist.lease.lease import Lease
from charter_persist.model.entry import Delete, Entry, Set
from charter_persist.store import Store
from charter_persist.testing.assertions import refused
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.watch import watching

PATIENCE_S: Final = 60.0
LONG_S: Final = 600.0
SHORT_S: Final = 1.0
BAD_TTLS: Final[tuple[Any, ...]] = (0, -1, 0.05, 1e9, float("nan"), float("inf"), "10", None, True)


def held(store: Store, key: str) -> Entry | None:
    """What a key holds now."""
    with store.read() as view:
        return view.kv.get(key)


def absent_in_time(store: Store, key: str) -> bool:
    """Whether a key is gone before patience is."""
    deadline = time.monotonic() + PATIENCE_S
    while held(store, key) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def die(lease: Lease) -> None:
    """End the process that holds a lease, as far as others can tell."""
    lease.abandon()


@pytest.mark.spec("KV-5")
class LeaseConformance(StoreFixtures):
    """Keys live as long as the lease that they are attached to."""

    def test_a_key_says_what_it_lives_as_long_as(self, store: Store) -> None:
        """The entry names the lease; a later write without one makes the key stay."""
        with store.lease(LONG_S) as lease:
            store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
            store.run(lambda uow: uow.kv.transaction([Set("/b", b"1", lease=lease.id), Set("/c", b"1")]))
            with store.read() as view:
                assert [entry.lease for entry in view.kv.iter()] == [lease.id, lease.id, None]
            store.run(lambda uow: uow.kv.compare_and_set("/a", b"2", expected=1))
            entry = held(store, "/a")
            assert entry is not None
            assert (entry.lease, entry.version) == (None, 2)
        with store.read() as view:
            assert [entry.key for entry in view.kv.iter()] == ["/a", "/c"]

    def test_revoking_deletes_the_keys_together_and_no_other(self, store: Store) -> None:
        """A watcher sees one batch with every key, and what they held."""
        lease, other = store.lease(LONG_S), store.lease(LONG_S)

        def write(uow: Any) -> None:
            for name in "abc":
                uow.kv.set(f"/{name}", name.encode(), lease=lease.id)
            uow.kv.set("/d", b"d", lease=other.id)
            uow.kv.set("/e", b"e")

        after = store.run(write).receipt
        assert after is not None
        with watching(store, "kv:/*", after=after.revision) as watch:
            lease.revoke()
            batch = next(watch)
        events = sorted((event.type, event.key, event.old_value) for event in batch.events)
        assert events == [("deleted", "/a", b"a"), ("deleted", "/b", b"b"), ("deleted", "/c", b"c")]
        with store.read() as view:
            assert [entry.key for entry in view.kv.iter()] == ["/d", "/e"]
        lease.revoke()
        other.revoke()
        assert held(store, "/d") is None
        assert held(store, "/e") is not None

    def test_a_lease_that_is_kept_alive_outlives_its_time(self, store: Store) -> None:
        """Several times its time to live later its key is there, and it is not lost."""
        with store.lease(SHORT_S) as lease:
            store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
            assert not lease.wait_lost(3.5 * SHORT_S)
            assert held(store, "/a") is not None
        assert lease.lost

    def test_the_end_of_a_lease_that_nobody_keeps_is_seen(self, open_store: OpenStore) -> None:
        """By a watcher of another handle, while the holder does nothing."""
        with open_store() as holder, open_store() as store:
            lease = holder.lease(SHORT_S)
            done = holder.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id)).receipt
            assert done is not None
            with watching(store, "kv:/a", after=done.revision) as watch:
                die(lease)
                (event,) = next(watch).events
            assert (event.type, event.old_value, event.version) == ("deleted", b"1", 0)
            assert held(store, "/a") is None
            assert lease.lost

    def test_a_key_cannot_be_attached_to_a_lease_that_has_ended(self, store: Store) -> None:
        """Or that never was; nothing of the unit is written."""
        lease = store.lease(LONG_S)
        lease.revoke()
        for name in (lease.id, "7f7f7f7f7f7f7f7f"):
            for change in (
                lambda uow, lease=name: uow.kv.set("/a", b"1", lease=lease),
                lambda uow, lease=name: uow.kv.create_if_not_exists("/a", b"1", lease=lease),
                lambda uow, lease=name: uow.kv.compare_and_set("/a", b"1", expected=0, lease=lease),
                lambda uow, lease=name: uow.kv.transaction([Set("/b", b"1"), Set("/a", b"1", lease=lease)]),
            ):
                with refused(NotFoundError, name):
                    store.run(change)
        with store.read() as view:
            assert list(view.kv.iter()) == []

    def test_a_key_that_was_deleted_and_made_anew_is_free_of_its_lease(self, store: Store) -> None:
        """The end of the old lease does not touch it."""
        with store.lease(LONG_S) as lease:
            store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
            store.run(lambda uow: uow.kv.delete("/a"))
            store.run(lambda uow: uow.kv.set("/a", b"2"))
            store.run(lambda uow: uow.kv.set("/b", b"1", lease=lease.id))
            store.run(lambda uow: uow.kv.transaction([Delete("/b")]))
        with store.read() as view:
            assert [(entry.key, entry.value) for entry in view.kv.iter()] == [("/a", b"2")]

    def test_a_key_can_change_its_lease(self, store: Store) -> None:
        """It lives as long as the last one that it was attached to."""
        first, second = store.lease(LONG_S), store.lease(LONG_S)
        store.run(lambda uow: uow.kv.set("/a", b"1", lease=first.id))
        store.run(lambda uow: uow.kv.set("/a", b"2", lease=second.id))
        first.revoke()
        entry = held(store, "/a")
        assert entry is not None
        assert entry.lease == second.id
        second.revoke()
        assert held(store, "/a") is None

    @pytest.mark.parametrize("ttl_s", BAD_TTLS, ids=repr)
    def test_a_bad_time_to_live_is_refused(self, store: Store, ttl_s: Any) -> None:
        """Nothing is granted."""
        with refused(InvalidInputError, "ttl_s"):
            store.lease(ttl_s)

    def test_closing_a_store_stops_keeping_its_leases(self, open_store: OpenStore) -> None:
        """No thread stays, the lease counts as lost, and a closed store grants none."""
        before = {thread.name for thread in threading.enumerate()}
        store = open_store()
        lease = store.lease(LONG_S)
        before_close = lease.lost
        store.close()
        assert (before_close, lease.lost) == (False, True)
        assert {thread.name for thread in threading.enumerate() if "lease" in thread.name} <= before
        with refused(StoreClosedError, "closed"):
            store.lease(LONG_S)


@pytest.mark.spec("KV-5")
class ElectionConformance(StoreFixtures):
    """One leads at a time, and each has a larger revision than those before."""

    def test_a_leader_has_the_key_and_resigns_with_its_block(self, store: Store) -> None:
        """The key holds what the leader said, and its revision is the fencing token."""
        with store.elect("/leader", b"me", ttl_s=LONG_S) as leader:
            entry = held(store, "/leader")
            assert entry is not None
            assert (entry.value, entry.revision, entry.lease) == (b"me", leader.revision, leader.lease.id)
            assert not leader.lost
        assert held(store, "/leader") is None
        assert leader.lost

    def test_the_next_is_elected_when_the_leader_resigns(self, open_store: OpenStore) -> None:
        """And has a larger revision."""
        with open_store() as one, open_store() as two:
            first = one.elect("/leader", b"one", ttl_s=LONG_S)
            elected: list[Any] = []
            waiting = threading.Thread(
                target=lambda: elected.append(two.elect("/leader", b"two", ttl_s=LONG_S, timeout_s=PATIENCE_S))
            )
            waiting.start()
            time.sleep(0.3)
            assert elected == []
            first.resign()
            waiting.join(PATIENCE_S)
            (second,) = elected
            assert second.revision > first.revision
            assert not second.lost
            second.resign()

    def test_the_next_is_elected_when_the_leader_died(self, open_store: OpenStore) -> None:
        """Once the time of its lease is over; it knows itself that it is lost."""
        with open_store() as one, open_store() as two:
            first = one.elect("/leader", b"one", ttl_s=SHORT_S)
            die(first.lease)
            with two.elect("/leader", b"two", ttl_s=LONG_S, timeout_s=PATIENCE_S) as second:
                assert first.lost
                assert second.revision > first.revision

    def test_waiting_has_an_end(self, store: Store, open_store: OpenStore) -> None:
        """The candidate gives up, and leaves nothing of its own behind."""
        with open_store() as other, store.elect("/leader", ttl_s=LONG_S) as leader:
            with refused(TimedOutError, "/leader"):
                other.elect("/leader", b"other", ttl_s=LONG_S, timeout_s=0.2)
            entry = held(store, "/leader")
            assert entry is not None
            assert entry.revision == leader.revision

    def test_what_a_former_leader_writes_by_its_check_is_refused(self, open_store: OpenStore) -> None:
        """Also where it does not know that it is none any more."""
        with open_store() as one, open_store() as two:
            first = one.elect("/leader", b"one", ttl_s=LONG_S)
            one.run(lambda uow: uow.kv.transaction([first.check, Set("/work", b"one")]))
            one.run(lambda uow: uow.kv.delete("/leader"))
            with two.elect("/leader", b"two", ttl_s=LONG_S, timeout_s=PATIENCE_S) as second:
                assert not first.lost
                with refused(TransactionFailedError, "/leader"):
                    one.run(lambda uow: uow.kv.transaction([first.check, Set("/work", b"stale")]))
                two.run(lambda uow: uow.kv.transaction([second.check, Set("/work", b"two")]))
            entry = held(two, "/work")
            assert entry is not None
            assert entry.value == b"two"
            first.resign()

    def test_of_many_candidates_one_leads_at_a_time(self, open_store: OpenStore) -> None:
        """Each increments a counter under its leadership, reading and writing apart; none is lost."""
        candidates, rounds = 4, 3
        revisions: list[int] = []

        def stand() -> None:
            with open_store() as store:
                for _ in range(rounds):
                    with store.elect("/leader", ttl_s=LONG_S, timeout_s=PATIENCE_S) as leader:
                        entry = held(store, "/count")
                        count = 0 if entry is None else int(entry.value)
                        revisions.append(leader.revision)
                        with store.begin() as uow:
                            uow.kv.set("/count", b"%d" % (count + 1))

        threads = [threading.Thread(target=stand) for _ in range(candidates)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(4 * PATIENCE_S)
        with open_store() as store:
            entry = held(store, "/count")
        assert entry is not None
        assert int(entry.value) == candidates * rounds
        assert revisions == sorted(set(revisions))

    @pytest.mark.parametrize("key", ["leader", "/", "", "/meta/schema_version"])
    def test_a_bad_key_is_refused(self, store: Store, key: str) -> None:
        """Nothing is left of it."""
        with pytest.raises(InvalidKeyError):
            store.elect(key, ttl_s=LONG_S, timeout_s=0.1)
