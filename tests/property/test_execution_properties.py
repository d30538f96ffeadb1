"""Laws of events and messages under random units, some of which are undone: numbers without gaps, logs and their tables."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist import Store, connect, upgrade
from charter_persist.backends.contract import MESSAGE, MESSAGE_LOG, THREAD, THREAD_LOG
from charter_persist.errors import CharterError, ConflictError, VersionConflictError
from charter_persist.integrity.verify import verify
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.event import VARIANTS, Custom, ExecutionEvent, event_from_json, event_json
from charter_persist.model.message import Message, MessageMetadata, MessagePart, MessageRole
from charter_persist.model.plain import from_json, to_json
from charter_persist.store import restore_target
from charter_persist.testing.events import EVERY_VARIANT
from charter_persist.transfer.backup import backup
from charter_persist.transfer.restore import restore
from charter_persist.unit_of_work import UnitOfWork

EXECUTIONS = ("a", "a/1", "b")
TENANTS = ("t", "u")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


class UndoneError(Exception):
    """Raised to undo a unit."""


Model = dict[str, tuple[str, list[Any]]]
APPEND = st.tuples(
    st.just("append"),
    st.sampled_from(EXECUTIONS),
    st.sampled_from(TENANTS),
    st.integers(0, 4),
    st.none() | st.integers(0, 6),
)
ERASE = st.tuples(st.just("erase"), st.sampled_from(EXECUTIONS), st.none() | st.integers(0, 6))
UNIT = st.tuples(st.lists(APPEND | ERASE | st.just(("flush",)), max_size=5), st.sampled_from(["begin", "run", "undo"]))


def step(uow: UnitOfWork, model: Model, operation: tuple[Any, ...], label: int) -> None:
    """Do one operation to the store and to the model; both must agree on whether it is refused."""
    if operation[0] == "flush":
        uow.flush()
        return
    if operation[0] == "append":
        _, name, tenant, count, expected = operation
        owner, events = model.get(name, (tenant, []))
        allowed = expected in (None, len(events)) and (owner == tenant or not events)
        values = [Custom("n", [label, n]) for n in range(count)]
        try:
            latest = uow.events.append_batch(name, values, tenant_id=tenant, expected=expected)
        except VersionConflictError:
            assert expected not in (None, len(events)), operation
        except ConflictError:
            assert not allowed, operation
        else:
            assert allowed, operation
            if count:
                model[name] = (tenant, [*events, *([label, n] for n in range(count))])
            assert latest == len(events) + count
        return
    _, name, sequence = operation
    owner, events = model.get(name, ("", []))
    there = range(1, len(events) + 1)
    chosen = list(there) if sequence is None else [sequence]
    try:
        erased = uow.events.erase(name, sequence=sequence)
    except CharterError:
        assert not events or sequence not in (None, *there)
    else:
        assert erased == sum(events[number - 1] is not None for number in chosen)
        model[name] = (owner, [None if n in chosen else data for n, data in enumerate(events, 1)])


def run_units(store: Store, units: list[Any]) -> Model:
    """Run units one after another; the model of what they left."""
    model: Model = {}
    for label, (operations, way) in enumerate(units):
        tried = dict(model)

        def work(uow: UnitOfWork) -> None:
            tried.clear()  # noqa: B023  # called at once
            tried.update(model)  # noqa: B023
            for operation in operations:  # noqa: B023
                step(uow, tried, operation, label)  # noqa: B023
            if way == "undo":  # noqa: B023
                raise UndoneError

        try:
            if way == "run":
                store.run(work)
            else:
                with store.begin() as uow:
                    work(uow)
        except UndoneError:
            continue
        model = dict(tried)
    return model


def check_events(store: Store, model: Model) -> None:
    with store.read() as view:
        for name in EXECUTIONS:
            owner, expected = model.get(name, ("", []))
            found = list(view.events.load(name))
            assert [event.sequence for event in found] == list(range(1, len(expected) + 1))
            assert [event.event.data if isinstance(event.event, Custom) else None for event in found] == expected
            assert {event.tenant_id for event in found} <= {owner}
            assert view.events.execution_exists(name) is bool(expected)
        listed = [name for tenant in TENANTS for name in view.events.list_executions(tenant).items]
        assert sorted(listed) == sorted(name for name, (_, events) in model.items() if events)
        everything = list(view.events.iter_all())
        assert [event.position for event in everything] == sorted(event.position for event in everything)
        assert len(everything) == sum(len(events) for _, events in model.values())
    assert verify(store, store_id=store.store_id).findings == ()


@pytest.mark.spec("ENA-2", "P28")
@settings(max_examples=60, deadline=None)
@given(st.lists(UNIT, max_size=8))
def test_numbers_have_no_gap_under_any_units(units: list[Any]) -> None:
    with connect("memory://") as store:
        check_events(store, run_units(store, units))


@pytest.mark.spec("ENA-2", "P28", "GOV-12")
@settings(max_examples=12, deadline=None)
@given(st.lists(UNIT, min_size=2, max_size=8), st.integers(0, 8))
def test_the_same_on_sqlite_and_after_a_restore(
    tmp_path_factory: pytest.TempPathFactory, units: list[Any], cut: int
) -> None:
    folder = Path(tmp_path_factory.mktemp("events"))
    url = f"sqlite:///{folder / 'store.db'}"
    upgrade(url)
    with connect(url) as store:
        model = run_units(store, units)
        check_events(store, model)
        backup(store, folder / "backup", store_id=store.store_id)
    new = f"sqlite:///{folder / 'new.db'}"
    restore(folder / "backup", restore_target(new))
    with connect(new) as store:
        check_events(store, model)


# Messages

TALK = st.tuples(
    st.sampled_from(["create", "update", "delete", "erase", "thread", "retitle", "delete thread", "erase thread"]),
    st.integers(0, 2),
    st.integers(0, 4),
)


def say(uow: UnitOfWork, operation: tuple[str, int, int]) -> Any:
    kind, thread, message = operation
    thread_id, message_id = f"t{thread}", f"m{message}"
    messages = uow.messages
    verbs: dict[str, Callable[[], Any]] = {
        "create": lambda: messages.create_message(
            thread_id,
            role="user",
            content=message_id,
            message_id=message_id,
            parent_id=f"m{message - 1}" if message % 2 else None,
        ),
        "update": lambda: messages.update_message(
            message_id, expected=messages.require_message(message_id).version, content="new"
        ),
        "delete": lambda: messages.delete_message(message_id),
        "erase": lambda: messages.erase_message(message_id),
        "thread": lambda: messages.create_thread(tenant_id="t", user_id=f"u{thread % 2}", thread_id=thread_id),
        "retitle": lambda: messages.update_thread(thread_id, title=message_id),
        "delete thread": lambda: messages.delete_thread(thread_id),
        "erase thread": lambda: messages.erase_thread(thread_id),
    }
    return verbs[kind]()


@pytest.mark.spec("ENA-4", "P28")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(TALK, max_size=5), st.booleans()), max_size=10))
def test_the_tables_of_messages_follow_from_their_logs(units: list[Any]) -> None:
    with connect("memory://") as store:
        for operations, undone in units:
            try:
                with store.begin() as uow:
                    for operation in operations:
                        with suppress(CharterError):
                            say(uow, operation)
                    if undone:
                        raise UndoneError
            except UndoneError:
                continue
        with store.read() as view:
            for table, log in ((MESSAGE, MESSAGE_LOG), (THREAD, THREAD_LOG)):
                rows: dict[str, list[Any]] = {}
                for row in view.reader.scan(log, ("position",)):
                    rows.setdefault(row[1], []).append(row)
                found = {row[0]: row for row in view.reader.scan(table, table.key)}
                assert found.keys() == rows.keys()
                for name, logged in rows.items():
                    assert [row.version for row in logged] == list(range(1, len(logged) + 1))
                    newest = logged[-1]
                    assert (found[name].position, found[name].version) == (newest.position, newest.version)
                    assert (found[name].ordinal, found[name].deleted) == (logged[0].position, newest.deleted)
        assert verify(store, store_id=store.store_id).findings == ()


# Forms


@pytest.mark.spec("ENA-2")
@given(st.sampled_from(EVERY_VARIANT), JSON)
def test_an_event_and_its_json_say_the_same(event: ExecutionEvent, value: Any) -> None:
    assert event_from_json(event_json(event)) == event
    custom = Custom("n", value)
    assert event_from_json(custom.to_json()) == custom
    assert canonical_bytes(event_json(custom.to_json())) == canonical_bytes(custom.to_json())


@pytest.mark.spec("ENA-2")
@given(
    st.sampled_from(sorted(VARIANTS)),
    st.dictionaries(st.text(max_size=12) | st.sampled_from(["step_id", "reason", "v"]), JSON, max_size=4),
)
def test_whatever_is_given_is_an_event_or_refused(kind: str, members: dict[str, Any]) -> None:
    given_members = {**members, "type": kind}
    try:
        event = event_from_json(given_members)
    except CharterError:
        return
    kept = {name: value for name, value in given_members.items() if value is not None}
    assert kept.items() <= {**event.to_json(), **({"v": 1} if "v" in kept else {})}.items()


@pytest.mark.spec("ENA-4")
@given(st.text(max_size=9), st.lists(st.tuples(st.text(max_size=5), JSON), max_size=3), st.none() | st.integers(0, 9))
def test_a_message_and_its_json_say_the_same(content: str, parts: list[Any], duration_ms: int | None) -> None:
    message = Message(
        id="m",
        thread_id="t",
        role=MessageRole.USER,
        content=content,
        created_at=datetime(2026, 1, 1, 0, 0, 0, 7, tzinfo=UTC),
        parts=tuple(MessagePart(*part) for part in parts),
        metadata=MessageMetadata(duration_ms=duration_ms),
    )
    assert from_json(Message, to_json(message)) == message
