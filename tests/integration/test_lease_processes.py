"""Leases across processes, copies and damage: a leader that is killed is replaced, and a restored key ends with its lease."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.backends.contract import KV_LEASE, KvLeaseRow
from charter_persist.integrity.fsck import fsck
from charter_persist.testing.leases import LONG_S, absent_in_time, held
from tests.backups import back_up, bring_back, new_url

LEAD = """
import json, sys, time
from charter_persist import connect
with connect(sys.argv[1]) as store:
    leader = store.elect("/leader", sys.argv[2].encode(), ttl_s=1.0)
    print(json.dumps(leader.revision), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def leader(ledger_url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", LEAD, ledger_url, "first"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.spec("KV-5")
def test_a_leader_that_was_killed_is_replaced(ledger_url: str, leader: subprocess.Popen[str]) -> None:
    assert leader.stdout is not None
    first = json.loads(leader.stdout.readline())
    with connect(ledger_url) as store:
        os.kill(leader.pid, signal.SIGKILL)
        with store.elect("/leader", b"second", ttl_s=LONG_S, timeout_s=60) as second:
            assert second.revision > first


@pytest.mark.spec("KV-5")
def test_a_leader_that_is_stopped_and_goes_on_cannot_write_by_its_check(ledger_url: str) -> None:
    with connect(ledger_url) as one, connect(ledger_url) as two:
        first = one.elect("/leader", b"first", ttl_s=2.0)
        first.lease._ends += LONG_S  # as if no time had passed for it
        first.lease._over.set()
        with two.elect("/leader", b"second", ttl_s=LONG_S, timeout_s=60) as second:
            assert not first.lost
            assert second.revision > first.revision
            assert held(two, "/leader").lease == second.lease.id  # type: ignore[union-attr]
        first.lease.abandon()


@pytest.mark.spec("GOV-12", "KV-5")
def test_a_key_that_was_restored_has_outlived_its_lease(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "backup"
    with connect(url) as store:
        lease = store.lease(LONG_S)
        store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
        store.run(lambda uow: uow.kv.set("/b", b"1"))
        back_up(url, folder)
    bring_back(folder, f"sqlite:///{tmp_path / 'new.db'}")
    with connect(f"sqlite:///{tmp_path / 'new.db'}") as store:
        assert fsck(store).findings == ()
        assert held(store, "/a") is not None
        with store.watch("kv:/*"):
            assert absent_in_time(store, "/a")
        assert held(store, "/b") is not None
        assert fsck(store).findings == ()


@pytest.mark.spec("KV-5", "GOV-11")
def test_keys_of_a_lease_that_do_not_follow_from_the_keys_are_found() -> None:
    with connect("memory://") as store:
        lease = store.lease(LONG_S)
        store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
        assert fsck(store).findings == ()
        store.run(lambda uow: uow._context.write.put(KV_LEASE, KvLeaseRow(lease.id, "/b")))
        assert [finding.subject for finding in fsck(store).findings] == [f"kv_lease/{lease.id}//b"]
        store.run(lambda uow: uow._context.write.delete(KV_LEASE, (lease.id, "/b")))
        store.run(lambda uow: uow._context.write.delete(KV_LEASE, (lease.id, "/a")))
        assert [finding.subject for finding in fsck(store).findings] == [f"kv_lease/{lease.id}//a"]


@pytest.mark.spec("KV-5")
def test_a_reader_that_may_not_write_ends_nothing(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    with connect(url) as store:
        lease = store.lease(0.2)
        store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
    with connect(url, read_only=True) as store, store.watch("kv:/*"):
        time.sleep(1.5)
        assert held(store, "/a") is not None
    with connect(url) as store, store.watch("kv:/*"):
        assert absent_in_time(store, "/a")
