"""`charter events` and `charter threads`: what was recorded is printed, page by page; what is missing is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.cli.failure import ExitCode
from charter_persist.model.event import Custom, StepStarted
from tests.command_line import charter


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with connect(url) as store:
        with store.begin() as uow:
            uow.events.append_batch("run", [StepStarted("s", "llm", "ask"), Custom("n", "\x1b[31m")], tenant_id="t")
            uow.events.append("other", Custom("n", 1), tenant_id="t")
            uow.messages.create_thread(tenant_id="t", user_id="ana", thread_id="talk", title="first")
            uow.messages.create_thread(tenant_id="t", user_id="ben", thread_id="more")
            for number in range(3):
                uow.messages.create_message("talk", role="user", content=f"text {number}", message_id=f"m{number}")
        with store.begin() as uow:
            uow.events.erase("run", sequence=1)
    return url


@pytest.mark.spec("ENA-2")
def test_events_are_printed_in_their_order(url: str) -> None:
    found = charter("--url", url, "--json", "events", "list", "run").json
    assert [(event["sequence"], event["type"]) for event in found["events"]] == [(1, "step_started"), (2, "custom")]
    assert [event["event"] for event in found["events"]] == [None, Custom("n", "\x1b[31m").to_json()]
    plain = charter("--url", url, "events", "list", "run").out
    assert "erased" in plain
    assert "\x1b" not in plain
    first = charter("--url", url, "--json", "events", "list", "run", "--limit", "1").json
    second = charter("--url", url, "--json", "events", "list", "run", "--cursor", first["cursor"]).json
    assert [event["sequence"] for event in second["events"]] == [2]
    assert charter("--url", url, "--json", "events", "list", "none").json["events"] == []
    assert charter("--url", url, "--json", "events", "executions", "t").json["executions"] == ["other", "run"]
    assert charter("--url", url, "events", "list", "").code == ExitCode.REFUSED


@pytest.mark.spec("ENA-4")
def test_threads_are_printed_with_their_messages(url: str) -> None:
    threads = charter("--url", url, "--json", "threads", "list", "t").json["threads"]
    assert [thread["id"] for thread in threads] == ["talk", "more"]
    threads = charter("--url", url, "--json", "threads", "list", "t", "--user", "ben").json["threads"]
    assert [thread["id"] for thread in threads] == ["more"]
    shown = charter("--url", url, "--json", "threads", "show", "talk", "--limit", "2").json
    assert shown["thread"]["title"] == "first"
    assert [message["content"] for message in shown["messages"]] == ["text 0", "text 1"]
    assert "text 2" in charter("--url", url, "threads", "show", "talk", "--cursor", shown["cursor"]).out
    assert charter("--url", url, "threads", "show", "none").code == ExitCode.REFUSED
