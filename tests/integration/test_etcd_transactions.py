"""Transactions on etcd: what was read must still be so, what is too much is refused before it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from charter_persist.backends.contract.single import KeyBackend, KeyTransaction
from charter_persist.backends.etcd import open_etcd
from charter_persist.errors import (
    CharterError,
    IntegrityError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    SerializationFailureError,
    StoreClosedError,
)
from tests.etcd_rows import collect, keys, put, row, write
from tests.etcd_server import EtcdServer

pytestmark = pytest.mark.spec("KV-8")

VALUE_MAX = 1024 * 1024
UNIT_MAX = 1280 * 1024


@pytest.fixture
def backend(etcd_url: str) -> Iterator[KeyBackend]:
    opened = open_etcd(etcd_url)
    yield opened
    opened.close()


def test_a_row_comes_back_as_it_was_written_with_what_etcd_counts(backend: KeyBackend) -> None:
    created = row("/a/ü", b"\x00\xff", created_at=-5, updated_at=2**60)
    first = backend.transaction().commit({"/a/ü": created})
    assert backend.snapshot().get("/a/ü") == created._replace(version=1, revision=first)
    second = put(backend, "/a/ü", b"")
    found = backend.snapshot().get("/a/ü")
    assert found is not None
    assert (found.value, found.version, found.revision, found.created_at) == (b"", 2, second, 1)
    write(backend, {"/a/ü": None})
    assert backend.snapshot().get("/a/ü") is None
    assert backend.snapshot().get("/a") is None
    put(backend, "/a/ü")
    found = backend.snapshot().get("/a/ü")
    assert found is not None
    assert found.version == 1


def test_a_unit_is_one_revision_whole(backend: KeyBackend) -> None:
    put(backend, "/b")
    revision = write(backend, {"/a": b"1", "/b": None, "/c": b"2", "/absent": None})
    assert keys(backend) == {"/a": b"1", "/c": b"2"}
    assert {found.revision for found in backend.snapshot().scan("")} == {revision}


def test_deleting_what_is_absent_is_no_revision(backend: KeyBackend) -> None:
    last = put(backend, "/a")
    assert write(backend, {"/b": None}) == last


Read = Callable[[KeyTransaction], object]
Change = dict[str, bytes | None]


@pytest.mark.spec("P13")
@pytest.mark.parametrize(
    ("read", "change", "conflicts"),
    [
        pytest.param(lambda t: t.get("/a/1"), {"/a/1": b"new"}, True, id="a key that was read was set"),
        pytest.param(lambda t: t.get("/a/1"), {"/a/1": None}, True, id="a key that was read was deleted"),
        pytest.param(lambda t: t.get("/a/9"), {"/a/9": b""}, True, id="a key that was absent was created"),
        pytest.param(lambda t: t.get("/a/1"), {"/a/2": b"new"}, False, id="another key was set"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/a/15": b""}, True, id="a phantom in a scan"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/a/0": b""}, True, id="a phantom before the first key"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/a/99": b""}, True, id="a phantom behind the last key"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/a/2": b"new"}, True, id="a key of a scan was set"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/a/2": None}, True, id="a key of a scan was deleted"),
        pytest.param(lambda t: list(t.scan("/a/")), {"/b/1": b"new"}, False, id="a key outside a scan"),
        pytest.param(lambda t: list(t.scan("/none/")), {"/none/1": b""}, True, id="a phantom in an empty scan"),
        pytest.param(lambda t: list(t.scan("")), {"/z": b""}, True, id="a phantom in a scan of everything"),
        pytest.param(lambda t: list(t.scan("/a/", after="/a/1")), {"/a/1": b"x"}, False, id="a key before the start"),
        pytest.param(lambda t: list(t.scan("/a/", after="/a/1")), {"/a/10": b"x"}, True, id="just behind the start"),
        pytest.param(lambda t: list(t.scan("/a/", limit=2)), {"/a/3": b"new"}, False, id="a key behind the limit"),
        pytest.param(lambda t: list(t.scan("/a/", limit=2)), {"/a/15": b""}, True, id="a phantom within the limit"),
        pytest.param(lambda t: list(t.scan("/a/", limit=9)), {"/a/8": b""}, True, id="a limit that was not reached"),
        pytest.param(lambda t: list(t.scan("/a/", limit=0)), {"/a/1": b"x"}, False, id="nothing was asked for"),
        pytest.param(lambda t: next(t.scan("/a/")), {"/a/3": b"new"}, False, id="a scan that was left early"),
        pytest.param(lambda t: next(t.scan("/a/")), {"/a/0": b"new"}, True, id="before where a scan was left"),
        pytest.param(lambda t: t.revision, {"/a/1": b"new"}, False, id="only the revision was asked for"),
    ],
)
def test_a_unit_fails_if_what_it_read_changed_and_only_then(
    backend: KeyBackend, read: Read, change: Change, conflicts: bool
) -> None:
    write(backend, {"/a/1": b"1", "/a/2": b"2", "/a/3": b"3", "/b/1": b"1"})
    transaction = backend.transaction()
    read(transaction)
    write(backend, change)
    before = keys(backend)
    if not conflicts:
        transaction.commit({"/mine": row("/mine")})
        assert "/mine" in keys(backend)
        return
    with pytest.raises(SerializationFailureError) as caught:
        transaction.commit({"/mine": row("/mine")})
    assert caught.value.retryable
    assert caught.value.applied == "no"
    assert keys(backend) == before


def test_a_key_that_was_deleted_and_created_again_is_another_one(backend: KeyBackend) -> None:
    put(backend, "/a", b"same")
    transaction = backend.transaction()
    transaction.get("/a")
    write(backend, {"/a": None})
    put(backend, "/a", b"same")
    with pytest.raises(SerializationFailureError):
        transaction.commit({"/a": row("/a")})


def test_everything_in_a_transaction_is_read_at_one_revision(backend: KeyBackend) -> None:
    write(backend, {"/a": b"old", "/b": b"old"})
    transaction = backend.transaction()
    assert transaction.get("/a") is not None
    write(backend, {"/b": b"new", "/c": b"new"})
    found = transaction.get("/b")
    assert found is not None
    assert found.value == b"old"
    assert [item.key for item in transaction.scan("/")] == ["/a", "/b"]
    transaction.rollback()


def test_what_a_transaction_reads_of_the_past_is_not_compared(backend: KeyBackend) -> None:
    first = put(backend, "/a", b"old")
    transaction = backend.transaction()
    past = transaction.at(first)
    put(backend, "/a", b"new")
    assert past.get("/a") is not None
    assert len(list(past.scan(""))) == 1
    transaction.commit({"/b": row("/b")})


@pytest.mark.spec("P15")
def test_of_racing_compare_and_sets_exactly_one_wins_each_time(backend: KeyBackend) -> None:
    put(backend, "/counter", b"0")
    wins, failures = [], []

    def race() -> None:
        while len(wins) < 60:
            transaction = backend.transaction()
            found = transaction.get("/counter")
            assert found is not None
            try:
                transaction.commit({"/counter": row("/counter", b"%d" % (int(found.value) + 1))})
                wins.append(found.value)
            except SerializationFailureError as exc:
                failures.append(exc)

    racers = [threading.Thread(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert keys(backend) == {"/counter": b"%d" % len(wins)}
    assert len(set(wins)) == len(wins)
    assert failures, "nobody raced"


@pytest.mark.spec("P13")
def test_two_units_that_each_read_what_the_other_writes_are_not_both_done(backend: KeyBackend) -> None:
    one, other = backend.transaction(), backend.transaction()
    assert one.get("/b") is None
    assert list(other.scan("/a")) == []
    one.commit({"/a": row("/a")})
    with pytest.raises(SerializationFailureError):
        other.commit({"/b": row("/b")})


# Limits


@pytest.mark.spec("P48")
@pytest.mark.parametrize("size", [0, 1, VALUE_MAX - 1, VALUE_MAX])
def test_a_value_up_to_the_limit_is_kept(backend: KeyBackend, size: int) -> None:
    put(backend, "/a", b"x" * size)
    assert len(keys(backend)["/a"]) == size


def refused(backend: KeyBackend, changes: dict[str, bytes | None]) -> LimitExceededError:
    before = backend.snapshot().revision
    with pytest.raises(LimitExceededError) as caught:
        write(backend, changes)
    assert backend.snapshot().revision == before
    return caught.value


@pytest.mark.spec("P48")
def test_a_value_above_the_limit_is_refused_by_its_name(backend: KeyBackend) -> None:
    error = refused(backend, {"/a": b"x" * (VALUE_MAX + 1)})
    assert (error.limit, error.maximum, error.actual) == ("kv_value_bytes_max", VALUE_MAX, VALUE_MAX + 1)
    assert backend.value_bytes_max == VALUE_MAX


@pytest.mark.spec("P48")
def test_a_unit_up_to_its_limit_in_bytes_is_kept_and_one_byte_more_is_refused(backend: KeyBackend) -> None:
    error = refused(backend, {"/a": b"x" * VALUE_MAX, "/b": b"x" * 300_000})
    assert (error.limit, error.maximum) == ("etcd_unit_bytes_max", UNIT_MAX)
    room = 300_000 - (error.actual - UNIT_MAX)
    assert refused(backend, {"/a": b"x" * VALUE_MAX, "/b": b"x" * (room + 1)}).actual == UNIT_MAX + 1
    write(backend, {"/a": b"x" * VALUE_MAX, "/b": b"x" * room})
    assert backend.unit_bytes_max == UNIT_MAX


@pytest.mark.spec("P48")
def test_as_many_operations_as_etcd_takes_and_one_more(backend: KeyBackend) -> None:
    many: dict[str, bytes | None] = {f"/{n}": b"" for n in range(129)}
    error = refused(backend, many)
    assert (error.limit, error.maximum, error.actual) == ("transaction_operations_max", 128, 129)
    many.popitem()
    write(backend, many)
    assert len(keys(backend)) == backend.operations_max == 128


@pytest.mark.spec("P48")
@pytest.mark.parametrize(("reads", "taken"), [(128, True), (129, False)])
def test_as_many_reads_as_etcd_compares_and_one_more(backend: KeyBackend, reads: int, taken: bool) -> None:
    transaction = backend.transaction()
    for n in range(reads):
        transaction.get(f"/{n}")
        transaction.get(f"/{n}")
    if taken:
        transaction.commit({"/a": row("/a")})
    else:
        with pytest.raises(LimitExceededError, match="transaction_operations_max"):
            transaction.commit({"/a": row("/a")})
    assert keys(backend) == ({"/a": b""} if taken else {})


@pytest.mark.spec("P48")
def test_a_server_with_smaller_limits_is_told_what_to_raise() -> None:
    server = EtcdServer(options=["--max-txn-ops=4", "--max-request-bytes=1000"])
    try:
        backend = open_etcd(server.fresh_url())
        with pytest.raises(InvalidInputError, match="--max-txn-ops"):
            write(backend, {f"/{n}": b"" for n in range(5)})
        with pytest.raises(InvalidInputError, match="--max-request-bytes"):
            put(backend, "/a", b"x" * 1001)
        assert keys(backend) == {}
        backend.close()
    finally:
        server.stop()


# What others wrote


@pytest.mark.parametrize("value", ["", "plain", "\u00c1" + "x" * 30])
def test_a_value_of_another_writer_is_an_error_that_names_the_key(
    etcd_server: EtcdServer, etcd_url: str, value: str
) -> None:
    namespace = etcd_url.rpartition("/")[2]
    backend = open_etcd(etcd_url)
    known = put(backend, "/a")
    etcd_server.control("put", "--", f"{namespace}/foreign", value)
    for look in (lambda: backend.snapshot().get("/foreign"), lambda: list(backend.transaction().scan(""))):
        with pytest.raises(IntegrityError, match="/foreign") as caught:
            look()
        assert caught.value.key == "/foreign"  # type: ignore[attr-defined]
    feed = backend.feed("/f", known)
    for _ in range(2):
        feed.wait(10)
        with pytest.raises(IntegrityError, match="/foreign"):
            feed.take()
    feed.close()
    assert backend.snapshot().get("/a") is not None
    write(backend, {"/foreign": None})
    assert keys(backend) == {"/a": b""}
    backend.close()


def test_namespaces_on_one_cluster_do_not_see_each_other(etcd_server: EtcdServer, etcd_url: str) -> None:
    names = ("a", "a-", "a0", "ab")
    space = etcd_url.rpartition("/")[2]
    backends = {name: open_etcd(etcd_server.url_of(f"{space}{name}")) for name in names}
    feeds = {name: backend.feed("", None) for name, backend in backends.items()}
    for name, backend in backends.items():
        put(backend, "/who", name.encode())
        put(backend, f"/{name}")
    last = {name: put(backend, "/last") for name, backend in backends.items()}
    for name, backend in backends.items():
        assert keys(backend) == {"/who": name.encode(), f"/{name}": b"", "/last": b""}
        changed = [change.key for batch in collect(feeds[name], last[name]) for change in batch.changes]
        assert changed == ["/who", f"/{name}", "/last"]
        feeds[name].close()
        backend.close()


# Leases


def test_keys_of_a_lease_go_with_it_in_one_revision(backend: KeyBackend) -> None:
    lease = backend.grant(60)
    transaction = backend.transaction()
    transaction.commit({"/b": row("/b", lease=lease), "/a": row("/a", lease=lease), "/c": row("/c")})
    found = backend.snapshot().get("/a")
    assert found is not None
    assert found.lease == lease
    put(backend, "/b")
    detached = backend.snapshot().get("/b")
    assert detached is not None
    assert detached.lease is None
    backend.revoke(lease)
    backend.revoke(lease)
    assert keys(backend) == {"/b": b"", "/c": b""}
    assert backend.time_to_live(lease) is None
    with pytest.raises(NotFoundError):
        backend.keep_alive(lease)


def test_a_unit_with_a_lease_that_has_ended_writes_nothing(backend: KeyBackend) -> None:
    lease = backend.grant(60)
    backend.revoke(lease)
    with pytest.raises(NotFoundError, match="lease") as caught:
        backend.transaction().commit({"/a": row("/a"), "/b": row("/b", lease=lease)})
    assert caught.value.applied == "no"
    assert keys(backend) == {}


def test_a_lease_lives_as_long_as_it_is_kept_alive_and_then_takes_its_keys_along(backend: KeyBackend) -> None:
    lease = backend.grant(2.3)
    backend.transaction().commit({"/a": row("/a", lease=lease)})
    feed = backend.feed("", None)
    for _ in range(4):
        assert backend.keep_alive(lease) == 3.0
        feed.wait(1.5)
        assert feed.take() == ()
    left = backend.time_to_live(lease)
    assert left is not None
    assert left <= 3
    feed.wait(20)
    (gone,) = feed.take()
    assert [(change.key, change.after) for change in gone.changes] == [("/a", None)]
    feed.close()


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e30])
def test_a_lease_of_no_time_is_refused(backend: KeyBackend, ttl_s: float) -> None:
    with pytest.raises(InvalidInputError):
        backend.grant(ttl_s)


# The end


def test_a_transaction_that_has_ended_does_nothing_more(backend: KeyBackend) -> None:
    done, undone = backend.transaction(), backend.transaction()
    done.commit({"/a": row("/a")})
    undone.rollback()
    undone.rollback()
    done.close()
    calls: list[Callable[[], object]] = [
        lambda: done.commit({"/b": row("/b")}),
        lambda: undone.commit({"/b": row("/b")}),
        lambda: done.get("/a"),
        lambda: list(undone.scan("")),
    ]
    for call in calls:
        with pytest.raises(StoreClosedError):
            call()
    assert keys(backend) == {"/a": b""}


def test_a_closed_backend_says_so_and_leaves_no_thread(etcd_url: str) -> None:
    before = set(threading.enumerate())
    backend = open_etcd(etcd_url)
    put(backend, "/a")
    reader, transaction, feed = backend.snapshot(), backend.transaction(), backend.feed("", None)
    backend.close()
    backend.close()
    calls: list[Callable[[], object]] = [
        lambda: reader.get("/a"),
        lambda: transaction.commit({"/a": row("/a")}),
        lambda: backend.grant(1),
        lambda: backend.feed("", None),
        lambda: backend.compact(1),
        backend.diagnose,
    ]
    for call in calls:
        with pytest.raises(StoreClosedError):
            call()
    feed.wait(10)
    with pytest.raises(StoreClosedError):
        feed.take()
    feed.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread


def test_every_error_of_this_backend_is_ours(backend: KeyBackend) -> None:
    with pytest.raises(CharterError):
        backend.snapshot().at(-1)
    with pytest.raises(CharterError):
        backend.keep_alive("no lease")
