"""Several processes on one store: gapless positions, acknowledged work survives SIGKILL, forked handles refuse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.errors import ForkedHandleError, StoreBusyError, StoreClosedError
from charter_persist.integrity.verify import Level, verify

WRITER = """
import sys
from charter_persist import connect
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(url) as store:
    for n in range(count):
        with store.begin() as uow:
            digest = uow.objects.put("doc", {"writer": name, "n": n})
            uow.audit.append("PUT", scope="GLOBAL", subject=("doc", digest))
        print(digest, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'charter.db'}"
    else:
        url = str(request.getfixturevalue("postgres_database"))
    upgrade(url)
    return url


def start(url: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, url, name, str(count)], stdout=subprocess.PIPE, text=True)


def test_processes_share_one_gapless_journal(url: str) -> None:
    writers = [start(url, f"w{n}", 40) for n in range(4)]
    acknowledged = [line for writer in writers for line in writer.communicate(timeout=120)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    with connect(url) as store:
        report = verify(store, store_id=store.store_id)
        assert (report.level, report.size, report.revision) == (Level.CHAIN, 320, 160)
        with store.read() as view:
            assert all(view.objects.exists(digest) for digest in acknowledged)
            # An object and its event are neighbours: no other writer came between.
            stores = [entry.store for entry in view.journal.entries()]
            assert stores == ["object", "audit"] * 160


def test_what_was_acknowledged_survives_sigkill(url: str) -> None:
    acknowledged: list[str] = []
    for round_ in range(5):
        writer = start(url, f"round{round_}", 100_000)
        assert writer.stdout is not None
        acknowledged += [writer.stdout.readline().strip() for _ in range(5 + 7 * round_)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.communicate()[0].split()
    # A line cut by the kill is not an acknowledgement.
    acknowledged = [line for line in acknowledged if len(line) == 64]
    with connect(url) as store:
        report = verify(store, store_id=store.store_id)
        assert report.findings == ()
        with store.read() as view:
            assert all(view.objects.exists(digest) for digest in acknowledged)
            assert len(list(view.objects.iter())) == len(list(view.audit.replay()))
    assert len(acknowledged) >= 95


def test_a_handle_refuses_to_work_in_a_forked_child(url: str) -> None:
    store = connect(url)
    with store.begin() as uow:
        uow.objects.put("doc", {"n": 1})
    child = os.fork()
    if child == 0:
        try:
            store.read()
        except ForkedHandleError:
            store.close()  # harmless: it must not touch the parent's connections
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with store.begin() as uow:
        uow.objects.put("doc", {"n": 2})
    assert verify(store, store_id=store.store_id).size == 2
    store.close()


def test_a_closed_store_says_so(url: str) -> None:
    store = connect(url)
    view = store.read()
    store.close()
    store.close()
    for use in (store.read, store.begin, lambda: store.run(lambda uow: None), lambda: store.resolve("x")):
        with pytest.raises(StoreClosedError):
            use()
    assert not store.health_check().ok
    view.close()


def test_a_writer_that_waits_too_long_is_told_that_the_store_is_busy(url: str) -> None:
    with connect(url) as holder, connect(url, unit_timeout_s=0.3) as waiting:
        with holder.begin() as uow:
            uow.objects.put("doc", {"n": 1})
            began = time.monotonic()
            with pytest.raises(StoreBusyError) as caught, waiting.begin():
                pass
            assert caught.value.retryable
            assert time.monotonic() - began >= 0.25
            with waiting.read() as view:  # readers never wait
                assert view.journal.size() == 0
        with waiting.begin() as after:
            after.objects.put("doc", {"n": 2})
        assert after.receipt is not None
        assert after.receipt.revision == 2


def test_another_process_is_seen_by_the_next_view(url: str) -> None:
    with connect(url) as store:
        with store.read() as before:
            writer = start(url, "other", 3)
            writer.communicate(timeout=60)
            assert before.journal.size() == 0
        with store.read() as after:
            assert after.journal.size() == 6
        with store.begin() as uow:
            uow.objects.put("doc", {"own": True})
        assert uow.receipt is not None
        assert uow.receipt.root == verify(store, store_id=store.store_id).root


def test_a_view_that_was_dropped_without_close_harms_nobody(url: str) -> None:
    with connect(url) as store:
        for n in range(3):
            store.read()  # dropped at once
            with store.begin() as uow:
                uow.objects.put("doc", {"n": n})
            with store.read() as view:
                assert view.journal.size() == n + 1
