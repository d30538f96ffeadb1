"""Three nodes of etcd, and what is left when the leader is killed under load."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest

from charter_persist.backends.contract.single import KeyBackend, KeyChanges
from charter_persist.backends.etcd import open_etcd
from charter_persist.errors import CommitUnknownError, SerializationFailureError, UnavailableError
from tests.etcd_rows import collect, eventually, keys, put, row
from tests.etcd_server import EtcdCluster

pytestmark = pytest.mark.spec("KV-8", "P54")


class Load:
    """Threads that write keys of their own and remember what became of each."""

    def __init__(self, url: str, threads: int = 4) -> None:
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(url, n)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _write(self, url: str, name: int) -> None:
        backend = open_etcd(url, timeout_s=10)
        for number in count():
            if self._stop.is_set():
                break
            self._write_one(backend, f"/{name}/{number}")
        backend.close()

    def _write_one(self, backend: KeyBackend, key: str) -> None:
        try:
            transaction = backend.transaction()
            assert transaction.get(key) is None
            self.acknowledged[key] = transaction.commit({key: row(key, key.encode())})
        except CommitUnknownError:
            self.unknown.add(key)
        except UnavailableError:
            self.refused.add(key)

    def stop(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.spec("P7", "P18")
def test_the_leader_is_killed_under_load_and_everything_that_was_acknowledged_is_there(
    etcd_cluster: EtcdCluster,
) -> None:
    url = etcd_cluster.fresh_url()
    backend = open_etcd(url)
    after = backend.snapshot().revision
    feed = backend.feed("", after)
    load = Load(url)
    found: list[KeyChanges] = []
    for _ in range(3):
        eventually(lambda: len(load.acknowledged) > 50)
        member = etcd_cluster.kill_leader()
        before = len(load.acknowledged)
        eventually(lambda before=before: len(load.acknowledged) > before + 50)
        found += feed.take()
        member.start()
        member.wait()
    load.stop()
    last = put(backend, "/end")
    found += collect(feed, last)

    there = keys(backend)
    assert load.acknowledged.keys() <= there.keys()
    assert not load.refused & there.keys()
    assert there.keys() <= load.acknowledged.keys() | load.unknown | {"/end"}
    told = [(batch.revision, change.key) for batch in found for change in batch.changes]
    assert len(told) == len(set(told)) == len(there)
    assert [revision for revision, _ in told] == sorted(revision for revision, _ in told)
    assert {key: revision for revision, key in told}.items() >= load.acknowledged.items()
    feed.close()
    backend.close()


@pytest.mark.spec("P12", "P15")
def test_a_counter_is_exact_while_leaders_die(etcd_cluster: EtcdCluster) -> None:
    url = etcd_cluster.fresh_url()
    setup = open_etcd(url)
    put(setup, "/counter", b"0")
    wins, doubtful, stop = [], [], threading.Event()

    def count_up() -> None:
        backend = open_etcd(url)
        while not stop.is_set():
            transaction = backend.transaction()
            try:
                found = transaction.get("/counter")
                assert found is not None
                transaction.commit({"/counter": row("/counter", b"%d" % (int(found.value) + 1))})
                wins.append(found.value)
            except CommitUnknownError as exc:
                doubtful.append(exc)
            except (SerializationFailureError, UnavailableError):
                continue
        backend.close()

    counters = [threading.Thread(target=count_up) for _ in range(4)]
    for counter in counters:
        counter.start()
    for _ in range(2):
        time.sleep(0.5)
        member = etcd_cluster.kill_leader()
        before = len(wins)
        eventually(lambda before=before: len(wins) > before + 20)
        member.start()
        member.wait()
    stop.set()
    for counter in counters:
        counter.join()
    total = int(keys(setup)["/counter"])
    assert len(set(wins)) == len(wins), "two units were told that they had made the same step"
    assert len(wins) <= total <= len(wins) + len(doubtful)
    setup.close()


def test_a_member_that_stands_still_is_passed_over(etcd_cluster: EtcdCluster) -> None:
    url = etcd_cluster.fresh_url()
    backend = open_etcd(url, timeout_s=6)
    feed = backend.feed("", None)
    first = put(backend, "/a", b"0")
    etcd_cluster.members[0].pause()
    try:
        assert keys(backend) == {"/a": b"0"}
        last = put(backend, "/a", b"1")
        assert [batch.revision for batch in collect(feed, last)] == [first, last]
    finally:
        etcd_cluster.members[0].go_on()
    feed.close()
    backend.close()


def test_without_a_majority_nothing_is_written_and_everything_goes_on_afterwards(etcd_cluster: EtcdCluster) -> None:
    backend = open_etcd(etcd_cluster.fresh_url(), timeout_s=3)
    put(backend, "/a", b"0")
    feed = backend.feed("", None)
    for member in etcd_cluster.members[:2]:
        member.kill()
    with pytest.raises(UnavailableError):
        backend.snapshot().get("/a")
    with pytest.raises(CommitUnknownError):
        put(backend, "/a", b"1")
    assert len(backend.diagnose().problems) >= 2
    etcd_cluster.heal()
    assert keys(backend)["/a"] in (b"0", b"1")
    last = put(backend, "/b")
    found: list[KeyChanges] = []
    deadline = time.monotonic() + 30
    while (not found or found[-1].revision < last) and time.monotonic() < deadline:
        feed.wait(0.2)
        try:
            found += feed.take()
        except UnavailableError:
            continue
    assert found[-1].revision == last
    feed.close()
    backend.close()


def test_every_member_shows_what_was_acknowledged_by_another(etcd_cluster: EtcdCluster) -> None:
    namespace = etcd_cluster.fresh_url().rpartition("/")[2]
    backends = [open_etcd(etcd_cluster.url_of(namespace, endpoint)) for endpoint in etcd_cluster.endpoints]
    for n in range(60):
        put(backends[n % 3], "/a", b"%d" % n)
        assert [keys(backend) for backend in backends] == [{"/a": b"%d" % n}] * 3
    for backend in backends:
        backend.close()
