"""`charter` on etcd: the commands of keys work, the others refuse with one sentence, and nothing shows a password."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

import pytest

from charter_persist import UnitOfWork, connect
from charter_persist.backends.contract import KvEntryRow
from charter_persist.backends.etcd.transaction import EtcdTransaction
from charter_persist.cli.failure import ExitCode
from tests.command_line import Answer, charter
from tests.etcd_server import EtcdServer, free_ports

pytestmark = pytest.mark.spec("KV-7", "KV-8")

OTHERS = (
    ("status",),
    ("log",),
    ("verify",),
    ("fsck",),
    ("checkpoint",),
    ("graph",),
    ("export", "never-made"),
    ("refs", "list"),
    ("audit", "list"),
    ("put", "note"),
    ("watch", "ref:*"),
    ("kv", "erase", "/a"),
    ("kv", "compact", "/a", "--upto", "1"),
)


class Shell:
    """`charter` on one namespace."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, stdin: bytes = b"", terminal: bool = False) -> Answer:
        return charter("--url", self.url, *arguments, stdin=stdin, terminal=terminal)

    def revision(self) -> int:
        return int(self("kv", "list", "--json").json["revision"])


@pytest.fixture
def shell(etcd_url: str) -> Shell:
    return Shell(etcd_url)


def test_a_value_comes_back_as_it_is_with_version_and_revision(shell: Shell) -> None:
    data = bytes(range(256))
    assert shell("kv", "set", "/a", "x").out == "/a has version 1\n"
    assert shell("kv", "set", "/a", stdin=data).out == "/a has version 2\n"
    facts = shell("kv", "get", "/a", "--json").json
    assert base64.b64decode(facts["value"]) == data
    assert facts["version"] == 2
    assert 0 < facts["revision"] <= shell.revision()


def test_a_past_value_is_read_by_its_revision(shell: Shell) -> None:
    shell("kv", "set", "/a", "one")
    revision = shell.revision()
    shell("kv", "set", "/a", "two")
    assert shell("kv", "get", "/a", "--as-of", str(revision)).out == "one"
    assert shell("kv", "get", "/a").out == "two"
    future = shell("kv", "get", "/a", "--as-of", str(10**12), "--json")
    assert (future.code, future.error["code"]) == (ExitCode.REFUSED, "not-found")


def test_a_listing_has_pages_of_one_revision(shell: Shell) -> None:
    for name in "abc":
        shell("kv", "set", f"/{name}", name)
    page = shell("kv", "list", "/", "--limit", "2", "--json").json
    assert [entry["key"] for entry in page["entries"]] == ["/a", "/b"]
    shell("kv", "set", "/d", "later")
    rest = shell("kv", "list", "/", "--cursor", page["cursor"], "--json").json
    assert ([entry["key"] for entry in rest["entries"]], rest["cursor"]) == (["/c"], None)
    assert rest["revision"] == page["revision"]


def test_cas_delete_and_transaction_do_it_or_refuse(shell: Shell) -> None:
    assert shell("kv", "cas", "/a", "1", "--expected", "0").out == "/a has version 1\n"
    lost = shell("kv", "cas", "/a", "2", "--expected", "0", "--json")
    assert (lost.code, lost.error["code"], lost.error["applied"]) == (ExitCode.REFUSED, "version-conflict", "no")
    assert lost.error["facts"]["actual"] == 1
    moves = [{"check": "/a", "version": 1}, {"set": "/b", "text": "ü"}, {"delete": "/a"}]
    done = shell("kv", "txn", "--json", stdin=json.dumps(moves).encode()).json
    assert done == {"operations": 3, "revision": shell.revision()}
    again = shell("kv", "txn", "--json", stdin=json.dumps(moves).encode())
    assert (again.code, again.error["code"]) == (ExitCode.REFUSED, "transaction-failed")
    assert shell("kv", "get", "/b").out == "ü"
    assert shell("kv", "delete", "/b").out == "/b is deleted\n"
    assert shell("kv", "delete", "/b").code == ExitCode.REFUSED
    assert shell("kv", "delete", "/b", "--missing-ok").out == "/b was absent\n"


def test_a_watch_prints_what_happened_after_a_revision(shell: Shell) -> None:
    shell("kv", "set", "/a", "one")
    before = shell.revision()
    shell("kv", "set", "/a", "two")
    shell("kv", "set", "/other", "x")
    for command in (("kv", "watch", "/a"), ("watch", "kv:/a")):
        (line,) = shell(*command, "--after", str(before), "--limit", "1").out.splitlines()
        (event,) = json.loads(line)["events"]
        assert (event["type"], event["key"], event["version"]) == ("updated", "/a", 2)
        assert base64.b64decode(event["old_value"]) == b"one"


def test_compacting_says_what_is_known_of_it(shell: Shell) -> None:
    shell("kv", "set", "/a", "one")
    shell("kv", "set", "/a", "two")
    revision = str(shell.revision())
    assert shell("kv", "compact", "--upto", revision).out == "compacted\n"
    assert shell("kv", "compact", "--upto", revision, "--json").json == {"dropped": None}
    old = shell("kv", "get", "/a", "--as-of", "1", "--json")
    assert (old.code, old.error["code"]) == (ExitCode.UNAVAILABLE, "compacted")
    assert old.error["facts"]["oldest"] == int(revision)


def test_doctor_tells_of_the_cluster(shell: Shell, etcd_server: EtcdServer) -> None:
    told = shell("doctor", "--json")
    assert told.code == ExitCode.FINE
    assert told.json["problems"] == []
    assert told.json["facts"]["endpoint 1 address"] == etcd_server.endpoints[0]


def test_doctor_names_a_member_that_is_away_once(etcd_server: EtcdServer) -> None:
    (port,) = free_ports(1)
    url = etcd_server.url_of("ns", etcd_server.endpoints[0], f"127.0.0.1:{port}")
    told = charter("--url", url, "doctor", "--json")
    assert told.code == ExitCode.REFUSED
    (problem,) = told.json["problems"]
    assert str(port) in problem


def test_what_another_changes_meanwhile_is_decided_anew(
    shell: Shell, etcd_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and a conflict of versions, as on a ledger; not that the database could not be used."""
    commit = EtcdTransaction.commit
    meddlers: list[Callable[[UnitOfWork], object]] = []

    def late(self: EtcdTransaction, changes: Mapping[str, KvEntryRow | None]) -> int:
        if meddlers:
            with connect(etcd_url) as other:
                other.run(meddlers.pop())
        return commit(self, changes)

    monkeypatch.setattr(EtcdTransaction, "commit", late)
    meddlers.append(lambda uow: uow.kv.set("/a", b"theirs"))
    assert shell("kv", "set", "/a", "mine").out == "/a has version 2\n"
    meddlers.append(lambda uow: uow.kv.set("/a", b"theirs"))
    told = shell("kv", "cas", "/a", "mine", "--expected", "2", "--json")
    assert (told.code, told.error["code"], told.error["facts"]["actual"]) == (
        ExitCode.REFUSED,
        "version-conflict",
        3,
    )
    meddlers.append(lambda uow: uow.kv.delete("/a"))
    assert shell("kv", "delete", "/a", "--json").error["code"] == "not-found"
    meddlers.append(lambda uow: uow.kv.set("/b", b"theirs"))
    moves = json.dumps([{"check": "/b", "version": 0}, {"set": "/b", "text": "mine"}]).encode()
    assert shell("kv", "txn", "--json", stdin=moves).error["code"] == "transaction-failed"
    assert meddlers == []


@pytest.mark.parametrize("command", OTHERS, ids=" ".join)
def test_what_etcd_does_not_carry_is_refused_in_one_sentence(shell: Shell, command: tuple[str, ...]) -> None:
    told = shell(*command, "--json", stdin=b"{}")
    assert (told.code, told.out) == (ExitCode.REFUSED, "")
    assert told.error["code"] == "not-supported"
    assert "etcd" in told.error["message"]
    assert "\n" not in told.error["message"]
    assert shell(*command, stdin=b"{}").err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("kv", "get", "/a"),
        ("kv", "set", "/a", "1"),
        ("kv", "list"),
        ("kv", "watch"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_cluster_that_is_away_is_unavailable_and_its_password_is_not_shown(command: tuple[str, ...]) -> None:
    (port,) = free_ports(1)
    told = charter("--url", f"etcd://ann:canary@127.0.0.1:{port}/ns", *command, "--json")
    assert told.code == ExitCode.UNAVAILABLE
    assert (told.error["code"], told.error["retryable"], told.error["applied"]) == ("unavailable", True, "no")
    assert str(port) in told.error["message"]
    assert "canary" not in told.out + told.err


def test_a_url_that_is_none_cannot_be_used() -> None:
    told = charter("--url", "etcd://ann:canary@:x/ns", "kv", "list", "--json")
    assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, "invalid-input")
    assert "canary" not in told.out + told.err
