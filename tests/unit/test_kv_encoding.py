"""Encodings by prefix, schemas by pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist import Store, connect
from charter_persist.encoding import extras
from charter_persist.encoding.codec import CBOR, JSON, ModelCodec
from charter_persist.encoding.layout import Layout, ValueReader, ValueRepository
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


HIDDEN = {"x-part": {"$ref": "#/none"}, "properties": {"a": {"$ref": "#/x-part"}}}
LATER = {"properties": {"a": {"$ref": "#/properties/a"}}}
RECURSIVE = {"properties": {"next": {"$ref": "#"}}, "maxProperties": 1}
CYCLIC: dict[str, Any] = {}
CYCLIC["not"] = CYCLIC
EARLIER = {"$schema": "http://json-schema.org/draft-07/schema#", "$dynamicRef": "#x"}


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("document", "word"),
    [
        (None, "None"),
        ([], "object"),
        ("x", "object"),
        ({"$schema": 5}, "5"),
        ({"$ref": 5}, "5"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "$ref": 5}, "5"),
        ({"$ref": "#/none"}, "nowhere"),
        ({"$ref": "none.json"}, "nowhere"),
        ({"$ref": "http://127.0.0.1:9/none.json"}, "nowhere"),
        ({"$dynamicRef": "#x"}, "nowhere"),
        ({"properties": {"a": {"items": {"$ref": "#/$defs/none"}}}, "$defs": {}}, "nowhere"),
        ({"$ref": "#"}, "itself"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}}, "itself"),
        (CYCLIC, "itself"),
        ({"pattern": "("}, "regex"),
    ],
    ids=str,
)
def test_a_schema_that_can_judge_nothing_is_refused_when_it_is_given(document: Any, word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        JsonSchema(document)


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("document", "value"),
    [
        ({"multipleOf": 0.1}, 2**2000),
        ({"type": "string"}, 10**5000),
        ({"minimum": 1}, 1j),
        (HIDDEN, {"a": 1}),
        (LATER, {"a": 1}),
        (RECURSIVE, CYCLIC | {"next": CYCLIC}),
    ],
    ids=["too large", "too long", "complex", "hidden", "later", "deep"],
)
def test_what_a_schema_cannot_judge_is_refused(store: Store, document: Any, value: Any) -> None:
    if document is RECURSIVE:
        value["next"] = value
    layout = Layout(schemas={"/x": JsonSchema(document)})
    with store.begin() as uow, pytest.raises(ValidationError, match="the schema cannot judge it") as caught:
        ValueRepository(uow.kv, layout).set("/x", value)
    assert caught.value.key == "/x"


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("document", "good", "bad"),
    [
        (True, [1, None], []),
        (False, [], [1, None]),
        (RECURSIVE, [{"next": {"next": {}}}], [{"next": {"a": 1, "b": 2}}]),
        ({"const": {"$ref": "#/none"}}, [{"$ref": "#/none"}], [1]),
        ({"properties": {"$ref": {"type": "string"}}}, [{"$ref": "#/none"}], [{"$ref": 1}]),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, [{"type": "null"}], [{"type": 1}]),
        ({"$id": "http://x/a", "$defs": {"b": {"$id": "b", "$ref": "a"}}, "type": "null"}, [None], [1]),
        (EARLIER, [1], []),
    ],
    ids=str,
)
def test_references_are_those_of_the_language(document: Any, good: list[Any], bad: list[Any]) -> None:
    schema = JsonSchema(document)
    assert [value for value in good if list(schema.problems(value))] == []
    assert [value for value in bad if not list(schema.problems(value))] == []


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
