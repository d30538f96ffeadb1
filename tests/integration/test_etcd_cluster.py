"""Three nodes of etcd, and what is left when the leader is killed under load."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from itertools import count

import pytest

from charter_persist.backends.contract.single import KeyBackend, KeyChanges
from charter_persist.backends.etcd import open_etcd
from charter_persist.errors import CommitUnknownError, SerializationFailureError, UnavailableError
from tests.etcd_rows import collect, eventually, keys, put, row
from tests.etcd_server import EtcdCluster
from tests.linearizability import UNKNOWN, Operation, is_linearizable, overlapping

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


class Client:
    """Does what it is asked for to one of three keys, and remembers when and with what answer."""

    def __init__(self, url: str, seed: int) -> None:
        self.history: list[Operation] = []
        self._backend = open_etcd(url, timeout_s=8)
        self._chance = random.Random(seed)
        self._seed = seed
        self._known: defaultdict[str, int] = defaultdict(int)

    def run(self, count: int) -> None:
        """Do so many operations."""
        for number in range(count):
            kind, key = self._chance.choice(("get", "cas", "cas", "delete")), self._chance.choice(("/x", "/y", "/z"))
            value = f"{self._seed}-{number}" if kind == "cas" else None
            expected = self._known[key] if kind == "cas" else None
            asked = Operation(time.monotonic(), UNKNOWN, kind, key, value, expected)
            try:
                result = getattr(self, f"_{kind}")(asked)
            except CommitUnknownError:
                self.history.append(asked)
            except UnavailableError:
                continue
            else:
                self.history.append(asked._replace(returned=time.monotonic(), result=result))
        self._backend.close()

    def _get(self, asked: Operation) -> object:
        found = self._backend.snapshot().get(asked.key)
        self._known[asked.key] = found.version if found else 0
        return [found.version, found.value.decode()] if found else [0, None]

    def _cas(self, asked: Operation) -> object:
        transaction = self._backend.transaction()
        found = transaction.get(asked.key)
        version = self._known[asked.key] = found.version if found else 0
        if version != asked.expected:
            return "conflict"
        try:
            transaction.commit({asked.key: row(asked.key, (asked.value or "").encode())})
        except SerializationFailureError:
            return "conflict"
        self._known[asked.key] = version + 1
        return version + 1

    def _delete(self, asked: Operation) -> object:
        while True:
            transaction = self._backend.transaction()
            if transaction.get(asked.key) is None:
                return False
            try:
                transaction.commit({asked.key: None})
            except SerializationFailureError:
                continue
            self._known[asked.key] = 0
            return True


@pytest.mark.spec("P12")
@pytest.mark.parametrize("killed", [0, 2])
def test_each_key_is_linearizable_whoever_leads(etcd_cluster: EtcdCluster, killed: int) -> None:
    url = etcd_cluster.fresh_url()
    clients = [Client(url, seed) for seed in range(4)]
    threads = [threading.Thread(target=client.run, args=(150,)) for client in clients]
    for thread in threads:
        thread.start()
    for _ in range(killed):
        time.sleep(0.2)
        member = etcd_cluster.kill_leader()
        time.sleep(1)
        member.start()
        member.wait()
    for thread in threads:
        thread.join()
    history = [operation for client in clients for operation in client.history]
    assert len(history) > 400
    for key in ("/x", "/y", "/z"):
        mine = [operation for operation in history if operation.key == key]
        assert overlapping(mine) >= 0.2
        assert is_linearizable(mine), key
