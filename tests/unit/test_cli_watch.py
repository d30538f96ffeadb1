"""`charter watch` and `charter kv watch`: one line of JSON for each unit of work."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from charter_persist import connect, upgrade
from charter_persist.cli.failure import ExitCode
from tests.command_line import charter


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with connect(url) as store:
        with store.begin() as uow:
            uow.kv.set("/a*b", b"\xff")
            uow.refs.set("area/x", uow.objects.put("thing", {}), expected=0)
        with store.begin() as uow:
            uow.kv.set("/a", b"1")
            uow.kv.delete("/a*b")
    return url


def lines(url: str, *arguments: str) -> list[Any]:
    answer = charter("--url", url, *arguments)
    assert (answer.code, answer.err) == (ExitCode.FINE, "")
    return [json.loads(line) for line in answer.out.splitlines()]


@pytest.mark.spec("KV-5")
def test_a_line_is_a_unit_of_work(url: str) -> None:
    first, second = lines(url, "watch", "kv:/*", "--after", "0", "--limit", "2")
    assert (first["revision"], second["revision"]) == (1, 2)
    value = base64.b64encode(b"\xff").decode()
    assert first["events"] == [
        {"type": "created", "store": "kv", "key": "/a*b", "version": 1, "old_value": None, "new_value": value}
    ]
    deleted = {"type": "deleted", "store": "kv", "key": "/a*b", "version": 0, "old_value": value, "new_value": None}
    assert sorted(second["events"], key=lambda event: event["key"])[1] == deleted
    assert lines(url, "watch", "kv:/*", "--after", "1", "--limit", "1") == [second]


@pytest.mark.spec("KV-5")
def test_a_digest_is_told_as_it_is(url: str) -> None:
    ((event,),) = [line["events"] for line in lines(url, "watch", "ref:*", "--after", "0", "--limit", "1", "--json")]
    assert len(event["new_value"]) == 64


@pytest.mark.spec("KV-5")
def test_a_prefix_of_keys_is_literal(url: str) -> None:
    found = lines(url, "kv", "watch", "/a*", "--after", "0", "--limit", "2")
    assert [[event["key"] for event in line["events"]] for line in found] == [["/a*b"], ["/a*b"]]


@pytest.mark.spec("KV-5")
@pytest.mark.parametrize("pattern", ["", "kv", "keys:/a", "kv:a", "kv:/\\a"])
def test_a_bad_pattern_is_refused(url: str, pattern: str) -> None:
    answer = charter("--url", url, "watch", pattern, "--json")
    assert (answer.code, answer.error["code"]) in {
        (ExitCode.REFUSED, "invalid-input"),
        (ExitCode.REFUSED, "invalid-key"),
    }


@pytest.mark.spec("KV-5")
def test_compacted_history_is_told_with_where_to_begin(url: str) -> None:
    with connect(url) as store, store.begin() as uow:
        uow.kv.compact(upto=2)
    answer = charter("--url", url, "watch", "kv:/*", "--after", "0", "--json")
    assert (answer.code, answer.error["code"]) == (ExitCode.UNAVAILABLE, "compacted")
    assert answer.error["facts"] == {"oldest": 2}
