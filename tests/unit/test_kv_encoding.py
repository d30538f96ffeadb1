"""Encodings by prefix, schemas by pattern, migrations of values."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist import Store, connect, upgrade
from charter_persist.encoding import extras
from charter_persist.encoding.codec import CBOR, JSON, ModelCodec
from charter_persist.encoding.layout import Layout, ValueReader, ValueRepository
from charter_persist.encoding.migration import Migrated, migrate_values
from charter_persist.encoding.schema import JsonSchema, Problem
from charter_persist.errors import InvalidInputError, InvalidKeyError, NotSupportedError, ValidationError
from charter_persist.model.pattern import Pattern


class Node(pydantic.BaseModel):
    name: str
    ports: list[int] = []


class Even:
    """A schema of our own."""

    def problems(self, value: Any) -> Iterator[Problem]:
        if value % 2:
            yield Problem("", f"{value} is odd")


NODE = JsonSchema({"type": "object", "required": ["name"], "properties": {"ports": {"items": {"type": "integer"}}}})
LAYOUT = Layout(
    {"/topics/": CBOR, "/topics/text": JSON, "/models/": ModelCodec(Node)}, {"/nodes/*": NODE, "/even/*/n": Even()}
)


@pytest.fixture
def store() -> Iterator[Store]:
    with connect("memory://") as store:
        yield store


@pytest.mark.spec("KV-6")
def test_the_longest_prefix_chooses_the_encoding_and_json_is_the_default(store: Store) -> None:
    value = {"b": [1, None], "a": "é"}
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        for key in ("/x", "/topics/a", "/topics/text/a"):
            assert values.set(key, value) == 1
        assert uow.kv.require("/x").value == uow.kv.require("/topics/text/a").value == JSON.encode(value)
        assert uow.kv.require("/topics/a").value == CBOR.encode(value)
        assert len(CBOR.encode(value)) < len(JSON.encode(value))
    with store.read() as view:
        assert [item.value for item in ValueReader(view.kv, LAYOUT).iter("/")] == [value] * 3


@pytest.mark.spec("KV-6")
def test_every_verb_encodes_and_keeps_version_and_revision(store: Store) -> None:
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        assert values.create_if_not_exists("/topics/a", b"\xff") == 1
        assert values.get("/absent") is None
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        assert values.compare_and_set("/topics/a", {"n": 1}, expected=1) == 2
        found = values.require("/topics/a")
    assert (found.value, found.entry.version, found.entry.revision) == ({"n": 1}, 2, 2)


@pytest.mark.spec("KV-6")
def test_models_come_back_as_instances(store: Store) -> None:
    with store.begin() as uow:
        ValueRepository(uow.kv, LAYOUT).set("/models/a", Node(name="a", ports=[1]))
    with store.read() as view:
        assert ValueReader(view.kv, LAYOUT).require("/models/a").value == Node(name="a", ports=[1])


def spoilt() -> Node:
    node = Node(name="a")
    node.ports = ["x"]  # type: ignore[list-item]  # pydantic does not look
    return node


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("key", "value", "field", "word"),
    [
        ("/nodes/a", {"ports": []}, "", "name"),
        ("/nodes/a/b", {"name": "a", "ports": [1, "x"]}, "ports.1", "integer"),
        ("/even/a/n", 3, "", "odd"),
        ("/x", float("nan"), "", "JSON"),
        ("/x", object(), "", "JSON"),
        ("/topics/a", object(), "", "CBOR"),
        ("/models/a", {"name": "a"}, "", "instance"),
        ("/models/a", spoilt(), "ports.0", "integer"),
    ],
)
def test_a_refusal_names_key_and_field_and_writes_nothing(
    store: Store, key: str, value: Any, field: str, word: str
) -> None:
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        for write in (
            lambda: values.set(key, value),
            lambda: values.compare_and_set(key, value, expected=0),
            lambda: values.create_if_not_exists(key, value),
        ):
            with pytest.raises(ValidationError, match=word) as caught:
                write()
            assert (caught.value.key, caught.value.field) == (key, field)
            assert key in caught.value.message
    assert uow.receipt is None


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("/x", b"{"),
        ("/x", b"\xff"),
        ("/x", b"1 2"),
        ("/topics/a", b""),
        ("/topics/a", b"\x01\x02"),
        ("/models/a", b"{}"),
    ],
)
def test_bytes_of_another_encoding_are_refused_where_they_are_read(store: Store, key: str, data: bytes) -> None:
    with store.begin() as uow:
        uow.kv.set(key, data)
        with pytest.raises(ValidationError, match=key):
            ValueRepository(uow.kv, LAYOUT).get(key)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda part: (
        st.lists(part, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), part, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.spec("KV-6")
@given(JSON_VALUES)
def test_what_is_encoded_comes_back(value: Any) -> None:
    for codec in (JSON, CBOR):
        data = codec.encode(value)
        assert codec.decode(data) == value
        assert codec.encode(codec.decode(data)) == data


@pytest.mark.spec("KV-6")
def test_what_is_no_layout_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="prefix"):
        Layout({"nodes": JSON})
    with pytest.raises(InvalidInputError, match="pattern"):
        Layout(schemas={"/a\\b": Even()})
    with pytest.raises(InvalidInputError, match="Schema"):
        JsonSchema({"type": "nothing"})
    assert jsonschema.__name__


@pytest.mark.spec("KV-6")
def test_an_extra_that_is_missing_is_named() -> None:
    with pytest.raises(NotSupportedError, match=r"charter-persist\[cbor\]"):
        extras.extra("no_such_module", "cbor")


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("/a/*", ["/a/", "/a/b", "/a/b/c", "/a/\n"], ["/a", "/A/b", "/ab"]),
        ("/a/*/c", ["/a/b/c", "/a//c"], ["/a/b/d/c", "/a/b/c/d", "/a/b"]),
        ("/a*b/c", ["/ab/c", "/axb/c"], ["/a/b/c"]),
        (r"/a/\*", ["/a/*"], ["/a/b"]),
        (r"/a\\*", ["/a\\", "/a\\b"], ["/a*"]),
        ("/a.[b]?", ["/a.[b]?"], ["/axb"]),
        ("*", ["", "/a/b"], []),
        ("", [""], ["/"]),
    ],
)
def test_patterns_are_literal_but_for_stars(pattern: str, fitting: list[str], other: list[str]) -> None:
    found = Pattern(pattern)
    assert [text for text in fitting if found.fits(text)] == fitting
    assert [text for text in other if found.fits(text)] == []
    assert all(text.startswith(found.prefix) for text in fitting)


@pytest.mark.spec("KV-6")
@given(st.text(), st.text())
def test_an_escaped_text_fits_itself_and_nothing_else(text: str, other: str) -> None:
    pattern = Pattern(text.replace("\\", "\\\\").replace("*", "\\*"))
    assert pattern.fits(text)
    assert pattern.prefix == text
    assert pattern.fits(other) == (text == other)


# Migrations


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
    assert migrate_values(store, LAYOUT, "/nodes/*", STEPS[:1], batch_keys=batch) == Migrated(1, 25)
    assert steps_of(store) == [[1]] * 25
    assert migrate_values(store, LAYOUT, "/nodes/*", STEPS, batch_keys=batch) == Migrated(2, 25)
    assert steps_of(store) == [[1, 2]] * 25
    with store.read() as view:
        before = view.revision
    assert migrate_values(store, LAYOUT, "/nodes/*", STEPS, batch_keys=batch) == Migrated(2, 0)
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
        migrate_values(store, LAYOUT, "/nodes/*", [(1, stumble)], batch_keys=5)
    assert steps_of(store) == [[1]] * 15 + [None] * 10
    assert migrate_values(store, LAYOUT, "/nodes/*", STEPS[:1], batch_keys=5) == Migrated(1, 10)
    assert steps_of(store) == [[1]] * 25


@pytest.mark.spec("KV-6")
def test_what_others_write_meanwhile_is_of_the_new_form(store: Store) -> None:
    fill(store)

    def disturb(value: Any) -> Any:
        if value["name"] == "12":
            raise RuntimeError("somebody writes")
        return add_ports(value)

    with pytest.raises(RuntimeError):
        migrate_values(store, LAYOUT, "/nodes/*", [(1, disturb)], batch_keys=4)
    with store.begin() as uow:
        values = ValueRepository(uow.kv, LAYOUT)
        values.set("/nodes/20", {"name": "20", "steps": ["new"]})
        values.set("/nodes/90", {"name": "90", "steps": ["new"]})
    migrate_values(store, LAYOUT, "/nodes/*", STEPS[:1], batch_keys=4)
    assert steps_of(store) == [[1]] * 20 + [["new"]] + [[1]] * 4 + [["new"]]


@pytest.mark.spec("KV-6")
def test_a_value_that_a_schema_refuses_is_not_written(store: Store) -> None:
    fill(store)
    with pytest.raises(ValidationError, match="/nodes/00"):
        migrate_values(store, LAYOUT, "/nodes/*", [(1, lambda value: {"nameless": value})])
    assert steps_of(store) == [None] * 25


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    "steps", [[(2, rename)], [(1, rename), (1, rename)], [(0, rename)], [(1, rename), (3, rename)]]
)
def test_steps_that_are_not_numbered_are_refused(store: Store, steps: Any) -> None:
    with pytest.raises(InvalidInputError, match="numbered"):
        migrate_values(store, LAYOUT, "/nodes/*", steps)


@pytest.mark.spec("KV-6")
def test_an_older_program_refuses_values_of_a_newer_one(store: Store) -> None:
    fill(store)
    migrate_values(store, LAYOUT, "/nodes/*", STEPS)
    with pytest.raises(InvalidInputError, match="version 2"):
        migrate_values(store, LAYOUT, "/nodes/*", STEPS[:1])
    with pytest.raises(InvalidInputError, match="batch_keys"):
        migrate_values(store, LAYOUT, "/nodes/*", STEPS, batch_keys=0)


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
        migrate_values(store, LAYOUT, "/nodes/*", [(1, step)], batch_keys=3)


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
        assert migrate_values(store, LAYOUT, "/nodes/*", STEPS[:1]) == Migrated(1, 0)
