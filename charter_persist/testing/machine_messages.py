"""What the state machine does to threads and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.model.message import Message
from charter_persist.repositories.messages import MessageRepository
from charter_persist.testing.machine_values import EXECUTION, EXECUTIONS, OFF, expected
from charter_persist.unit_of_work import ReadView, UnitOfWork

TENANT: Final = "t"


@dataclass(frozen=True)
class Thread:
    """Create, change, delete or erase a thread, expecting the right version, another one or none."""

    verb: str
    name: str
    off: int | None = None

    def __call__(self, uow: UnitOfWork) -> Any:
        """The thread, or how many changes were erased."""
        messages = uow.messages
        if self.verb == "create":
            return messages.create_thread(tenant_id=TENANT, user_id=self.name, thread_id=self.name)
        if self.verb == "erase":
            return messages.erase_thread(self.name)
        wanted = expected(messages.require_thread(self.name).version, self.off)
        if self.verb == "delete":
            return messages.delete_thread(self.name, expected=wanted)
        return messages.update_thread(self.name, title="new", expected=wanted)


@dataclass(frozen=True)
class Say:
    """Append a message to a thread; it answers the first one of a thread, which may be another."""

    thread: str
    answers: str | None = None

    def __call__(self, uow: UnitOfWork) -> Any:
        """The message."""
        found = uow.messages.list_messages(self.answers, limit=1).items if self.answers else ()
        parent = found[0].id if found else None
        return uow.messages.create_message(self.thread, role="user", content=self.thread, parent_id=parent)


_VERBS: Final[Mapping[str, Callable[[MessageRepository, Message, int | None], Any]]] = {
    "update": lambda messages, one, off: messages.update_message(
        one.id, expected=one.version + (off or 0), content="new"
    ),
    "delete": lambda messages, one, off: messages.delete_message(one.id, expected=expected(one.version, off)),
    "erase": lambda messages, one, off: messages.erase_message(one.id),
    "answers": lambda messages, one, off: messages.children(one.id, include_deleted=True).items,
}


@dataclass(frozen=True)
class OfMessage:
    """Do something to the first or second message of a thread, deleted or not."""

    verb: str
    thread: str
    number: int
    off: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """What came of it; nothing where there is no such message."""
        found = uow.messages.list_messages(self.thread, limit=9, include_deleted=True).items[self.number :][:1]
        return [_VERBS[self.verb](uow.messages, one, self.off) for one in found]


BEGINNING: Final = (Thread("create", EXECUTIONS[0]), Say(EXECUTIONS[0]))
DRAWN: Final = st.one_of(
    st.builds(Thread, st.sampled_from(["create", "create", "update", "delete", "erase"]), EXECUTION, OFF),
    st.builds(Say, EXECUTION, st.sampled_from([None, *EXECUTIONS])),
    st.builds(OfMessage, st.sampled_from(sorted(_VERBS)), EXECUTION, st.integers(0, 1), OFF),
)


def observed(view: ReadView) -> dict[str, Any]:
    """All threads and messages, deleted ones as well."""
    threads = view.messages.list_threads(TENANT, include_deleted=True).items
    return {
        "threads": threads,
        "messages": [view.messages.list_messages(thread.id, include_deleted=True).items for thread in threads],
    }
