"""What the journal commits to for events, threads, messages and erasures, frozen: a change of any byte breaks old proofs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from charter_persist import connect
from charter_persist.backends.contract import EVENT, EventRow
from charter_persist.journal.entry import commitment
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.event import Custom
from charter_persist.model.message import FinishReason, Message, MessageMetadata, MessagePart, MessageRole, Thread
from charter_persist.model.plain import to_json
from charter_persist.repositories.erasure import remains
from charter_persist.repositories.event_row import event_bytes, event_subject
from charter_persist.testing import CountingSources

DATA = b'{"data":"\xe2\x82\xac","event_type":"n","type":"custom"}'
ROW = EventRow(7, 'e/"1', 3, "t\u20ac", "custom", 5, 1_700_000_000_000_001, bytes(range(16)), DATA)
AT = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_BYTES = (
    b'{"event":' + DATA + b',"execution_id":"e/\\"1","recorded_at":"2023-11-14T22:13:20.000001Z","revision":5,'
    b'"sequence":3,"tenant_id":"t\xe2\x82\xac","type":"custom"}'
)
REMAINS = b'[7,"e/\\"1",3,"t\xe2\x82\xac","custom",5,1700000000000001]'


@pytest.mark.spec("ENA-2", "HASH-5")
def test_an_event_commits_to_all_that_stands_in_its_row() -> None:
    assert event_bytes(ROW) == EVENT_BYTES
    assert event_subject(ROW.execution_id, ROW.sequence) == 'e/"1/3'
    assert commitment(ROW.nonce, event_bytes(ROW)).hex() == EVENT_COMMITMENT


@pytest.mark.spec("P28", "HASH-5")
def test_an_erasure_commits_to_what_it_leaves() -> None:
    assert remains(EVENT, [ROW]) == remains(EVENT, [EVENT.erased(ROW)]) == REMAINS
    assert remains(EVENT, [ROW, ROW]) == REMAINS * 2
    assert commitment(b"", REMAINS).hex() == REMAINS_COMMITMENT


@pytest.mark.spec("ENA-4", "HASH-5")
def test_threads_and_messages_commit_to_their_canonical_json() -> None:
    thread = Thread(id="t", tenant_id="acme", user_id="u", created_at=AT, updated_at=AT)
    assert canonical_bytes(to_json(thread)) == (
        b'{"created_at":"2026-01-01T00:00:00Z","id":"t","tenant_id":"acme","updated_at":"2026-01-01T00:00:00Z",'
        b'"user_id":"u","version":1}'
    )
    message = Message(
        id="m",
        thread_id="t",
        role=MessageRole.TOOL,
        content="x",
        created_at=AT,
        parts=(MessagePart("text", 1),),
        metadata=MessageMetadata(finish_reason=FinishReason.TOOL_CALLS),
    )
    assert canonical_bytes(to_json(message)) == (
        b'{"content":"x","created_at":"2026-01-01T00:00:00Z","id":"m","metadata":{"finish_reason":"tool_calls"},'
        b'"parent_type":"thread","parts":[{"data":1,"type":"text"}],"role":"tool","thread_id":"t","version":1}'
    )


@pytest.mark.spec("ENA-2", "ENA-4")
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_a_history_of_executions_ends_with_the_same_root(url: str) -> None:
    with connect(url, **CountingSources().arguments()) as store:
        with store.begin() as uow:
            uow.events.append_batch("e", [Custom("n", 1), Custom("n", 2)], tenant_id="t")
            uow.states.set("k", b"1")
            uow.messages.create_thread(tenant_id="t", user_id="u", thread_id="talk", title="x")
            uow.messages.create_message("talk", role="user", content="y", message_id="m")
        with store.begin() as uow:
            uow.messages.update_message("m", expected=1, content="z")
            uow.messages.delete_thread("talk")
        with store.begin() as uow:
            uow.events.erase("e", sequence=1)
            uow.messages.erase_thread("talk")
        with store.read() as view:
            assert view.journal.root().hex() == ROOT


EVENT_COMMITMENT = "fa8d20f4d347041b05e44801d4ba296b15cacd907ec396430fba27d07ddc73e5"
REMAINS_COMMITMENT = "ac9a82592e82548b59fe2ce1bcc91629ca192ebfd55cf07f38ee5aef5740cd21"
ROOT = "61d3a6c239c304fa07c88b3b20eb9042271ca2df10228649c5825a38aec99355"
