"""Reading from etcd: one revision, exact prefixes, the order of bytes, pages, the past and what compaction leaves of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from charter_persist.backends.contract.single import KeyBackend
from charter_persist.backends.etcd import open_etcd, reading
from charter_persist.errors import CompactedError, NotFoundError
from tests.etcd_rows import keys, put, write
from tests.etcd_server import EtcdServer

pytestmark = pytest.mark.spec("KV-8", "KV-4")


@pytest.fixture
def backend(etcd_url: str) -> Iterator[KeyBackend]:
    opened = open_etcd(etcd_url)
    yield opened
    opened.close()


@pytest.fixture
def own_server() -> Iterator[EtcdServer]:
    """One that nothing else compacts."""
    server = EtcdServer()
    yield server
    server.stop()


def test_a_prefix_is_exact_and_the_order_is_that_of_bytes(backend: KeyBackend) -> None:
    names = ["/a", "/a/b", "/a/é", "/a/z", "/a/\U0001f600", "/a0", "/A/b", "/b"]
    for name in names:
        put(backend, name)
    assert list(keys(backend)) == sorted(names, key=str.encode)
    assert list(keys(backend, "/a/")) == ["/a/b", "/a/z", "/a/é", "/a/\U0001f600"]
    assert list(keys(backend, "/a")) == ["/a", "/a/b", "/a/z", "/a/é", "/a/\U0001f600", "/a0"]
    assert keys(backend, "/nothing") == {}


def test_a_scan_goes_on_behind_a_key_and_stops_at_its_limit(backend: KeyBackend) -> None:
    for start in range(0, 300, 100):
        write(backend, {f"/{n:03}": b"" for n in range(start, start + 100)})
    reader = backend.snapshot()
    everything = [item.key for item in reader.scan("")]
    assert everything == [f"/{n:03}" for n in range(300)]
    for limit in (0, 1, 127, 128, 129, 299, 300, 301):
        assert [item.key for item in reader.scan("", limit=limit)] == everything[:limit]
    assert [item.key for item in reader.scan("", after="/150", limit=2)] == ["/151", "/152"]
    assert next(item.key for item in reader.scan("/1", after="/0")) == "/100"
    assert list(reader.scan("/1", after="/2")) == []
    assert list(reader.scan("", after="/299")) == []


def test_no_key_falls_between_two_pages(backend: KeyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_KEYS_FIRST", 1)
    monkeypatch.setattr(reading, "PAGE_KEYS_MAX", 1)
    names = ["/a", "/a\0", "/a\0\0", "/a\1", "/a/b", "/aa"]
    write(backend, dict.fromkeys(names, b""))
    assert list(keys(backend)) == names
    for position, name in enumerate(names):
        assert [item.key for item in backend.snapshot().scan("", after=name)] == names[position + 1 :]


def test_pages_of_large_values_are_small(backend: KeyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_KEYS_FIRST", 2)
    for n in range(12):
        put(backend, f"/{n:02}", b"x" * 1_000_000)
    sizes: list[int] = []
    reader = backend.snapshot()
    ask = reader._range  # type: ignore[attr-defined]
    monkeypatch.setattr(reader, "_range", lambda **fields: (answer := ask(**fields), sizes.append(len(answer.kvs)))[0])
    assert len(list(reader.scan(""))) == 12
    assert sizes == [2, 4, 4, 2]


@pytest.mark.spec("P14")
def test_a_listing_shows_one_revision_while_a_token_moves(backend: KeyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_KEYS_FIRST", 7)
    monkeypatch.setattr(reading, "PAGE_KEYS_MAX", 7)
    write(backend, {f"/{n:02}": b"token" if n == 0 else b"" for n in range(60)})
    stop = threading.Event()

    def move() -> None:
        at = 0
        while not stop.is_set():
            to = (at * 7 + 13) % 60
            if to != at:
                write(backend, {f"/{at:02}": b"", f"/{to:02}": b"token"})
            at = to

    mover = threading.Thread(target=move)
    mover.start()
    first = backend.snapshot().revision
    try:
        for _ in range(60):
            assert list(keys(backend).values()).count(b"token") == 1
    finally:
        stop.set()
        mover.join()
    assert backend.snapshot().revision > first + 20, "the token stood still"


def test_a_read_sees_everything_that_was_acknowledged_before(backend: KeyBackend, etcd_url: str) -> None:
    other = open_etcd(etcd_url)
    for n in range(50):
        revision = put(backend, "/a", b"%d" % n)
        reader = other.snapshot()
        assert reader.revision >= revision
        assert keys(other) == {"/a": b"%d" % n}
    other.close()


def test_the_past_is_what_was_then(backend: KeyBackend) -> None:
    first = write(backend, {"/a": b"1", "/b": b"1"})
    second = write(backend, {"/a": b"2", "/b": None})
    now = backend.snapshot()
    then = now.at(first)
    assert {found.key: found.value for found in then.scan("")} == {"/a": b"1", "/b": b"1"}
    assert then.revision == first
    assert {found.key: found.value for found in now.at(second).scan("")} == {"/a": b"2"}
    assert now.get("/b") is None


def test_before_the_first_change_there_was_nothing(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url())
    put(backend, "/a")
    assert backend.snapshot().at(0).get("/a") is None
    assert list(backend.snapshot().at(1).scan("")) == []
    backend.close()


def test_a_revision_that_is_still_to_come_is_not_found(backend: KeyBackend) -> None:
    last = put(backend, "/a")
    for revision in (last + 1_000_000, 2**70):
        with pytest.raises(NotFoundError):
            backend.snapshot().at(revision).get("/a")
        with pytest.raises(NotFoundError):
            backend.compact(revision)


def test_what_compaction_leaves_can_be_read_and_the_error_says_from_where_on(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url())
    revisions = [put(backend, "/a", b"%d" % n) for n in range(5)]
    open_reader = backend.snapshot().at(revisions[1])
    assert open_reader.get("/a") is not None
    backend.compact(revisions[2])
    backend.compact(revisions[2])
    for revision, value in zip(revisions[2:], (b"2", b"3", b"4"), strict=True):
        found = backend.snapshot().at(revision).get("/a")
        assert found is not None
        assert found.value == value
    for reader in (backend.snapshot().at(revisions[1]), backend.snapshot().at(0), open_reader):
        with pytest.raises(CompactedError) as caught:
            reader.get("/a")
        assert caught.value.oldest == revisions[2]
        with pytest.raises(CompactedError):
            list(reader.scan(""))
    with pytest.raises(CompactedError) as caught:
        backend.compact(revisions[1])
    assert caught.value.oldest == revisions[2]
    assert keys(backend) == {"/a": b"4"}
    backend.close()
