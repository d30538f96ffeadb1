"""Whatever was removed and whenever backups were made: a revision comes back as it was, or some value of it is nowhere.

The truth comes from copies of the store of every revision: a value of a revision is in the backup where the store still
had it when the segment of the revision was made, and the oldest later revision that is whole follows from that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist import connect
from charter_persist.errors import CharterError, CompactedError
from charter_persist.store import Store
from charter_persist.transfer.backup import backup
from charter_persist.transfer.manifest import Manifest, read_chain
from charter_persist.transfer.rows import logs
from charter_persist.unit_of_work import UnitOfWork
from tests.backups import Dump, brought_back, rows_in

Operation = tuple[Any, ...]
History = list[list[Operation] | None]
KEYS: Final = ("/a/1", "/a/2", "/b")
NAMES: Final = ("a", "b")
SMALL: Final = st.integers(0, 3)

APPLY: Final[dict[str, Callable[..., object]]] = {
    "metadata.set": lambda uow, name, value: uow.metadata.set(name, value),
    "metadata.delete": lambda uow, name: uow.metadata.delete(name),
    "metadata.compact": lambda uow: uow.metadata.compact(),
    "kv.set": lambda uow, key, value: uow.kv.set(key, b"%d" % value),
    "kv.delete": lambda uow, key: uow.kv.delete(key),
    "kv.erase": lambda uow, key: uow.kv.erase(key),
    "kv.compact": lambda uow, upto, prefix: uow.kv.compact(upto=upto, prefix=prefix),
    "event.append": lambda uow, name, value: uow.events.append(
        name, {"type": "custom", "event_type": "n", "data": value}, tenant_id="t"
    ),
    "event.erase": lambda uow, name, sequence: uow.events.erase(name, sequence=sequence),
    "thread.create": lambda uow, name: uow.messages.create_thread(
        tenant_id="t", user_id="u", thread_id=name, title=name
    ),
    "thread.update": lambda uow, name, value: uow.messages.update_thread(name, title=str(value)),
    "thread.erase": lambda uow, name: uow.messages.erase_thread(name),
    "message.create": lambda uow, name: uow.messages.create_message(
        name, role="user", content="first", message_id=f"m-{name}"
    ),
    "message.update": lambda uow, name, value: uow.messages.update_message(
        f"m-{name}", expected=1 + value % 2, content=str(value)
    ),
    "message.erase": lambda uow, name: uow.messages.erase_message(f"m-{name}"),
    "archive.store": lambda uow, name: uow.archive("note").store({"id": name}),
    "archive.erase": lambda uow, place: uow.archive("note").erase(list(uow.archive("note").list_hashes())[place]),
}


FIRST: Final[list[Operation]] = [(what, name) for what in ("thread.create", "message.create") for name in NAMES]
"""The unit that each history begins with."""


def drawn(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(st.just(name), *arguments)


LOGGED: Final = (
    drawn("metadata.set", st.sampled_from(NAMES), SMALL)
    | drawn("kv.set", st.sampled_from(KEYS), SMALL)
    | drawn("metadata.delete", st.sampled_from(NAMES))
    | drawn("metadata.compact")
    | drawn("kv.set", st.sampled_from(KEYS), SMALL)
    | drawn("kv.delete", st.sampled_from(KEYS))
    | drawn("kv.erase", st.sampled_from(KEYS))
    | drawn("kv.compact", st.integers(2, 9), st.just(""))
    | drawn("kv.compact", st.integers(2, 9), st.sampled_from(("/a", "/b")))
)
ERASABLE: Final = (
    drawn("event.append", st.sampled_from(NAMES), SMALL)
    | drawn("event.erase", st.sampled_from(NAMES), st.none() | st.integers(1, 2))
    | drawn("thread.update", st.sampled_from(NAMES), SMALL)
    | drawn("thread.erase", st.sampled_from(NAMES))
    | drawn("message.update", st.sampled_from(NAMES), SMALL)
    | drawn("message.erase", st.sampled_from(NAMES))
    | drawn("archive.store", st.sampled_from(NAMES))
    | drawn("archive.erase", st.integers(0, 1))
)


def histories(operation: st.SearchStrategy[Operation]) -> st.SearchStrategy[History]:
    """Units, and backups between them, which are None: one of ten, so that much is removed within a segment."""
    unit = st.lists(operation, min_size=1, max_size=3)
    choice = st.integers(0, 9).flatmap(lambda number: unit if number else st.none())
    return st.lists(choice, min_size=6, max_size=20)


def write(uow: UnitOfWork, unit: list[Operation]) -> None:
    """Do what can be done of a unit."""
    for name, *arguments in unit:
        with suppress(CharterError, IndexError):
            APPLY[name](uow, *arguments)


def held(store: Store) -> tuple[int, Dump]:
    """A copy of the store, with its revision."""
    with store.read() as view:
        return view.revision, rows_in(view.reader)


def live(history: History, folder: Path) -> dict[int, Dump]:
    """Live a history, with a backup at its end; what the store held after each revision."""
    then: dict[int, Dump] = {}
    with connect("memory://") as store:
        then.update([held(store)])
        for unit in [FIRST, *history, None]:
            if unit is None:
                backup(store, folder, store_id=store.store_id, incremental=True)
            else:
                with store.begin() as uow:
                    write(uow, unit)
                then.update([held(store)])
    return then


def logged(dump: Dump, after: int) -> set[Any]:
    """The rows of the logs behind a position."""
    return {(log.name, row) for log in logs() for row in dump[log.name] if row.position > after}


def whole(then: dict[int, Dump], chain: tuple[Manifest, ...]) -> set[int]:
    """The revisions of which the store had everything when the first backup that reaches them was made."""
    found = {0}
    for manifest in chain:
        after, upto = manifest.after, manifest.upto.revision
        kept = logged(then[upto], after.size)
        found |= {n for n in range(after.revision + 1, upto + 1) if logged(then[n], after.size) <= kept}
    return found


def outcome(folder: Path, revision: int) -> Dump | int:
    """What a restore gives; where it is refused, the revision that it names."""
    try:
        return brought_back(folder, revision)
    except CompactedError as error:
        return error.oldest


@pytest.mark.spec("GOV-12", "STO-3.4", "P28", "P37")
@settings(max_examples=150, deadline=None)
@given(histories(LOGGED) | histories(ERASABLE) | histories(LOGGED | ERASABLE))
def test_a_revision_comes_back_as_it_was_or_the_oldest_later_one_that_can_is_named(
    history: History,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        then = live(history, folder)
        restorable = whole(then, read_chain(folder))
        for revision, expected in then.items():
            later = min(other for other in restorable if other >= revision)
            assert outcome(folder, revision) == (expected if later == revision else later), revision
