"""Migrations of values: each step once for each value, whoever was killed, and whatever is written meanwhile."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.encoding.layout import Layout, ValueReader, ValueRepository
from charter_persist.encoding.migration import PROGRESS_PREFIX, Migrated, Step, migrate_values
from charter_persist.encoding.schema import JsonSchema
from charter_persist.errors import InvalidInputError, NotFoundError, ValidationError

NODES = "/nodes/*"
LAYOUT = Layout(schemas={NODES: JsonSchema({"type": "object", "required": ["name"]})})


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


def add_ports(value: Any) -> Any:
    return {**value, "ports": [], "steps": [*value.get("steps", []), 1]}


def rename(value: Any) -> Any:
    return {**value, "steps": [*value["steps"], 2]}


STEPS = [(1, add_ports), (2, rename)]


def fill(store: Store, count: int = 25) -> None:
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        for n in range(count):
            values.set(f"/nodes/{n:02}", {"name": str(n)})
        uow.kv.set("/nodesandmore", b"\xff")


def steps_of(store: Store) -> list[Any]:
    with store.read() as view:
        return [item.value.get("steps") for item in ValueReader(view.kv, LAYOUT).iter("/nodes/")]


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("batch", [1, 7, 25, 26, 500])
def test_each_step_is_done_once_to_each_value(store: Store, batch: int) -> None:
    fill(store)
    assert migrate_values(store, LAYOUT, NODES, STEPS[:1], batch_keys=batch) == Migrated(1, 25)
    assert steps_of(store) == [[1]] * 25
    assert migrate_values(store, LAYOUT, NODES, STEPS, batch_keys=batch) == Migrated(2, 25)
    assert steps_of(store) == [[1, 2]] * 25
    with store.read() as view:
        before = view.revision
    assert migrate_values(store, LAYOUT, NODES, STEPS, batch_keys=batch) == Migrated(2, 0)
    with store.read() as view:
        assert view.revision == before
        assert view.kv.require("/nodesandmore").version == 1


@pytest.mark.spec("KV-6")
def test_a_step_that_raises_can_be_mended_and_goes_on_where_it_was(store: Store) -> None:
    fill(store)
    seen: list[str] = []

    def stumble(value: Any) -> Any:
        seen.append(value["name"])
        if value["name"] == "17" and len(seen) < 25:
            raise RuntimeError("stumbled")
        return add_ports(value)

    with pytest.raises(RuntimeError, match="stumbled"):
        migrate_values(store, LAYOUT, NODES, [(1, stumble)], batch_keys=5)
    assert steps_of(store) == [[1]] * 15 + [None] * 10
    assert migrate_values(store, LAYOUT, NODES, STEPS[:1], batch_keys=5) == Migrated(1, 10)
    assert steps_of(store) == [[1]] * 25


@pytest.mark.spec("KV-6")
def test_what_others_write_meanwhile_is_of_the_new_form(store: Store) -> None:
    fill(store)

    def disturb(value: Any) -> Any:
        if value["name"] == "12":
            raise RuntimeError("somebody writes")
        return add_ports(value)

    with pytest.raises(RuntimeError):
        migrate_values(store, LAYOUT, NODES, [(1, disturb)], batch_keys=4)
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        values.set("/nodes/20", {"name": "20", "steps": ["new"]})
        values.set("/nodes/90", {"name": "90", "steps": ["new"]})
    migrate_values(store, LAYOUT, NODES, STEPS[:1], batch_keys=4)
    assert steps_of(store) == [[1]] * 20 + [["new"]] + [[1]] * 4 + [["new"]]


@pytest.mark.spec("KV-6")
def test_a_value_that_a_schema_refuses_is_not_written(store: Store) -> None:
    fill(store)
    with pytest.raises(ValidationError, match="/nodes/00"):
        migrate_values(store, LAYOUT, NODES, [(1, lambda value: {"nameless": value})])
    assert steps_of(store) == [None] * 25


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    "steps", [[(2, rename)], [(1, rename), (1, rename)], [(0, rename)], [(1, rename), (3, rename)]]
)
def test_steps_that_are_not_numbered_are_refused(store: Store, steps: Any) -> None:
    with pytest.raises(InvalidInputError, match="numbered"):
        migrate_values(store, LAYOUT, NODES, steps)


@pytest.mark.spec("KV-6")
def test_an_older_program_refuses_values_of_a_newer_one(store: Store) -> None:
    fill(store)
    migrate_values(store, LAYOUT, NODES, STEPS)
    with pytest.raises(InvalidInputError, match="version 2"):
        migrate_values(store, LAYOUT, NODES, STEPS[:1])


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("batch_keys", [0, -1, "5", None, 1.5, True], ids=repr)
def test_a_number_of_keys_that_is_none_is_refused(store: Store, batch_keys: Any) -> None:
    with pytest.raises(InvalidInputError, match="batch_keys"):
        migrate_values(store, LAYOUT, NODES, STEPS, batch_keys=batch_keys)


def migrate_and_die(url: str, dies_at: int) -> None:
    """A process that is gone in the middle of a unit, without any farewell."""
    seen = 0

    def step(value: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            os._exit(9)
        return add_ports(value)

    with connect(url) as store:
        migrate_values(store, LAYOUT, NODES, [(1, step)], batch_keys=3)


@pytest.mark.spec("KV-6")
def test_a_killed_migration_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    with connect(url) as store:
        fill(store)
    spawn = multiprocessing.get_context("spawn")
    for dies_at in (2, 5, 10, 7, 99):
        process = spawn.Process(target=migrate_and_die, args=(url, dies_at))
        process.start()
        process.join(60)
        assert process.exitcode == (0 if dies_at == 99 else 9)
    with connect(url) as store:
        assert steps_of(store) == [[1]] * 25
        assert migrate_values(store, LAYOUT, NODES, STEPS[:1]) == Migrated(1, 0)


class Between:
    """A store between whose units something else happens: before the n-th one ``happens(n)``."""

    def __init__(self, store: Store, happens: Callable[[int], object]) -> None:
        self._store = store
        self._happens = happens
        self._units = count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def run(self, fn: Any) -> Any:
        self._happens(next(self._units))
        return self._store.run(fn)


class KilledError(Exception):
    """The process is gone."""


def killed_at(store: Store, unit: int) -> Any:
    def kill(number: int) -> None:
        if number == unit:
            raise KilledError

    return Between(store, kill)


def counted(calls: list[tuple[int, str]], last: int) -> list[Step]:
    """Steps that tell of themselves; each leaves a third of the values as they are."""

    def step_of(number: int) -> Callable[[Any], Any]:
        def step(value: Any) -> Any:
            calls.append((number, value["name"]))
            changes = int(value["name"]) % 3 != number % 3
            return {**value, "steps": [*value.get("steps", []), number]} if changes else value

        return step

    return [(number, step_of(number)) for number in range(1, last + 1)]


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("batch_keys", [1, 3, 10, 500])
@pytest.mark.parametrize("programs", [(2, 2), (1, 3), (1, 2, 3), (1, 1, 4, 4)])
def test_programs_of_more_and_more_steps_do_each_once_to_each_value(
    store: Store, batch_keys: int, programs: tuple[int, ...]
) -> None:
    fill(store, 10)
    calls: list[tuple[int, str]] = []
    for turn, last in enumerate(programs[:-1]):
        with pytest.raises(KilledError):
            migrate_values(killed_at(store, 2 + turn), LAYOUT, NODES, counted(calls, last), batch_keys=batch_keys)
            raise KilledError  # it was done before
    migrate_values(store, LAYOUT, NODES, counted(calls, programs[-1]), batch_keys=batch_keys)
    assert sorted(calls) == [(n, str(name)) for n in range(1, programs[-1] + 1) for name in range(10)]
    assert migrate_values(store, LAYOUT, NODES, counted(calls, programs[-1])) == Migrated(programs[-1], 0)


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("batch_keys", [1, 4, 500])
def test_what_others_write_meanwhile_is_of_the_newest_form_whatever_the_number_of_steps(
    store: Store, batch_keys: int
) -> None:
    fill(store, 12)

    def write(unit: int) -> None:
        if unit > 1:
            new = {"name": "new", "steps": ["new"]}
            with store.begin() as uow:
                for name in ("00", "11", f"{unit:02}x", f"z{unit}"):
                    ValueRepository(uow.kv, LAYOUT).set(f"/nodes/{name}", new)

    between: Any = Between(store, write)
    migrate_values(between, LAYOUT, NODES, STEPS, batch_keys=batch_keys)
    found = steps_of(store)
    assert found.count([1, 2]) + found.count(["new"]) == len(found)
    assert found.count([1, 2]) == (12 if batch_keys == 500 else 10)


@pytest.mark.spec("KV-6")
def test_a_value_has_the_form_of_the_program_that_began_last_when_it_was_written(store: Store) -> None:
    fill(store, 12)
    for version in (1, 2):
        with pytest.raises(KilledError):
            migrate_values(killed_at(store, 3), LAYOUT, NODES, counted([], version), batch_keys=2)
        with store.begin() as uow:
            for name in (version, 12 - version):
                written = {"name": str(name), "steps": [f"as by {version}"]}
                ValueRepository(uow.kv, LAYOUT).set(f"/nodes/{name:02}", written)
    calls: list[tuple[int, str]] = []
    migrate_values(store, LAYOUT, NODES, counted(calls, 3), batch_keys=2)
    done = {name: [number for number, of in calls if of == str(name)] for name in range(12)}
    led = {name: [3] for name in range(4)}  # as far as the second program came
    assert done == {name: [1, 2, 3] for name in range(12)} | led | {11: [2, 3], 10: [3]}


@pytest.mark.spec("KV-6")
def test_only_what_the_last_step_makes_is_checked(store: Store) -> None:
    fill(store, 3)
    newest = Layout(schemas={NODES: JsonSchema({"type": "object", "required": ["names"]})})
    steps: list[Step] = [(1, lambda value: object()), (2, lambda value: {"names": []})]
    assert migrate_values(store, newest, NODES, steps) == Migrated(2, 3)
    with store.read() as view:
        assert {entry.version for entry in view.kv.iter("/nodes/")} == {2}


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("after", [None, "/nodes/04"])
def test_progress_of_a_pass_for_one_step_is_gone_on_with(store: Store, version: int, after: str | None) -> None:
    fill(store, 10)
    with store.begin() as uow:
        start = uow.kv.revision
        values = ValueRepository(uow.kv, LAYOUT)
        values.set("/nodes/07", {"name": "7", "steps": ["of the step"]})
        uow.metadata.set(PROGRESS_PREFIX + NODES, {"version": version, "start": start, "after": after})
    calls: list[tuple[int, str]] = []
    migrate_values(store, LAYOUT, NODES, counted(calls, 3), batch_keys=3)
    for name in range(10):
        is_led = name == 7 or (after is not None and name <= 4)
        first = version + 2 if is_led else version + 1
        assert [number for number, of in calls if of == str(name)] == list(range(first, 4))


@pytest.mark.spec("KV-6")
def test_progress_of_a_step_that_was_done_is_gone_on_with(store: Store) -> None:
    fill(store, 4)
    with store.begin() as uow:
        uow.metadata.set(PROGRESS_PREFIX + NODES, {"version": 1, "start": 0, "after": None})
    calls: list[tuple[int, str]] = []
    migrate_values(store, LAYOUT, NODES, counted(calls, 2))
    assert sorted(calls) == [(2, str(name)) for name in range(4)]
    with pytest.raises(InvalidInputError, match="version 2"):
        migrate_values(store, LAYOUT, NODES, counted(calls, 1))


@pytest.mark.spec("KV-6")
def test_a_program_of_fewer_steps_stops_where_one_of_more_has_begun(store: Store) -> None:
    fill(store, 6)
    calls: list[tuple[int, str]] = []

    def newer(unit: int) -> None:
        if unit == 2:
            with pytest.raises(KilledError):
                migrate_values(killed_at(store, 2), LAYOUT, NODES, counted(calls, 2), batch_keys=2)

    between: Any = Between(store, newer)
    for units in (between, store):
        with pytest.raises(InvalidInputError, match="version 2"):
            migrate_values(units, LAYOUT, NODES, counted(calls, 1), batch_keys=2)
    migrate_values(store, LAYOUT, NODES, counted(calls, 2), batch_keys=2)
    assert sorted(calls) == [(n, str(name)) for n in (1, 2) for name in range(6)]


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize("other_batch", [1, 3, 500])
def test_several_programs_at_once_share_the_work(store: Store, other_batch: int) -> None:
    fill(store, 9)
    calls: list[tuple[int, str]] = []

    def other(unit: int) -> None:
        with suppress(KilledError):
            migrate_values(killed_at(store, 2), LAYOUT, NODES, counted(calls, 2), batch_keys=other_batch)

    between: Any = Between(store, other)
    assert migrate_values(between, LAYOUT, NODES, counted(calls, 2), batch_keys=2).version == 2
    assert sorted(calls) == [(n, str(name)) for n in (1, 2) for name in range(9)]


@pytest.mark.spec("KV-5", "KV-6")
def test_a_key_stays_on_its_lease_and_one_whose_lease_has_ended_is_left_out(store: Store) -> None:
    with store.begin() as uow:
        living, ended = uow.leases.grant(600.0), uow.leases.grant(600.0)
        for name, lease in (("a", living), ("b", ended), ("c", None)):
            uow.kv.set(f"/nodes/{name}", b'{"name":"x"}', lease=lease)
    store.run(lambda uow: uow.leases.end(ended))
    assert migrate_values(store, LAYOUT, NODES, STEPS) == Migrated(2, 2)
    with store.read() as view:
        assert [(entry.lease, entry.version) for entry in view.kv.iter("/nodes/")] == [
            (living, 2),
            (ended, 1),
            (None, 2),
        ]


@pytest.mark.spec("KV-6")
def test_what_a_step_does_not_find_is_raised(store: Store) -> None:
    fill(store, 1)

    def step(value: Any) -> Any:
        raise NotFoundError("the step looked for something")

    with pytest.raises(NotFoundError, match="looked for"):
        migrate_values(store, LAYOUT, NODES, [(1, step)])
