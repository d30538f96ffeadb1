"""What befalls a client of etcd: lost answers, wrong passwords and certificates, servers that are full, slow or away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist.backends.contract.single import KeyBackend
from charter_persist.backends.etcd import channel, open_etcd
from charter_persist.errors import (
    CharterError,
    CommitUnknownError,
    ReadOnlyError,
    StorageFullError,
    UnavailableError,
)
from tests.etcd_rows import collect, keys, put, row, write
from tests.etcd_server import EtcdServer, free_ports, make_certificates
from tests.tcp_proxy import Proxy

pytestmark = pytest.mark.spec("KV-7", "KV-8")


@pytest.fixture
def own_server() -> Iterator[EtcdServer]:
    """One that may be broken."""
    server = EtcdServer()
    yield server
    server.stop()


@pytest.fixture
def proxied(etcd_server: EtcdServer, etcd_url: str) -> Iterator[tuple[KeyBackend, KeyBackend, Proxy]]:
    """A backend behind a proxy, and one beside it on the same namespace."""
    proxy = Proxy("127.0.0.1", etcd_server.member.client_port)
    behind = open_etcd(etcd_server.url_of(etcd_url.rpartition("/")[2], f"127.0.0.1:{proxy.port}"))
    beside = open_etcd(etcd_url)
    yield behind, beside, proxy
    for closable in (behind, beside, proxy):
        closable.close()  # type: ignore[attr-defined]


# Lost answers


@pytest.mark.spec("P7")
@pytest.mark.parametrize("reaches", [True, False])
def test_an_answer_that_was_lost_is_said_to_be_lost(
    proxied: tuple[KeyBackend, KeyBackend, Proxy], reaches: bool
) -> None:
    behind, beside, proxy = proxied
    for n in range(25):
        transaction = behind.transaction()
        transaction.get("/a")
        marker = b"marker-%d-" % n
        proxy.reaches_server, proxy.cut_request = reaches, marker
        with pytest.raises(CommitUnknownError) as caught:
            transaction.commit({"/a": row("/a", marker)})
        assert caught.value.applied == "unknown"
        assert (keys(beside).get("/a") == marker) is reaches
        assert keys(behind) == keys(beside)
    assert proxy.cuts == 25


def test_a_read_whose_answer_was_lost_is_repeated(proxied: tuple[KeyBackend, KeyBackend, Proxy]) -> None:
    behind, beside, proxy = proxied
    put(beside, "/marked", b"value")
    for reaches in (True, False):
        proxy.reaches_server, proxy.cut_request = reaches, b"/marked"
        found = behind.snapshot().get("/marked")
        assert found is not None
        assert found.value == b"value"
    assert proxy.cuts == 2


def test_a_connection_that_died_while_idle_is_replaced_without_an_error(
    proxied: tuple[KeyBackend, KeyBackend, Proxy],
) -> None:
    behind, _, proxy = proxied
    for n in range(5):
        transaction = behind.transaction()
        transaction.get("/a")
        transaction.commit({"/a": row("/a", b"%d" % n)})
        proxy.drop_all()
        time.sleep(0.05)
    assert keys(behind) == {"/a": b"4"}


@pytest.mark.spec("P7")
def test_a_server_that_stands_still_makes_a_commit_unknown_and_a_read_unavailable(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url(), timeout_s=1.5)
    put(backend, "/a", b"old")
    own_server.member.pause()
    try:
        began = time.monotonic()
        with pytest.raises(CommitUnknownError):
            put(backend, "/a", b"new")
        with pytest.raises(UnavailableError):
            backend.snapshot().get("/a")
        assert time.monotonic() - began < 15
    finally:
        own_server.member.go_on()
    assert keys(backend)["/a"] in (b"old", b"new")
    backend.close()


@pytest.mark.spec("P7", "P54")
def test_a_server_that_is_killed_between_request_and_answer(own_server: EtcdServer) -> None:
    backend = open_etcd(own_server.fresh_url(), timeout_s=5)
    acknowledged: set[str] = set()
    refused: set[str] = set()
    unknown: set[str] = set()
    stop = threading.Event()

    def go_on_writing(name: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            key = f"/{name}/{count}"
            try:
                put(backend, key, b"x" * 1000)
                acknowledged.add(key)
            except CommitUnknownError:
                unknown.add(key)
            except UnavailableError:
                refused.add(key)
                time.sleep(0.01)

    writers = [threading.Thread(target=go_on_writing, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(10):
        time.sleep(0.25)
        own_server.member.kill()
        own_server.heal()
    stop.set()
    for writer in writers:
        writer.join()
    there = set(keys(backend))
    assert acknowledged <= there
    assert not refused & there
    assert there <= acknowledged | unknown
    assert unknown
    assert refused
    backend.close()


# Away, or somebody else


def test_a_server_that_does_not_run_is_unavailable_at_once() -> None:
    (port,) = free_ports(1)
    backend = open_etcd(f"etcd://127.0.0.1:{port}")
    began = time.monotonic()
    for call in (lambda: backend.snapshot().get("/a"), lambda: put(backend, "/a"), lambda: backend.feed("", None)):
        with pytest.raises(UnavailableError, match=str(port)) as caught:
            call()
        assert caught.value.applied == "no"
        assert caught.value.retryable
    with pytest.raises(UnavailableError):
        backend.diagnose()
    assert time.monotonic() - began < 10
    backend.close()


def test_a_name_that_leads_nowhere_is_unavailable_and_wrote_nothing() -> None:
    backend = open_etcd("etcd://nowhere.invalid", timeout_s=3)
    with pytest.raises(UnavailableError) as caught:
        put(backend, "/a")
    assert caught.value.applied == "no"
    backend.close()


def test_a_listener_that_never_answers_is_unavailable_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = open_etcd(f"etcd://127.0.0.1:{silent.getsockname()[1]}", timeout_s=2)
        began = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            put(backend, "/a")
        assert caught.value.applied == "no"
        with pytest.raises(UnavailableError):
            backend.snapshot().get("/a")
        assert time.monotonic() - began < 10
        backend.close()


def test_the_next_endpoint_is_used_where_one_is_away(etcd_server: EtcdServer, etcd_url: str) -> None:
    (port,) = free_ports(1)
    namespace = etcd_url.rpartition("/")[2]
    backend = open_etcd(etcd_server.url_of(namespace, f"127.0.0.1:{port}", etcd_server.endpoints[0]))
    last = put(backend, "/a")
    feed = backend.feed("", last - 1)
    assert len(collect(feed, last)) == 1
    assert any(str(port) in problem for problem in backend.diagnose().problems)
    feed.close()
    backend.close()


# Who may come in


def test_a_user_signs_in_and_again_when_the_token_is_not_taken_any_more() -> None:
    server = EtcdServer(options=["--auth-token-ttl=1"])
    try:
        server.demand_sign_in("ann", "canary", "mine")
        server.credentials = "ann:canary@"
        backend = open_etcd(server.url_of("mine"))
        feed = backend.feed("", None)
        put(backend, "/a", b"1")
        time.sleep(4)
        last = put(backend, "/a", b"2")
        assert len(collect(feed, last)) == 2
        for value in (b"3", b"4"):
            # A token of before the restart is not known any more; the feed notices by itself.
            server.member.kill()
            server.heal()
            writer = open_etcd(server.url_of("mine"))
            last = put(writer, "/a", value)
            assert len(collect(feed, last)) == 1
            writer.close()
        assert keys(backend) == {"/a": b"4"}
        assert backend.diagnose().problems == ()
        feed.close()
        backend.close()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """A node with TLS on which one has to sign in."""
    server = EtcdServer(tls=make_certificates(tmp_path_factory.mktemp("certificates")))
    server.demand_sign_in("ann", "canary", "mine")
    yield server
    server.stop()


def attempts(url: str) -> list[CharterError]:
    """The errors of a read, a write and a feed."""
    backend = open_etcd(url, timeout_s=5)
    found = []
    for call in (lambda: backend.snapshot().get("/a"), lambda: put(backend, "/a"), lambda: backend.feed("", None)):
        with pytest.raises(CharterError) as caught:
            call()
        found.append(caught.value)
    feed = backend.feed("", 1)
    feed.wait(20)
    with pytest.raises(CharterError) as caught:
        feed.take()
    feed.close()
    backend.close()
    return [*found, caught.value]


def test_a_user_with_password_and_tls_works(guarded: EtcdServer) -> None:
    guarded.credentials = "ann:canary@"
    backend = open_etcd(guarded.url_of("mine"))
    transaction = backend.transaction()
    assert list(transaction.scan("")) == []
    last = transaction.commit({"/a": row("/a", b"1")})
    feed = backend.feed("", last - 1)
    assert len(collect(feed, last)) == 1
    lease = backend.grant(60)
    backend.transaction().commit({"/a": None, "/b": row("/b", lease=lease)})
    assert backend.keep_alive(lease) == 60
    backend.revoke(lease)
    assert keys(backend) == {}
    feed.close()
    backend.close()


def test_a_wrong_password_is_unavailable_and_never_shown(guarded: EtcdServer) -> None:
    guarded.credentials = "ann:wrong-canary@"
    for error in attempts(guarded.url_of("mine")):
        assert isinstance(error, UnavailableError)
        assert "'ann'" in error.message
        assert guarded.endpoints[0] in error.message
        assert "canary" not in error.message


def test_no_user_where_one_is_needed_is_unavailable(guarded: EtcdServer) -> None:
    guarded.credentials = ""
    read, wrote, *_ = attempts(guarded.url_of("mine"))
    assert isinstance(read, UnavailableError)
    assert isinstance(wrote, UnavailableError)
    assert wrote.applied == "no"


def test_a_namespace_without_a_right_to_it_is_refused(guarded: EtcdServer) -> None:
    guarded.credentials = "ann:canary@"
    for error in attempts(guarded.url_of("other")):
        assert isinstance(error, ReadOnlyError)
        assert "'ann'" in error.message


def test_a_user_where_nobody_signs_in_is_unavailable(etcd_server: EtcdServer) -> None:
    backend = open_etcd(f"etcd://ann:canary@{etcd_server.endpoints[0]}")
    with pytest.raises(UnavailableError, match="not enabled") as caught:
        put(backend, "/a")
    assert "canary" not in caught.value.message
    backend.close()


def test_a_server_of_another_authority_is_unavailable(guarded: EtcdServer, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    for question in (f"?ca={other.ca}", "?tls=true", ""):
        backend = open_etcd(f"etcd://ann:canary@{guarded.endpoints[0]}/mine{question}", timeout_s=3)
        with pytest.raises(UnavailableError) as caught:
            put(backend, "/a")
        assert caught.value.applied == "no"
        assert "canary" not in caught.value.message
        backend.close()


def test_a_client_certificate_is_shown_where_the_server_asks_for_one(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    server = EtcdServer(tls=made, options=["--client-cert-auth", f"--trusted-ca-file={made.ca}"])
    try:
        backend = open_etcd(f"{server.url_of('mine')}&cert={made.client}&key={made.client_key}")
        put(backend, "/a")
        backend.close()
        backend = open_etcd(server.url_of("mine"), timeout_s=3)
        with pytest.raises(UnavailableError):
            backend.snapshot().get("/a")
        backend.close()
    finally:
        server.stop()


# Full


@pytest.mark.spec("P5")
def test_a_full_server_refuses_writes_says_what_to_do_and_goes_on_when_that_was_done() -> None:
    server = EtcdServer(options=[f"--quota-backend-bytes={4 * 1024 * 1024}"])
    try:
        backend = open_etcd(server.fresh_url())
        with pytest.raises(StorageFullError) as caught:
            for n in range(100):
                transaction = backend.transaction()
                found = transaction.get("/a")
                value = b"%d-" % n + b"x" * 500_000
                transaction.commit({"/a": row("/a", value)})
        assert caught.value.applied == "no"
        assert not caught.value.retryable
        assert backend.snapshot().get("/a") == found
        with pytest.raises(CommitUnknownError):
            put(backend, "/unread", b"x" * 500_000)
        (problem,) = backend.diagnose().problems
        assert "disarm" in problem
        backend.compact(backend.snapshot().revision)
        server.control("defrag")
        server.control("alarm", "disarm")
        assert backend.diagnose().problems == ()
        put(backend, "/a", b"again")
        assert keys(backend)["/a"] == b"again"
        backend.close()
    finally:
        server.stop()


@pytest.mark.spec("P5", "P7")
def test_a_server_that_becomes_full_in_the_middle_tells_nobody_wrongly_that_nothing_was_written() -> None:
    # etcd looks at its quota again when it has applied a unit, and then refuses what it has kept.
    server = EtcdServer(options=[f"--quota-backend-bytes={8 * 1024 * 1024}"])
    backend = open_etcd(server.fresh_url())
    became: dict[str, str] = {}

    def fill(name: int) -> None:
        for number in range(1_000):
            key = f"/{name}/{number}"
            transaction = backend.transaction()
            transaction.get(key)
            try:
                transaction.commit({key: row(key, b"x" * 100_000)})
                became[key] = "written"
            except StorageFullError:
                became[key] = "refused"
                return
            except CommitUnknownError:
                became[key] = "unknown"
                return

    try:
        writers = [threading.Thread(target=fill, args=(n,)) for n in range(24)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        there = keys(backend).keys()
        assert {key for key, what in became.items() if what == "written"} <= there
        assert not {key for key, what in became.items() if what == "refused"} & there
        assert len(there) < len(became)
    finally:
        backend.close()
        server.stop()


def test_what_a_healthy_server_says_of_itself(etcd_server: EtcdServer, etcd_url: str) -> None:
    backend = open_etcd(etcd_url)
    found = backend.diagnose()
    assert found.problems == ()
    assert found.facts["endpoint 1 address"] == etcd_server.endpoints[0]
    assert found.facts["endpoint 1 leads"] is True
    assert int(found.facts["endpoint 1 database bytes"]) > 0
    assert str(found.facts["endpoint 1 version"]).startswith("3.")
    assert backend.name == "etcd"
    assert backend.requires_network
    assert not backend.capabilities.supports_append_only
    write(backend, {"/a": b""})
    backend.close()
