"""A store on etcd: units without locks, operation ids over lost answers, and what it refuses with one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from charter_persist import Store, UnitOfWork, connect, upgrade
from charter_persist.errors import (
    CharterError,
    CommitUnknownError,
    CompactedError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    NotSupportedError,
    ReadOnlyError,
    SerializationFailureError,
    StoreClosedError,
    TimedOutError,
    UnavailableError,
)
from charter_persist.model.limits import Options
from charter_persist.watch.subjects import STORES
from tests.etcd_rows import eventually
from tests.etcd_server import EtcdServer, free_ports
from tests.tcp_proxy import Proxy

pytestmark = pytest.mark.spec("KV-8")

# RELIABILITY P7 asks for 200; each is one lost answer and its repetition.
LOST_ANSWERS = int(os.environ.get("CHARTER_LOST_ANSWERS", "40"))
KIB = 1024
VALUE_MAX = 1024 * KIB


@pytest.fixture
def store(etcd_url: str) -> Iterator[Store]:
    with connect(etcd_url) as opened:
        yield opened


@pytest.fixture
def other(etcd_url: str) -> Iterator[Store]:
    """Another handle of the same store."""
    with connect(etcd_url) as opened:
        yield opened


@pytest.fixture
def proxied(etcd_server: EtcdServer, etcd_url: str) -> Iterator[tuple[Store, Proxy]]:
    """The same store behind a proxy; a request may take two seconds."""
    proxy = Proxy("127.0.0.1", etcd_server.member.client_port)
    url = etcd_server.url_of(etcd_url.rpartition("/")[2], f"127.0.0.1:{proxy.port}")
    with connect(url, unit_timeout_s=2.0) as opened:
        yield opened, proxy
    proxy.close()


def put(store: Store, key: str, value: bytes = b"1") -> int:
    """Set a key; the revision that it became."""
    with store.begin() as uow:
        uow.kv.set(key, value)
    assert uow.receipt is not None
    return uow.receipt.revision


def held(store: Store) -> dict[str, bytes]:
    """What all keys hold."""
    with store.read() as view:
        return {entry.key: entry.value for entry in view.kv.iter()}


def increment(uow: UnitOfWork, key: str = "/count", mark: bytes = b"") -> int:
    """One more; what is written begins with a mark that a proxy can find."""
    found = uow.kv.get(key)
    count = 1 + (0 if found is None else int(found.value.rpartition(b":")[2]))
    uow.kv.set(key, mark + b":%d" % count)
    return count


def counted(store: Store) -> int:
    return int(held(store)["/count"].rpartition(b":")[2])


# Units

READS: dict[str, Callable[[UnitOfWork], Any]] = {
    "a key": lambda uow: uow.kv.get("/a"),
    "a version": lambda uow: uow.kv.version("/a"),
    "an absent key": lambda uow: uow.kv.exists("/absent"),
    "a listing": lambda uow: list(uow.kv.iter("/")),
    "a page": lambda uow: uow.kv.list("/", limit=100),
    "a check": lambda uow: uow.kv.compare_and_set("/a", b"mine", expected=1),
    "a deletion": lambda uow: uow.kv.delete("/a"),
    "a creation": lambda uow: uow.kv.create_if_not_exists("/absent", b"mine"),
}
CHANGES: dict[str, Callable[[UnitOfWork], Any]] = {
    "a key": lambda uow: uow.kv.set("/a", b"theirs"),
    "a version": lambda uow: uow.kv.delete("/a"),
    "an absent key": lambda uow: uow.kv.set("/absent", b"theirs"),
    "a listing": lambda uow: uow.kv.set("/phantom", b"theirs"),
    "a page": lambda uow: uow.kv.delete("/a"),
    "a check": lambda uow: uow.kv.set("/a", b"theirs"),
    "a deletion": lambda uow: uow.kv.set("/a", b"theirs"),
    "a creation": lambda uow: uow.kv.set("/absent", b"theirs"),
}


@pytest.mark.spec("KV-3", "P13")
@pytest.mark.parametrize("read", READS)
def test_a_unit_whose_reads_were_changed_writes_nothing_and_says_so(store: Store, other: Store, read: str) -> None:
    put(store, "/a")
    with pytest.raises(SerializationFailureError) as caught, store.begin() as uow:
        READS[read](uow)
        other.run(CHANGES[read])
        theirs = held(other)
        uow.kv.set("/mine", b"mine")
    assert (caught.value.retryable, caught.value.applied) == (True, "no")
    assert held(store) == theirs


def test_a_unit_whose_reads_stand_commits_beside_others(store: Store, other: Store) -> None:
    """Others wrote what it did not read, and it is one revision of its own."""
    put(store, "/a")
    with store.begin() as uow:
        uow.kv.get("/a")
        theirs = put(other, "/b")
        uow.kv.set("/c", b"1")
    assert uow.receipt is not None
    assert uow.receipt.revision > theirs
    assert (uow.receipt.first_position, uow.receipt.size, uow.receipt.root) == (None, None, None)
    assert set(held(store)) == {"/a", "/b", "/c"}


def test_a_unit_that_changes_nothing_never_conflicts(store: Store, other: Store) -> None:
    put(store, "/a")
    with store.begin() as uow:
        uow.kv.get("/a")
        put(other, "/a", b"2")
    assert uow.receipt is None


def test_run_begins_anew_where_its_reads_were_changed(store: Store, other: Store) -> None:
    calls = []

    def read_and_write(uow: UnitOfWork) -> int:
        calls.append(uow)
        count = increment(uow)
        if len(calls) < 3:
            other.run(increment)
        return count

    assert store.run(read_and_write).value == 3
    assert len(calls) == 3
    assert counted(store) == 3


def test_no_increment_of_many_threads_is_lost(etcd_url: str) -> None:
    def work() -> None:
        with connect(etcd_url) as store:
            for _ in range(10):
                store.run(increment)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(etcd_url) as store:
        assert counted(store) == 40


def test_run_gives_up_when_its_time_is_over(etcd_url: str, other: Store) -> None:
    def never(uow: UnitOfWork) -> None:
        increment(uow)
        other.run(increment)

    with connect(etcd_url, unit_timeout_s=0.5) as store, pytest.raises(SerializationFailureError):
        store.run(never)


def test_what_a_function_raises_is_raised_and_nothing_is_written(store: Store) -> None:
    def fail(uow: UnitOfWork) -> None:
        uow.kv.set("/a", b"1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run(fail, operation_id="op")
    assert held(store) == {}
    assert not store.run(increment, operation_id="op").repeated


# Operation ids


@pytest.mark.spec("P7")
def test_a_repeated_operation_returns_what_was_kept_and_calls_nothing(store: Store, other: Store) -> None:
    first = store.run(lambda uow: {"count": increment(uow)}, operation_id="op")
    assert first.receipt is not None
    assert not first.repeated
    for handle in (store, other):
        again = handle.run(lambda _: pytest.fail("it was called again"), operation_id="op")
        assert (again.value, again.receipt, again.repeated) == ({"count": 1}, first.receipt, True)
        assert handle.resolve("op") == again
    assert counted(store) == 1
    with store.read() as view:
        assert view.kv.require("/count").revision == first.receipt.revision


@pytest.mark.spec("P7")
def test_an_operation_that_changed_nothing_is_kept_too(store: Store) -> None:
    assert store.run(lambda _: 7, operation_id="op").receipt is None
    again = store.run(lambda _: 8, operation_id="op")
    assert (again.value, again.receipt, again.repeated) == (7, None, True)


@pytest.mark.spec("P7")
def test_of_racing_calls_with_one_id_one_takes_effect(etcd_url: str) -> None:
    outcomes = []

    def work() -> None:
        with connect(etcd_url) as store:
            outcomes.append(store.run(increment, operation_id="op"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.repeated for outcome in outcomes].count(False) == 1
    assert len({(outcome.value, outcome.receipt) for outcome in outcomes}) == 1
    with connect(etcd_url) as store:
        assert counted(store) == 1


def test_what_is_kept_of_operations_is_neither_listed_nor_watched(store: Store) -> None:
    before = put(store, "/a")
    with store.watch("kv:*", after=before) as watch:
        store.run(lambda _: None, operation_id="op")
        assert store.resolve("never") is None
        put(store, "/b")
        assert [event.key for event in next(watch).events] == ["/b"]
    assert set(held(store)) == {"/a", "/b"}
    with store.read() as view:
        assert [entry.key for entry in view.kv.list("/").items] == ["/a", "/b"]


@pytest.mark.spec("P7")
@pytest.mark.parametrize("resolved", [True, False])
def test_a_commit_that_is_on_its_way_never_applies_once_it_was_resolved(
    proxied: tuple[Store, Proxy], store: Store, resolved: bool
) -> None:
    """Without `resolve` the same request takes effect when it arrives at last: that is the control."""
    behind, proxy = proxied
    proxy.hold_request = b"marker"
    with pytest.raises(CommitUnknownError) as caught:
        behind.run(lambda uow: increment(uow, mark=b"marker"), operation_id="op")
    assert proxy.held.is_set()
    assert (caught.value.operation_id, caught.value.applied) == ("op", "unknown")
    if resolved:
        assert store.resolve("op") is None
    assert held(store) == {}
    proxy.release()
    assert proxy.arrived.wait(30)
    if not resolved:
        eventually(lambda: held(store) == {"/count": b"marker:1"})
        return
    assert held(store) == {}
    # It is settled: asking again says the same, and the id is free.
    assert store.resolve("op") is None
    again = store.run(increment, operation_id="op")
    assert (again.value, again.repeated) == (1, False)
    kept = store.resolve("op")
    assert kept is not None
    assert (kept.value, kept.receipt) == (1, again.receipt)


@pytest.mark.spec("P7")
@pytest.mark.parametrize("reaches", [True, False])
def test_a_lost_answer_is_resolved_by_its_id(proxied: tuple[Store, Proxy], store: Store, reaches: bool) -> None:
    behind, proxy = proxied
    for number in range(5):
        before = held(store)
        proxy.reaches_server, proxy.cut_request = reaches, b"mark-%d:" % number
        with pytest.raises(CommitUnknownError) as caught:
            behind.run(lambda uow, n=number: increment(uow, mark=b"mark-%d" % n), operation_id=f"op-{number}")
        assert caught.value.operation_id == f"op-{number}"
        assert (caught.value.retryable, caught.value.applied) == (False, "unknown")
        outcome = behind.resolve(f"op-{number}")
        assert (outcome is not None) is reaches
        assert (held(store) != before) is reaches
        if outcome is not None:
            assert outcome.value == number + 1
            with store.read() as view:
                assert outcome.receipt is not None
                assert view.kv.require("/count").revision == outcome.receipt.revision
    assert proxy.cuts == 5


@pytest.mark.spec("P7")
def test_a_lost_answer_to_a_block_names_no_operation(proxied: tuple[Store, Proxy], store: Store) -> None:
    behind, proxy = proxied
    proxy.cut_request = b"marker"
    with pytest.raises(CommitUnknownError) as caught:
        put(behind, "/a", b"marker")
    assert caught.value.operation_id is None
    assert held(store) == {"/a": b"marker"}


@pytest.mark.spec("P7")
def test_resolve_survives_a_lost_answer_of_its_own(proxied: tuple[Store, Proxy], store: Store) -> None:
    behind, proxy = proxied
    for number, reaches in enumerate((True, False)):
        # The answer to the mark is lost; a mark that was left twice is one mark.
        put_of_it = b"operation:op-%d\x12\x11\xc1" % number
        proxy.reaches_server, proxy.cut_request = reaches, put_of_it
        assert behind.resolve(f"op-{number}") is None
        assert not store.run(increment, operation_id=f"op-{number}").repeated
    assert proxy.cuts == 2


@pytest.mark.spec("P7")
@pytest.mark.parametrize("same_id", [True, False])
def test_repeating_by_the_same_id_takes_effect_exactly_once(
    proxied: tuple[Store, Proxy], store: Store, same_id: bool
) -> None:
    """The control repeats with a fresh id, and counts too much."""
    behind, proxy = proxied
    rounds = LOST_ANSWERS if same_id else 4
    for number in range(rounds):
        attempts = 0
        proxy.reaches_server, proxy.cut_request = number % 2 == 0, b"mark-%d:" % number
        while True:
            name = f"op-{number}" if same_id else f"op-{number}-{attempts}"
            attempts += 1
            try:
                behind.run(lambda uow, n=number: increment(uow, mark=b"mark-%d" % n), operation_id=name)
            except CommitUnknownError:
                continue
            break
        assert attempts == 2
    assert proxy.cuts == rounds
    assert counted(store) == (rounds if same_id else rounds + rounds // 2)


@pytest.mark.spec("P7", "P54")
def test_a_cluster_that_loses_its_leader_counts_each_operation_once(etcd_cluster: Any) -> None:
    url = etcd_cluster.fresh_url()

    def work(name: int) -> None:
        with connect(url) as store:
            for number in range(25):
                while True:
                    try:
                        store.run(increment, operation_id=f"{name}/{number}")
                    except (CommitUnknownError, UnavailableError):
                        continue
                    break

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.5)
        etcd_cluster.kill_leader()
        time.sleep(0.5)
        etcd_cluster.heal()
    for thread in threads:
        thread.join(120)
    with connect(url) as store:
        assert counted(store) == 50


# What it is opened with


def test_a_store_that_was_opened_for_reading_writes_nothing(etcd_url: str, store: Store) -> None:
    put(store, "/a")
    with connect(etcd_url, read_only=True) as reader:
        attempts: list[Callable[[], Any]] = [
            lambda: put(reader, "/b"),
            lambda: reader.run(increment),
            lambda: reader.run(increment, operation_id="op"),
            lambda: reader.resolve("op"),
            lambda: reader.lease(10),
            lambda: reader.elect("/leader"),
        ]
        for attempt in attempts:
            with pytest.raises(ReadOnlyError, match="read_only"):
                attempt()
        assert held(reader) == {"/a": b"1"}
        assert reader.health_check().ok
        with reader.watch("kv:*") as watch:
            put(store, "/b")
            assert [event.key for event in next(watch).events] == ["/b"]


def test_an_air_gapped_program_refuses_it(etcd_url: str) -> None:
    with pytest.raises(NotSupportedError, match=r"etcd .*network"):
        connect(etcd_url, air_gapped=True)


def test_it_says_what_it_is(store: Store) -> None:
    assert (store.name, store.requires_network, store.supports_air_gapped) == ("etcd", True, False)
    assert not store.capabilities.supports_append_only


def test_its_limits_are_those_of_the_options_and_of_etcd(etcd_url: str) -> None:
    with connect(etcd_url) as store:
        assert (store.options.kv_value_bytes_max, store.options.transaction_operations_max) == (VALUE_MAX, 128)
    with connect(etcd_url, options=Options(kv_value_bytes_max=10, transaction_operations_max=5)) as store:
        assert (store.options.kv_value_bytes_max, store.options.transaction_operations_max) == (10, 5)


@pytest.mark.spec("KV-7")
def test_the_largest_value_and_the_largest_unit(store: Store) -> None:
    put(store, "/a", b"x" * VALUE_MAX)
    assert held(store) == {"/a": b"x" * VALUE_MAX}
    for limit, maximum, values in (
        ("kv_value_bytes_max", VALUE_MAX, {"/b": VALUE_MAX + 1}),
        ("etcd_unit_bytes_max", 1280 * KIB, {"/b": 700 * KIB, "/c": 700 * KIB}),
        ("transaction_operations_max", 128, {f"/n/{number}": 1 for number in range(129)}),
    ):
        with pytest.raises(LimitExceededError) as caught, store.begin() as uow:
            for key, size in values.items():
                uow.kv.set(key, b"x" * size)
        assert (caught.value.limit, caught.value.maximum, caught.value.applied) == (limit, maximum, "no")
        assert caught.value.actual > maximum
    assert set(held(store)) == {"/a"}
    with store.begin() as uow:
        for number in range(128):
            uow.kv.set(f"/n/{number}", b"x" * 9 * KIB)
    assert len(held(store)) == 129


# What it does not have

ELSEWHERE: dict[str, Callable[[Store], Any]] = {
    **{
        name: lambda store, name=name: store.run(lambda uow: getattr(uow, name))  # type: ignore[misc]
        for name in ("objects", "refs", "audit", "metadata", "sessions", "leases", "reader")
    },
    **{
        f"{name} of a view": lambda store, name=name: getattr(store.read(), name)  # type: ignore[misc]
        for name in ("objects", "refs", "audit", "metadata", "sessions", "leases", "reader", "journal")
    },
    **{
        f"watching {name}": lambda store, name=name: store.watch(f"{name}:*")  # type: ignore[misc]
        for name in STORES
        if name != "kv"
    },
    "journal": lambda store: store.store_id,
    "scrub": lambda store: store.scrub(),
    "before": lambda store: store.run(lambda uow: uow.flush()),
    "join": lambda store: store.begin(connection=object()),
    "compacts": lambda store: store.run(lambda uow: uow.kv.compact(upto=1, prefix="/a")),
    "keeps past values": lambda store: store.run(lambda uow: uow.kv.erase("/a")),
}


@pytest.mark.spec("KV-7")
@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_etcd_does_not_carry_is_refused_by_its_name(store: Store, what: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        ELSEWHERE[what](store)
    assert "etcd" in caught.value.message
    assert what.removesuffix(" of a view") in caught.value.message
    assert (caught.value.retryable, caught.value.applied) == (False, "no")


def test_it_has_no_schema_to_upgrade(etcd_url: str) -> None:
    upgrade(etcd_url)
    with connect(etcd_url, migrate="upgrade") as store:
        assert held(store) == {}


# The past


@pytest.mark.spec("GOV-15")
def test_a_past_revision_is_as_it_was_until_it_is_compacted(store: Store) -> None:
    before = put(store, "/zero")
    first = put(store, "/a", b"1")
    second = put(store, "/a", b"2")
    with store.read(as_of=first) as view:
        assert view.revision == first
        assert view.kv.require("/a").value == b"1"
        assert [entry.key for entry in view.kv.iter("/a")] == ["/a"]
    with store.read(as_of=before) as view:
        assert view.kv.get("/a") is None
    with pytest.raises(NotFoundError, match="revision"):
        store.read(as_of=second + 1_000_000)
    assert store.run(lambda uow: uow.kv.compact(upto=second)).receipt is None
    with store.read(as_of=first) as view, pytest.raises(CompactedError) as caught:
        view.kv.get("/a")
    assert caught.value.oldest == second
    with store.read(as_of=second) as view:
        assert view.kv.require("/a").value == b"2"


def test_compacting_what_is_compacted_does_nothing(store: Store) -> None:
    revisions = [put(store, "/a", b"%d" % number) for number in range(4)]
    for upto in (revisions[2], revisions[2], revisions[1], 0):
        store.run(lambda uow, upto=upto: uow.kv.compact(upto=upto))
    with store.read(as_of=revisions[2]) as view:
        assert view.kv.require("/a").value == b"2"
    with store.begin() as uow:
        with pytest.raises(NotFoundError, match="revision"):
            uow.kv.compact(upto=revisions[3] + 1_000_000)
        uow.kv.set("/b", b"the unit goes on")
    assert set(held(store)) == {"/a", "/b"}


# Its end


def test_a_unit_that_takes_too_long_writes_nothing(store: Store) -> None:
    with pytest.raises(TimedOutError), store.begin(timeout_s=0.05) as uow:
        uow.kv.set("/a", b"1")
        time.sleep(0.1)
    assert held(store) == {}


def test_a_unit_inside_a_unit_is_refused(store: Store) -> None:
    with store.begin() as uow:
        uow.kv.set("/a", b"1")
        inner: list[Callable[[], Any]] = [
            lambda: put(store, "/b"),
            lambda: store.run(increment),
            lambda: store.resolve("op"),
        ]
        for attempt in inner:
            with pytest.raises(InvalidInputError, match="unit of work open"):
                attempt()
        with store.read() as view:
            assert view.kv.get("/a") is None
    assert held(store) == {"/a": b"1"}
    put(store, "/b")


def test_a_closed_store_does_nothing_any_more(etcd_url: str) -> None:
    store = connect(etcd_url)
    view = store.read()
    watch = store.watch("kv:*")
    unit = store.begin()
    uow = unit.__enter__()
    store.close()
    store.close()
    calls: list[Callable[[], Any]] = [
        store.read,
        lambda: put(store, "/a"),
        lambda: store.run(increment),
        lambda: store.resolve("op"),
        lambda: store.watch("kv:*"),
        lambda: store.lease(10),
        store.diagnose,
        lambda: view.kv.get("/a"),
        lambda: uow.kv.set("/a", b"1"),
    ]
    for call in calls:
        with pytest.raises(StoreClosedError):
            call()
    assert list(watch) == []
    assert store.health_check().problem == "the store is closed; connect again"
    unit.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def test_a_store_is_not_used_after_a_fork(etcd_url: str) -> None:
    program = f"""
import os
from charter_persist import connect
from charter_persist.errors import ForkedHandleError
store = connect({etcd_url!r})
child = os.fork()
if child == 0:
    found = 0
    for call in (store.read, store.begin, lambda: store.run(print), lambda: store.watch("kv:*"), lambda: store.lease(9)):
        try:
            call()
        except ForkedHandleError:
            found += 1
    store.close()
    os._exit(found)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
with store.begin() as uow:
    uow.kv.set("/a", b"1")
store.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# What is wrong


def test_health_is_one_sentence(store: Store, etcd_server: EtcdServer) -> None:
    health = store.health_check()
    assert (health.ok, health.problem) == (True, None)
    (port,) = free_ports(1)
    with connect(f"etcd://127.0.0.1:{port}/ns", unit_timeout_s=2) as away:
        health = away.health_check()
        assert not health.ok
        assert health.problem is not None
        assert str(port) in health.problem
    # One of two endpoints is away: it works, so nobody should take it out of service, and it says which one to start.
    with connect(etcd_server.url_of("ns", f"127.0.0.1:{port}", etcd_server.endpoints[0])) as half:
        assert held(half) is not None
        health = half.health_check()
        assert health.ok
        assert health.problem is not None
        assert str(port) in health.problem
        assert "start it" in health.problem


def test_a_server_that_is_away_is_said_to_be_with_nothing_applied() -> None:
    (port,) = free_ports(1)
    with connect(f"etcd://127.0.0.1:{port}/ns", unit_timeout_s=1) as store:
        calls: list[Callable[[], Any]] = [
            lambda: held(store),
            lambda: put(store, "/a"),
            lambda: store.run(increment, operation_id="op"),
            lambda: store.resolve("op"),
            lambda: store.watch("kv:*"),
            lambda: store.lease(10),
            lambda: store.elect("/leader", timeout_s=1),
            store.diagnose,
        ]
        for call in calls:
            with pytest.raises(UnavailableError) as caught:
                call()
            assert (caught.value.retryable, caught.value.applied) == (True, "no")


@pytest.mark.parametrize("missing", ["grpc", "google.protobuf"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
from charter_persist import connect
from charter_persist.errors import NotSupportedError
try:
    connect("etcd://127.0.0.1/ns")
except NotSupportedError as exc:
    assert "pip install charter-persist[etcd]" in exc.message, exc.message
    sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr


@pytest.mark.spec("P50")
def test_a_right_to_the_namespace_is_enough_for_everything() -> None:
    server = EtcdServer()
    try:
        server.demand_sign_in("ann", "canary", "mine")
        server.credentials = "ann:canary@"
        with connect(server.url_of("mine")) as store:
            assert store.run(increment, operation_id="op").value == 1
            assert store.run(increment, operation_id="op").repeated
            assert store.resolve("other") is None
            assert held(store) == {"/count": b":1"}
            with store.watch("kv:*", after=1) as watch:
                assert [event.key for event in next(watch).events] == ["/count"]
            with store.elect("/leader", ttl_s=60, timeout_s=10) as leader:
                assert not leader.lost
            assert store.health_check().ok
        with connect(server.url_of("other")) as store, pytest.raises(CharterError, match="ann") as caught:
            put(store, "/a")
        assert isinstance(caught.value, ReadOnlyError)
    finally:
        server.stop()
