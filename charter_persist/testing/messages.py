"""Conformance of threads and messages: what they hold, how they change, deletion, erasure, and bad input.

Source: ENA-4, REQUIREMENTS 8 (deletion, erasure), NEIGHBOURS 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from charter_persist.backends.contract import MESSAGE, MESSAGE_LOG, THREAD, THREAD_LOG, Relation
from charter_persist.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    NotFoundError,
    NotSupportedError,
    SealedError,
    StoreClosedError,
    VersionConflictError,
)
from charter_persist.integrity.verify import verify
from charter_persist.model.limits import Options
from charter_persist.model.message import (
    CostInfo,
    ExecutionStats,
    FinishReason,
    Message,
    MessageMetadata,
    MessagePart,
    MessageRole,
    TokenUsage,
)
from charter_persist.model.records import Page
from charter_persist.proofs import verify_inclusion
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.kv_history import sound
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED
from charter_persist.testing.sources import FIRST_MOMENT, CountingSources
from charter_persist.unit_of_work import UnitOfWork

METADATA: Final = MessageMetadata(
    completed_at=1_700_000_000_000,
    duration_ms=12,
    model="m-1",
    provider="p",
    token_usage=TokenUsage(input_tokens=3, output_tokens=4, total_tokens=7),
    stats=ExecutionStats(steps=2, tool_calls=1),
    finish_reason=FinishReason.STOP,
    cost=CostInfo(amount="0.0012"),
)
PARTS: Final = (MessagePart("text", "\u20ac"), MessagePart("image", {"digest": "ab"}), MessagePart("empty"))
BAD_MESSAGES: Final[dict[str, tuple[dict[str, Any], type[InvalidInputError]]]] = {
    "a role that nobody has": ({"role": "robot"}, InvalidInputError),
    "no role": ({"role": None}, InvalidInputError),
    "content that is no text": ({"content": b"x"}, InvalidInputError),
    "parts that are none": ({"parts": None}, InvalidInputError),
    "parts that are a number": ({"parts": 7}, InvalidInputError),
    "a part that is none": ({"parts": [{"type": "text"}]}, InvalidInputError),
    "a part without a canonical form": ({"parts": [MessagePart("x", b"1")]}, NotCanonicalError),
    "metadata that is none": ({"metadata": {"model": "m"}}, InvalidInputError),
    "a duration that is no number": ({"metadata": MessageMetadata(duration_ms="1")}, InvalidInputError),  # type: ignore[arg-type]
    "a reason that is none": ({"metadata": MessageMetadata(finish_reason="why")}, InvalidInputError),  # type: ignore[arg-type]
    "an id with a slash": ({"message_id": "a/b"}, InvalidKeyError),
    "a parent type that is no text": ({"parent_type": 7}, InvalidInputError),
    "an execution that is no name": ({"execution_id": "\n"}, InvalidKeyError),
}
IDENTIFIED: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "create_thread": lambda uow, name: uow.messages.create_thread(tenant_id=name, user_id="u"),
    "create_thread of a user": lambda uow, name: uow.messages.create_thread(tenant_id="t", user_id=name),
    "get_thread": lambda uow, name: uow.messages.get_thread(name),
    "delete_thread": lambda uow, name: uow.messages.delete_thread(name),
    "erase_thread": lambda uow, name: uow.messages.erase_thread(name),
    "list_threads": lambda uow, name: uow.messages.list_threads(name),
    "create_message": lambda uow, name: uow.messages.create_message(name, role="user", content=""),
    "get_message": lambda uow, name: uow.messages.get_message(name),
    "update_message": lambda uow, name: uow.messages.update_message(name, expected=1),
    "delete_message": lambda uow, name: uow.messages.delete_message(name),
    "erase_message": lambda uow, name: uow.messages.erase_message(name),
    "list_messages": lambda uow, name: uow.messages.list_messages(name),
    "children": lambda uow, name: uow.messages.children(name),
}


def converse(store: Store, thread_id: str = "t", count: int = 3) -> list[Message]:
    """A thread of messages ``<thread>-1``, ``<thread>-2``, …, each the answer to the one before."""
    with store.begin() as uow:
        uow.messages.create_thread(tenant_id="acme", user_id="ana", thread_id=thread_id, title="first")
        made: list[Message] = []
        for number in range(1, count + 1):
            made.append(
                uow.messages.create_message(
                    thread_id,
                    role="user" if number % 2 else "assistant",
                    content=f"text {number}",
                    parent_id=made[-1].id if made else None,
                    message_id=f"{thread_id}-{number}",
                )
            )
    return made


def ids(page: Page[Any]) -> list[str]:
    """The ids on a page."""
    return [item.id for item in page.items]


@pytest.mark.spec("ENA-4")
class MessageStoreConformance(StoreFixtures):
    """Threads and messages with all that belongs to them."""

    def test_a_message_comes_back_as_it_was_created(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """All fields, in this unit and in a later view; the rows behind it say the same."""
        with open_store(**CountingSources().arguments()) as store:
            with store.begin() as uow:
                thread = uow.messages.create_thread(tenant_id="acme", user_id="ana", title="\u20ac")
                message = uow.messages.create_message(
                    thread.id,
                    role=MessageRole.ASSISTANT,
                    content="line\nline",
                    parts=iter(PARTS),
                    metadata=METADATA,
                    execution_id="e",
                )
                answer = uow.messages.create_message(thread.id, role="tool", content="", parent_id=message.id)
                assert uow.messages.require_message(message.id) == message
            with store.read() as view:
                assert view.messages.require_thread(thread.id) == thread
                assert view.messages.require_message(message.id) == message
                assert view.messages.list_messages(thread.id).items == (message, answer)
        assert (message.metadata, message.parts, message.execution_id) == (METADATA, PARTS, "e")
        assert (message.parent_id, message.parent_type) == (None, "thread")
        assert (answer.parent_id, answer.parent_type, answer.role) == (message.id, "message", MessageRole.TOOL)
        assert FIRST_MOMENT < message.created_at == thread.created_at == thread.updated_at
        assert (message.version, message.updated_at, message.deleted_at) == (1, None, None)
        assert {row.message_id for row in backdoor.raw_rows(MESSAGE)} == {message.id, answer.id}
        nonces = [row.nonce for row in backdoor.raw_rows(MESSAGE_LOG)] + [
            row.nonce for row in backdoor.raw_rows(THREAD_LOG)
        ]
        assert len(set(nonces)) == 3

    def test_each_change_is_a_journal_entry(self, store: Store) -> None:
        """Of its own store, with the thread in the name of a message."""
        converse(store, count=1)
        with store.begin() as uow:
            uow.messages.update_thread("t", title="second")
            uow.messages.update_message("t-1", expected=1, content="new")
            uow.messages.delete_message("t-1")
            uow.messages.delete_thread("t")
        with store.read() as view:
            assert [(entry.store, entry.subject, entry.operation) for entry in view.journal.entries()] == [
                ("thread", "t", "create"),
                ("message", "t/t-1", "create"),
                ("thread", "t", "update"),
                ("message", "t/t-1", "update"),
                ("message", "t/t-1", "delete"),
                ("thread", "t", "delete"),
            ]
        sound(store)

    def test_an_update_asks_for_the_version_and_keeps_what_is_not_given(self, store: Store) -> None:
        """One more version each; who comes second is told of the version that is there."""
        (first,) = converse(store, count=1)
        with store.begin() as uow:
            second = uow.messages.update_message("t-1", expected=1, content="other")
            third = uow.messages.update_message("t-1", expected=2, parts=PARTS, metadata=METADATA)
            with refused(VersionConflictError, "t-1") as caught:
                uow.messages.update_message("t-1", expected=2, content="late")
            assert (caught.value.expected, caught.value.actual) == (2, 3)  # type: ignore[attr-defined]
        assert (second.version, second.content, second.parts) == (2, "other", ())
        assert (third.version, third.content, third.parts, third.metadata) == (3, "other", PARTS, METADATA)
        assert (third.created_at, third.id, third.role) == (first.created_at, first.id, first.role)
        assert third.updated_at is not None
        with store.read() as view:
            assert view.messages.require_message("t-1") == third
        sound(store)

    def test_threads_are_listed_by_tenant_and_user(self, store: Store) -> None:
        """In the order they were created, page by page, deleted ones where that is asked for."""
        with store.begin() as uow:
            for name, user in (("c", "ana"), ("b", "ben"), ("a", "ana"), ("d", "ana")):
                uow.messages.create_thread(tenant_id="acme", user_id=user, thread_id=name)
            uow.messages.create_thread(tenant_id="other", user_id="ana", thread_id="e")
            uow.messages.delete_thread("a")
        with store.read() as view:
            threads = view.messages.list_threads
            assert ids(threads("acme")) == ["c", "b", "d"]
            assert ids(threads("acme", "ana")) == ["c", "d"]
            assert ids(threads("acme", "ana", include_deleted=True)) == ["c", "a", "d"]
            assert ids(threads("nobody")) == ids(threads("acme", "nobody")) == []
            first = threads("acme", limit=2)
            assert ids(first) == ["c", "b"]
            second = threads("acme", limit=2, cursor=first.cursor)
            assert (ids(second), second.cursor) == (["d"], None)

    def test_messages_are_listed_in_the_order_they_were_created(self, store: Store) -> None:
        """Page by page, while others come; an update moves none."""
        converse(store, count=7)
        converse(store, "u", count=2)
        with store.begin() as uow:
            uow.messages.update_message("t-2", expected=1, content="new")
            uow.messages.delete_message("t-4")
        with store.read() as view:
            page = view.messages.list_messages("t", limit=3)
            assert ids(page) == ["t-1", "t-2", "t-3"]
            assert ids(view.messages.list_messages("t", include_deleted=True)) == [f"t-{n}" for n in range(1, 8)]
            assert ids(view.messages.list_messages("none")) == []
        with store.begin() as uow:
            uow.messages.create_message("t", role="user", content="late", message_id="t-0")
        with store.read() as view:
            found = ids(page)
            while page.cursor is not None:
                page = view.messages.list_messages("t", limit=3, cursor=page.cursor)
                found += ids(page)
            assert found == ["t-1", "t-2", "t-3", "t-5", "t-6", "t-7", "t-0"]

    def test_answers_are_found_by_their_parent(self, store: Store) -> None:
        """Deleted parents keep them; a message that answers none is nobody's child."""
        converse(store, count=2)
        with store.begin() as uow:
            for number in range(3):
                uow.messages.create_message("t", role="user", content="", parent_id="t-1", message_id=f"x{number}")
            uow.messages.delete_message("x1")
            uow.messages.delete_message("t-1")
        with store.read() as view:
            assert ids(view.messages.children("t-1")) == ["t-2", "x0", "x2"]
            assert ids(view.messages.children("t-1", include_deleted=True)) == ["t-2", "x0", "x1", "x2"]
            assert ids(view.messages.children("x0")) == []
            first = view.messages.children("t-1", limit=1)
            assert ids(view.messages.children("t-1", limit=9, cursor=first.cursor)) == ["x0", "x2"]

    def test_deletion_is_soft(self, store: Store, backdoor: BackDoor) -> None:
        """What was deleted can be read, says when, and takes no change any more."""
        converse(store, count=2)
        with store.begin() as uow:
            gone = uow.messages.delete_message("t-2", expected=1)
            assert uow.messages.get_message("t-2") == gone
        assert (gone.version, gone.content) == (2, "text 2")
        assert gone.deleted_at is not None
        with nothing_written(backdoor), store.begin() as uow:
            with refused(SealedError, "t-2"):
                uow.messages.update_message("t-2", expected=2, content="x")
            with refused(SealedError, "t-2"):
                uow.messages.delete_message("t-2")
        with store.begin() as uow:
            thread = uow.messages.delete_thread("t", expected=1)
            assert uow.messages.get_thread("t") == thread
        assert thread.deleted_at is not None
        changes: dict[str, Callable[[UnitOfWork], Any]] = {
            "create": lambda uow: uow.messages.create_message("t", role="user", content=""),
            "update": lambda uow: uow.messages.update_message("t-1", expected=1, content="x"),
            "delete": lambda uow: uow.messages.delete_message("t-1"),
            "title": lambda uow: uow.messages.update_thread("t", title="x"),
            "again": lambda uow: uow.messages.delete_thread("t"),
        }
        for change in changes.values():
            with nothing_written(backdoor), refused(SealedError, "thread t"), store.begin() as uow:
                change(uow)
        with store.read() as view:
            assert ids(view.messages.list_messages("t")) == ["t-1"]
        sound(store)

    def test_the_past_of_messages_is_not_known(self, store: Store) -> None:
        """And that is said."""
        converse(store)
        with store.read(as_of=1) as view:
            with refused(NotSupportedError, "message"):
                view.messages.get_message("t-1")
            with refused(NotSupportedError, "thread"):
                view.messages.list_threads("acme")


@pytest.mark.spec("ENA-4")
class MessageInputConformance(StoreFixtures):
    """Bad input leaves nothing behind, and says what was wrong."""

    def test_a_parent_must_be_a_message_of_the_same_thread(self, store: Store, backdoor: BackDoor) -> None:
        """One that is not there, one of another thread, a thread in place of a message."""
        converse(store)
        converse(store, "u")
        with nothing_written(backdoor), store.begin() as uow:
            create = uow.messages.create_message
            with refused(NotFoundError, "none"):
                create("t", role="user", content="", parent_id="none")
            with refused(ConflictError, "u-1", "another thread"):
                create("t", role="user", content="", parent_id="u-1")
            with refused(NotFoundError, "message u"):
                create("t", role="user", content="", parent_id="u")
            with refused(NotFoundError, "thread none"):
                create("none", role="user", content="")

    def test_ids_are_used_once(self, store: Store, backdoor: BackDoor) -> None:
        """Also those of what was deleted or erased, and in this very unit."""
        converse(store)
        with store.begin() as uow:
            uow.messages.delete_message("t-1")
            uow.messages.erase_message("t-2")
        with nothing_written(backdoor), store.begin() as uow:
            for name in ("t-1", "t-2", "t-3"):
                with refused(AlreadyExistsError, name):
                    uow.messages.create_message("t", role="user", content="", message_id=name)
            with refused(AlreadyExistsError, "thread t"):
                uow.messages.create_thread(tenant_id="acme", user_id="ben", thread_id="t")
        with store.begin() as uow:
            uow.messages.create_message("t", role="user", content="", message_id="new")
            with refused(AlreadyExistsError, "new"):
                uow.messages.create_message("t", role="user", content="", message_id="new")

    @pytest.mark.parametrize("kind", BAD_MESSAGES)
    def test_what_is_no_message_is_refused(self, store: Store, backdoor: BackDoor, kind: str) -> None:
        """Before anything is written."""
        converse(store)
        arguments, error = BAD_MESSAGES[kind]
        with nothing_written(backdoor), store.begin() as uow:
            with refused(error):
                uow.messages.create_message("t", **{"role": "user", "content": "", **arguments})

    @pytest.mark.parametrize("operation", IDENTIFIED)
    def test_what_is_no_id_of_a_conversation_is_refused(self, store: Store, backdoor: BackDoor, operation: str) -> None:
        """Texts that no backend could keep alike, and what is no text."""
        with nothing_written(backdoor), store.begin() as uow:
            for name in (*REFUSED, *NOT_TEXTS):
                with refused(InvalidKeyError):
                    IDENTIFIED[operation](uow, name)

    def test_conversation_ids_are_kept_as_they_are(self, store: Store) -> None:
        """Threads with slashes as well; each is found by what the journal names it."""
        names = [*LITERAL, *(f"{name}/1" for name in LITERAL)]
        with store.begin() as uow:
            for number, name in enumerate(names):
                uow.messages.create_thread(tenant_id=name, user_id=name, thread_id=name, title=name)
                plain = name.replace("/", "|")
                uow.messages.create_message(name, role="user", content=name, message_id=f"{plain}{number}")
        with store.read() as view:
            for name in names:
                assert ids(view.messages.list_threads(name, name)) == [name]
                assert [message.content for message in view.messages.list_messages(name).items] == [name]
        with store.begin() as uow:
            assert [uow.messages.erase_thread(name) for name in names] == [2] * len(names)
        sound(store)

    def test_what_is_missing_is_said_to_be_missing(self, store: Store, backdoor: BackDoor) -> None:
        """Nothing is made by the way."""
        with nothing_written(backdoor), store.begin() as uow:
            assert (uow.messages.get_thread("t"), uow.messages.get_message("m")) == (None, None)
            call: Callable[[str], Any]
            for call in (uow.messages.require_thread, uow.messages.delete_thread, uow.messages.erase_thread):
                with refused(NotFoundError, "thread t"):
                    call("t")
            for call in (uow.messages.require_message, uow.messages.delete_message, uow.messages.erase_message):
                with refused(NotFoundError, "message m"):
                    call("m")
            with refused(NotFoundError):
                uow.messages.update_message("m", expected=1, content="x")
            with refused(NotFoundError):
                uow.messages.update_thread("t", title="x")

    def test_limits_of_messages_hold(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Of one message and of a page; a unit that has ended takes none."""
        with open_store(options=Options(object_bytes_max=400, page_items_max=2)) as store:
            converse(store, count=1)
            with nothing_written(backdoor), store.begin() as uow:
                with refused(LimitExceededError, "object_bytes_max"):
                    uow.messages.create_message("t", role="user", content="x" * 400)
                with refused(LimitExceededError, "page_items_max"):
                    uow.messages.list_messages("t", limit=3)
                with refused(InvalidInputError, "cursor"):
                    uow.messages.list_threads("t", limit=1, cursor="?")
            with refused(StoreClosedError):
                uow.messages.create_message("t", role="user", content="")


@pytest.mark.spec("ENA-4", "P28")
class MessageErasureConformance(StoreFixtures):
    """Erasure takes all that a message ever said; its place, its id and every proof stay."""

    def test_all_versions_go_and_every_proof_stays(self, store: Store, backdoor: BackDoor) -> None:
        """The message is absent, its answers stay, and so does everything else."""
        converse(store, count=3)
        with store.begin() as uow:
            uow.messages.update_message("t-2", expected=1, content="secret")
            uow.messages.delete_message("t-2")
        with store.read() as view:
            size, root = view.journal.size(), view.journal.root()
            proofs = [(entry, view.journal.inclusion_proof(entry.position)) for entry in view.journal.entries()]
        with store.begin() as uow:
            assert uow.messages.erase_message("t-2") == 3
            assert uow.messages.get_message("t-2") is None
        rows = [row for row in backdoor.raw_rows(MESSAGE_LOG) if row.message_id == "t-2"]
        assert [(row.data, row.nonce) for row in rows] == [(None, b"")] * 3
        with store.read() as view:
            assert ids(view.messages.list_messages("t", include_deleted=True)) == ["t-1", "t-3"]
            assert ids(view.messages.children("t-2")) == ["t-3"]
            assert view.journal.root(size) == root
            for entry, proof in proofs:
                verify_inclusion(entry.leaf, entry.position - 1, size, proof, root)
            assert [entry.subject for entry in view.journal.entries(after=size)] == ["t/t-2"]
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.messages.erase_message("t-2") == 0
            with refused(NotFoundError, "erased"):
                uow.messages.update_message("t-2", expected=3, content="x")
            with refused(NotFoundError, "erased"):
                uow.messages.create_message("t", role="user", content="", parent_id="t-2")
        sound(store)

    def test_a_thread_is_erased_with_its_messages(self, store: Store, backdoor: BackDoor) -> None:
        """Its title, every message and nothing of another thread."""
        converse(store, count=2)
        converse(store, "u", count=1)
        with store.begin() as uow:
            uow.messages.update_thread("t", title="second")
        with store.begin() as uow:
            assert uow.messages.erase_thread("t") == 4
            assert uow.messages.erase_thread("t") == 0
            assert uow.messages.get_thread("t") is None
            assert ids(uow.messages.list_threads("acme")) == ["u"]
            assert ids(uow.messages.list_messages("t")) == []
        left = [row for row in backdoor.raw_rows(MESSAGE_LOG) if row.data is not None]
        assert [row.thread_id for row in left] == ["u"]
        assert sorted(row.thread_id for row in backdoor.raw_rows(THREAD_LOG) if row.data is None) == ["t", "t"]
        with nothing_written(backdoor), store.begin() as uow, refused(NotFoundError, "erased"):
            uow.messages.create_message("t", role="user", content="more")
        sound(store)

    def test_an_erasure_of_a_message_that_is_rolled_back_takes_nothing(self, store: Store, backdoor: BackDoor) -> None:
        """Like every change it is undone with its unit."""
        converse(store)
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.messages.erase_thread("t")
            uow.flush()
            raise KeyboardInterrupt

    def test_a_change_behind_the_log_is_found(self, store: Store, backdoor: BackDoor) -> None:
        """In the logs and in the tables of present values."""
        converse(store, count=2)
        with store.begin() as uow:
            uow.messages.update_message("t-1", expected=1, content="new")
            uow.messages.update_thread("t", title="new")

        def codes() -> set[str]:
            return {finding.code for finding in verify(store, store_id=store.store_id).findings}

        assert codes() == set()
        relations: tuple[Relation[Any], ...] = (MESSAGE_LOG, THREAD_LOG, MESSAGE, THREAD)
        for relation in relations:
            for row in sorted(backdoor.raw_rows(relation)):
                for column in relation.columns[1:]:
                    value = getattr(row, column)
                    changed = value + 70 if type(value) is int else value + (b"x" if type(value) is bytes else "x")
                    backdoor.raw_put(relation, row._replace(**{column: changed}))
                    assert codes(), (relation.name, column)
                    backdoor.raw_put(relation, row)
                backdoor.raw_delete(relation, relation.key_of(row))
                assert codes(), relation.name
                backdoor.raw_put(relation, row)
        for log in relations[:2]:
            row = min(backdoor.raw_rows(log))
            backdoor.raw_put(log, log.erased(row))
            assert codes() == {"VALUE_MISSING"}
            backdoor.raw_put(log, row)
        sound(store)
