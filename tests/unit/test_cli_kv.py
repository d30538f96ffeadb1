"""`charter kv`: bytes in, the same bytes out; every refusal has its exit code."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from charter_persist import upgrade
from charter_persist.backends.contract import SCHEMA_VERSION
from charter_persist.cli.failure import ExitCode
from tests.command_line import Answer, charter

TEXT = "hällo\n"


class Shell:
    """`charter kv` on one store."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"

    def __call__(self, *arguments: str, stdin: bytes = b"", terminal: bool = False) -> Answer:
        return charter("--url", self.url, "kv", *arguments, stdin=stdin, terminal=terminal)


@pytest.fixture
def kv(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "store.db")
    upgrade(shell.url)
    return shell


@pytest.mark.spec("KV-2", "KV-7")
def test_a_value_from_anywhere_comes_back_as_it_is(kv: Shell, tmp_path: Path) -> None:
    data = bytes(range(32, 127)) + TEXT.encode()
    (tmp_path / "value").write_bytes(data)
    assert kv("set", "/argument", TEXT).out == "/argument has version 1\n"
    assert kv("set", "/stdin", stdin=data).code == ExitCode.FINE
    assert kv("set", "/file", "--file", str(tmp_path / "value")).code == ExitCode.FINE
    assert kv("set", "/dash", "--file", "-", stdin=data).code == ExitCode.FINE
    assert kv("get", "/argument").out == TEXT
    for key in ("/stdin", "/file", "/dash"):
        assert kv("get", key).out.encode() == data


@pytest.mark.spec("KV-2", "KV-7")
def test_bytes_that_are_no_text_are_safe(kv: Shell) -> None:
    data = bytes(range(256))
    assert kv("set", "/raw", stdin=data).code == ExitCode.FINE
    told = kv("get", "/raw", "--json").json
    assert base64.b64decode(told["value"]) == data
    assert (told["version"], told["revision"]) == (1, 1)
    # A terminal is never given them.
    assert told["value"][:40] in kv("get", "/raw", terminal=True).out


@pytest.mark.spec("KV-2", "KV-7")
def test_a_terminal_is_shown_the_facts_and_no_control_characters(kv: Shell) -> None:
    kv("set", "/a", stdin=b"one\x1b[31m\ntwo")
    out = kv("get", "/a", terminal=True).out
    assert "version" in out
    assert "\x1b[31m" not in out
    assert "two" in out


@pytest.mark.spec("KV-2", "KV-7")
def test_cas_takes_a_version_or_a_revision(kv: Shell) -> None:
    assert kv("cas", "/a", "1", "--expected", "0").code == ExitCode.FINE
    assert kv("cas", "/a", "2", "--expected-revision", "1", "--json").json == {"key": "/a", "version": 2}
    told = kv("cas", "/a", "3", "--expected", "1", "--json")
    assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "version-conflict")
    assert told.error["facts"] == {"actual": 2, "expected": 1}
    assert told.error["applied"] == "no"
    assert kv("cas", "/a", "3").code == ExitCode.REFUSED
    assert kv("set", "/a", "3", "--file", "-").code == ExitCode.USAGE
    assert kv("cas", "/a", "3", "--expected", "-1").code == ExitCode.USAGE


@pytest.mark.spec("KV-2", "KV-7")
def test_delete_may_be_told_that_a_key_may_be_missing(kv: Shell) -> None:
    kv("set", "/a", "1")
    assert kv("delete", "/a", "--json").json == {"key": "/a", "deleted": True}
    told = kv("delete", "/a", "--json")
    assert (told.code, told.error["code"], told.error["facts"]) == (ExitCode.REFUSED, "not-found", {"key": "/a"})
    assert kv("delete", "/a", "--missing-ok", "--json").json == {"key": "/a", "deleted": False}
    assert kv("get", "/a").code == ExitCode.REFUSED


@pytest.mark.spec("KV-2", "KV-7")
def test_list_gives_pages_of_one_revision(kv: Shell) -> None:
    for name in ("a", "b", "c"):
        kv("set", f"/n/{name}", name)
    first = kv("list", "/n/", "--limit", "2", "--json").json
    kv("set", "/n/c", "changed")
    kv("set", "/n/d", "new")
    second = kv("list", "/n/", "--cursor", first["cursor"], "--json").json
    assert [base64.b64decode(entry["value"]) for entry in second["entries"]] == [b"c"]
    assert first["revision"] == second["revision"] == 3
    assert second["cursor"] is None
    lines = kv("list", "/n/").out.splitlines()
    assert lines[0].split("\t") == ["key", "version", "revision", "bytes", "updated"]
    assert lines[3].split("\t")[:4] == ["/n/c", "2", "4", "7"]
    assert "more: --cursor" in kv("list", "--limit", "1").out
    assert [e["key"] for e in kv("list", "--as-of", "1", "--json").json["entries"]] == ["/n/a"]
    assert kv("get", "/n/c", "--as-of", "3").out == "c"
    assert kv("list", "--cursor", "nonsense").code == ExitCode.REFUSED


@pytest.mark.spec("KV-2", "KV-7")
def test_a_transaction_is_done_or_says_which_check_failed(kv: Shell, tmp_path: Path) -> None:
    operations = [
        {"check": "/a", "version": 0},
        {"check": "/b", "revision": 0},
        {"set": "/a", "text": TEXT},
        {"set": "/b", "base64": base64.b64encode(b"\xff").decode()},
        {"delete": "/c"},
    ]
    text = json.dumps(operations).encode()
    assert kv("txn", "--json", stdin=text).json == {"operations": 5, "revision": 1}
    (tmp_path / "operations").write_bytes(text)
    told = kv("txn", str(tmp_path / "operations"), "--json")
    assert (told.code, told.error["code"], told.error["facts"]) == (
        ExitCode.REFUSED,
        "transaction-failed",
        {"index": 0},
    )
    assert kv("get", "/a").out == TEXT
    assert kv("txn", stdin=b"[]").out == "nothing was to be changed\n"


@pytest.mark.spec("KV-2", "KV-7")
@pytest.mark.parametrize(
    "document",
    ["{}", "1", "[1]", "[{}]", '[{"set":"/a"}]', '[{"set":"/a","text":1}]', '[{"set":"/a","base64":"*"}]',
     '[{"set":"/a","base64":7}]', '[{"check":"/a"}]', '[{"check":"/a","version":"1"}]', '[{"delete":7}]',
     '[{"delete":"a"}]', '[{"set":"/ok","text":""},{"put":"/a"}]', "[", ""],
)  # fmt: skip
def test_what_is_no_transaction_is_refused(kv: Shell, document: str) -> None:
    told = kv("txn", "--json", stdin=document.encode())
    assert told.code == ExitCode.REFUSED
    assert told.error["applied"] == "no"
    assert kv("list", "--json").json["entries"] == []


@pytest.mark.spec("KV-2", "KV-7")
@pytest.mark.parametrize("key", ["a", "/", "/a/", "", "/a//b", "/\x07", "/meta/schema_version"])
def test_what_is_no_key_is_refused(kv: Shell, key: str) -> None:
    for command in (["set", key, "1"], ["cas", key, "1", "--expected", "0"], ["delete", key], ["erase", key]):
        told = kv(*command, "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "invalid-key")


@pytest.mark.spec("KV-2", "KV-7")
def test_the_schema_version_can_be_read(kv: Shell) -> None:
    assert kv("get", "/meta/schema_version").out == str(SCHEMA_VERSION)


@pytest.mark.spec("KV-2", "KV-7")
def test_compaction_and_erasure(kv: Shell) -> None:
    for n in range(4):
        kv("set", "/a", str(n))
        kv("set", "/b", str(n))
    assert kv("compact", "/a", "--upto", "7", "--json").json == {"dropped": 3}
    assert kv("get", "/a", "--as-of", "1").code == ExitCode.UNAVAILABLE
    assert kv("compact", "--before", "2001-01-01T00:00:00Z").out == "0 changes dropped\n"
    assert kv("compact").code == ExitCode.REFUSED
    assert kv("compact", "--before", "yesterday").code == ExitCode.REFUSED
    assert kv("erase", "/b", "--json").json == {"key": "/b", "removed": 4}
    assert kv("erase", "/b").out == "0 changes of /b removed\n"
    assert [entry["key"] for entry in kv("list", "--json").json["entries"]] == ["/a"]
