"""The watch of etcd as a feed: every change once, in order, a revision's together, whatever becomes of the connection."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from charter_persist.backends.contract.single import KeyBackend, KeyChanges
from charter_persist.backends.etcd import feed as feed_module
from charter_persist.backends.etcd import open_etcd
from charter_persist.errors import CompactedError, StoreClosedError, UnavailableError
from tests.etcd_rows import collect, eventually, put, row, write
from tests.etcd_server import EtcdServer
from tests.tcp_proxy import Proxy

pytestmark = pytest.mark.spec("KV-5", "KV-8", "P18")

CUTS = 60


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


def described(batches: list[KeyChanges]) -> list[tuple[int, list[tuple[str, bytes | None, bytes | None]]]]:
    return [
        (
            batch.revision,
            [(c.key, c.before.value if c.before else None, c.after.value if c.after else None) for c in batch.changes],
        )
        for batch in batches
    ]


def test_what_a_change_tells(backend: KeyBackend) -> None:
    feed = backend.feed("/a", None)
    lease = backend.grant(60)
    first = backend.transaction().commit({"/a": row("/a", b"1", lease=lease, created_at=7, updated_at=8)})
    put(backend, "/b")
    second = put(backend, "/a", b"2")
    third = write(backend, {"/a": None})
    fourth = put(backend, "/a", b"3")
    created, updated, deleted, again = (batch.changes[0] for batch in collect(feed, fourth))
    assert created.before is None
    assert created.after == row("/a", b"1", lease=lease, created_at=7, updated_at=8)._replace(version=1, revision=first)
    assert updated.before == created.after
    assert updated.after == row("/a", b"2")._replace(version=2, revision=second)
    assert deleted.before == updated.after
    assert deleted.after is None
    assert again.before is None
    assert again.after == row("/a", b"3")._replace(version=1, revision=fourth)
    assert third == fourth - 1
    assert feed.revision == fourth
    assert feed.take() == ()
    feed.close()


def test_a_prefix_is_exact(backend: KeyBackend) -> None:
    feed = backend.feed("/a/", None)
    last = write(backend, {"/a": b"", "/a/b": b"", "/a0": b"", "/a/é": b"", "/A/b": b""})
    assert [change.key for change in collect(feed, last)[0].changes] == ["/a/b", "/a/é"]
    feed.close()


def test_changes_of_one_revision_come_together_in_the_order_of_the_unit(backend: KeyBackend) -> None:
    live = backend.feed("", None)
    names = [f"/{n}" for n in random.Random(1).sample(range(100), 64)]
    put(backend, names[3])
    last = write(backend, {name: None if name == names[3] else b"" for name in names})
    later = backend.feed("", last - 2)
    for feed in (live, later):
        before, changed = collect(feed, last)
        assert (before.revision, changed.revision) == (last - 1, last)
        assert [change.key for change in changed.changes] == names
        feed.close()


def test_large_units_come_whole(backend: KeyBackend) -> None:
    later_after = backend.snapshot().revision
    for _ in range(4):
        last = write(backend, {f"/{n}": b"x" * 9_000 for n in range(128)})
    feed = backend.feed("", later_after)
    assert [len(batch.changes) for batch in collect(feed, last)] == [128] * 4
    feed.close()


def test_a_feed_misses_nothing_that_is_committed_after_it_was_opened(backend: KeyBackend, etcd_url: str) -> None:
    other = open_etcd(etcd_url)
    for n in range(20):
        put(other, "/a", b"before")
        feed = backend.feed("", None)
        revision = put(other, "/a", b"%d" % n)
        (batch,) = collect(feed, revision)
        assert batch.changes[0].after is not None
        assert batch.changes[0].after.value == b"%d" % n
        feed.close()
    other.close()


def history(backend: KeyBackend) -> list[KeyChanges]:
    """A few revisions of every kind, and the changes that they made."""
    after = backend.snapshot().revision
    for n in range(12):
        write(backend, {"/a": b"%d" % n, f"/{n}": b"", "/b": None if n % 3 else b"%d" % n})
    last = put(backend, "/end")
    feed = backend.feed("", after)
    found = collect(feed, last)
    feed.close()
    assert [batch.revision for batch in found] == list(range(after + 1, last + 1))
    return found


def test_a_feed_goes_on_after_every_revision(backend: KeyBackend) -> None:
    everything = history(backend)
    for position in range(len(everything) - 1):
        feed = backend.feed("", everything[position].revision)
        assert described(collect(feed, everything[-1].revision)) == described(everything[position + 1 :])
        feed.close()


def test_a_feed_from_a_revision_that_is_still_to_come_begins_behind_it(backend: KeyBackend) -> None:
    now = put(backend, "/a", b"0")
    feed = backend.feed("", now + 3)
    for n in range(1, 7):
        last = put(backend, "/a", b"%d" % n)
    assert [batch.revision for batch in collect(feed, last)] == [now + 4, now + 5, now + 6]
    feed.close()


@pytest.mark.spec("P18")
def test_after_every_compaction_a_feed_tells_all_or_says_from_where_on_it_can(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url())
    everything = history(backend)
    revisions = [batch.revision for batch in everything]
    for upto in revisions[:-1]:
        backend.compact(upto)
        below = backend.feed("", upto - 1)
        below.wait(10)
        for _ in range(2):
            with pytest.raises(CompactedError) as caught:
                below.take()
            assert caught.value.oldest == upto
        below.close()
        for after in (upto, min(upto + 1, revisions[-2])):
            feed = backend.feed("", after)
            wanted = [batch for batch in everything if batch.revision > after]
            assert described(collect(feed, revisions[-1])) == described(wanted)
            feed.close()
    backend.close()


def test_a_deletion_at_the_compacted_revision_is_not_passed_over(own_server: EtcdServer) -> None:
    # What etcd 3.4.23 leaves out where a watch starts at the compacted revision itself: its issue 18089.
    backend = open_etcd(own_server.fresh_url())
    for value in (b"2", b"3", b"4"):
        known = put(backend, "/a", value)
    deleted = write(backend, {"/a": None})
    last = put(backend, "/a", b"6")
    backend.compact(deleted)
    feed = backend.feed("", known)
    feed.wait(10)
    with pytest.raises(CompactedError) as caught:
        feed.take()
    assert caught.value.oldest == deleted
    feed.close()
    feed = backend.feed("", deleted)
    assert described(collect(feed, last)) == [(last, [("/a", None, b"6")])]
    feed.close()
    backend.close()


def test_a_compaction_beyond_a_slow_reader_is_said_and_never_passed_over(
    own_server: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "CHANGES_MAX", 4)
    backend = open_etcd(own_server.fresh_url())
    feed = backend.feed("", None)
    first = put(backend, "/a", b"")
    for n in range(400):
        last = put(backend, "/a", b"%d" % n + b"x" * 50_000)
    backend.compact(last)
    told: list[KeyChanges] = []
    with pytest.raises(CompactedError) as caught:
        while True:
            feed.wait(0.5)
            told += feed.take()
    assert caught.value.oldest == last
    assert [batch.revision for batch in told] == list(range(first, first + len(told)))
    assert first + len(told) <= last
    assert all(change.before is not None for batch in told[1:] for change in batch.changes)
    feed.close()
    backend.close()


def test_old_values_that_were_compacted_on_the_way_are_not_left_out(
    own_server: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread of the feed stands still in its first answers, so the server has not sent the others, nor read what was
    # before them, when that is compacted.
    goes_on = threading.Event()
    accept = feed_module.EtcdFeed._accept

    def accept_late(self: feed_module.EtcdFeed, response: object) -> None:
        goes_on.wait(30)
        accept(self, response)

    monkeypatch.setattr(feed_module.EtcdFeed, "_accept", accept_late)
    backend = open_etcd(own_server.fresh_url())
    first = put(backend, "/a", b"")
    feed = backend.feed("", first - 1)
    for n in range(400):
        last = put(backend, "/a", b"%d" % n + b"x" * 50_000)
    backend.compact(last)
    goes_on.set()
    told: list[KeyChanges] = []
    with pytest.raises(CompactedError) as caught:
        while True:
            feed.wait(0.5)
            told += feed.take()
    assert caught.value.oldest == last
    assert [batch.revision for batch in told] == list(range(first, first + len(told)))
    assert all(change.before is not None for batch in told[1:] for change in batch.changes)
    feed.close()
    backend.close()


def test_a_slow_reader_is_waited_for_and_gets_everything(backend: KeyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BYTES_MAX", 300_000)
    feed = backend.feed("", None)
    first = put(backend, "/a", b"")
    for n in range(60):
        last = put(backend, "/a", b"%d" % n + b"x" * 100_000)
    time.sleep(1)
    assert feed._bytes < 600_000  # type: ignore[attr-defined]
    assert [batch.revision for batch in collect(feed, last)] == list(range(first, last + 1))
    feed.close()


def test_progress_moves_the_bookmark_where_nothing_changes(backend: KeyBackend) -> None:
    feed = backend.feed("/quiet", None)
    busy = put(backend, "/busy")
    eventually(lambda: feed.revision >= busy)
    assert feed.take() == ()
    put(backend, "/quiet")
    later = put(backend, "/busy")
    # What waits to be taken keeps the bookmark before it, however far the server is.
    feed.wait(10)
    time.sleep(0.6)
    assert feed.revision < later - 1
    assert len(feed.take()) == 1
    eventually(lambda: feed.revision >= later)
    feed.close()


@pytest.mark.spec("P18", "P19", "P54")
def test_cutting_the_connection_at_random_loses_doubles_and_reorders_nothing(
    etcd_server: EtcdServer, etcd_url: str
) -> None:
    proxy = Proxy("127.0.0.1", etcd_server.member.client_port)
    writer = open_etcd(etcd_url)
    reader = open_etcd(etcd_server.url_of(etcd_url.rpartition("/")[2], f"127.0.0.1:{proxy.port}"))
    after = writer.snapshot().revision
    feed = reader.feed("", after)
    stop = threading.Event()
    revisions: list[int] = []

    def go_on_writing() -> None:
        chance = random.Random(2)
        while not stop.is_set():
            names = chance.sample(range(20), chance.randint(1, 4))
            size = chance.choice((1, 10, 20_000))
            revisions.append(write(writer, {f"/{n}": None if chance.random() < 0.3 else b"x" * size for n in names}))

    writing = threading.Thread(target=go_on_writing)
    writing.start()
    chance = random.Random(3)
    found: list[KeyChanges] = []
    for _ in range(CUTS):
        until = time.monotonic() + chance.uniform(0.0, 0.12)
        while time.monotonic() < until:
            feed.wait(0.01)
            found += feed.take()
        proxy.drop_all()
    stop.set()
    writing.join()
    last = put(writer, "/end")
    found += collect(feed, last)
    direct = writer.feed("", after)
    assert described(found) == described(collect(direct, last))
    assert len(found) > CUTS, "too little was written to show anything"
    assert {batch.revision for batch in found} >= {r for r in revisions if r > after} - {
        r for r in revisions if revisions.count(r) > 1
    }
    for closable in (direct, feed, reader, writer, proxy):
        closable.close()  # type: ignore[attr-defined]


def reads(backend: KeyBackend) -> bool:
    try:
        return backend.snapshot().get("/a") is not None
    except UnavailableError:
        return False


@pytest.mark.spec("P54")
def test_a_feed_goes_on_when_the_server_comes_back(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url())
    feed = backend.feed("", None)
    first = last = put(backend, "/a", b"1")
    found: list[KeyChanges] = []
    for _ in range(5):
        own_server.member.kill()
        own_server.heal()
        eventually(lambda: reads(backend))
        put(backend, "/a")
        last = put(backend, "/a")
        found += collect(feed, last)
    assert [batch.revision for batch in found] == list(range(first, last + 1))
    feed.close()
    backend.close()


def test_a_feed_of_a_server_that_stays_away_says_so_and_still_goes_on_later(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url(), timeout_s=1)
    feed = backend.feed("", None)
    put(backend, "/a")
    feed.wait(10)
    assert len(feed.take()) == 1
    own_server.member.kill()
    began = time.monotonic()
    feed.wait(20)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
        feed.take()
    assert time.monotonic() - began < 15
    assert feed.take() == ()
    own_server.heal()
    eventually(lambda: backend.diagnose().problems == ())
    last = put(backend, "/a")
    deadline = time.monotonic() + 20
    while feed.revision < last and time.monotonic() < deadline:
        feed.wait(0.2)
        try:
            feed.take()
        except UnavailableError:
            continue
    assert feed.revision >= last
    feed.close()
    backend.close()


def test_waiting_ends_with_the_time_by_a_change_by_a_call_and_by_closing(backend: KeyBackend) -> None:
    feed = backend.feed("", None)
    began = time.monotonic()
    feed.wait(0.2)
    assert time.monotonic() - began >= 0.19
    for end in (feed.wake, lambda: put(backend, "/a"), feed.close):
        began = time.monotonic()
        timer = threading.Timer(0.2, end)
        timer.start()
        feed.wait(30)
        assert time.monotonic() - began < 20
        timer.join()
    feed.close()
    with pytest.raises(StoreClosedError):
        feed.take()


def test_closing_a_feed_ends_its_threads_even_if_nobody_took_anything(
    backend: KeyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "CHANGES_MAX", 1)
    known = put(backend, "/a")
    before = set(threading.enumerate())
    feeds = [backend.feed("", known) for _ in range(5)]
    for _ in range(5):
        put(backend, "/a")
    for feed in feeds:
        feed.wait(5)
        feed.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread
