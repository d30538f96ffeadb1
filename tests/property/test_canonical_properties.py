"""Properties of canonical JSON: the fast encoders equal RFC 8785, and what is written is read back."""

from __future__ import annotations

import json
import math
import types
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charter_persist.errors import InvalidInputError, LimitExceededError, NotCanonicalError
from charter_persist.model import canonical
from charter_persist.model.digest import digest
from charter_persist.model.limits import Options
from tests.canonical_codecs import CODECS

INTEGER_MAX = 2**53 - 1
EXAMPLES = max(500, settings().max_examples)  # a longer profile makes it more
# Code points at which encoders and orders differ: controls, escapes, and both sides of the surrogates.
TRICKY = "\x00\x08\t\n\x0b\x0c\r\x1f \"'/\\\x7f\x80é\u0301\u2028\u2029\ud7ff\ue000\ufb33\ufeff\uffff\U00010000\U0001f600\U0010ffff"
# Floats at which notations change or digits run out.
EDGES = [
    0.0,
    -0.0,
    1.0,
    1e-6,
    1e-7,
    1e15,
    1e16,
    1e17,
    2.0**53,
    2.0**63,
    2.0**64,
    1e20,
    1e21,
    1e22,
    5e-324,
    1.7976931348623157e308,
]

integers = st.integers(-INTEGER_MAX, INTEGER_MAX)
floats = st.floats(allow_nan=False, allow_infinity=False)
edges = st.sampled_from(EDGES).flatmap(
    lambda edge: st.sampled_from([edge, -edge, math.nextafter(edge, 0), math.nextafter(edge, -edge)])
)
texts = st.text(max_size=8) | st.text(TRICKY, max_size=4)
scalars = st.none() | st.booleans() | integers | floats | edges | texts
documents = st.recursive(
    scalars, lambda items: st.lists(items, max_size=5) | st.dictionaries(texts, items, max_size=5), max_leaves=15
)


def without_floats(value: Any) -> Any:
    """Turn floats into texts, so that the fast encoder is the one that is asked."""
    if type(value) is float:
        return str(value)
    if type(value) is list:
        return [without_floats(item) for item in value]
    if type(value) is dict:
        return {key: without_floats(item) for key, item in value.items()}
    return value


@st.composite
def reordered(draw: st.DrawFn, value: Any) -> Any:
    """Draw a document that is equal, with its keys in any order."""
    if type(value) is list:
        return [draw(reordered(item)) for item in value]
    if type(value) is dict:
        return {key: draw(reordered(value[key])) for key in draw(st.permutations(list(value)))}
    return value


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=documents)
def test_the_bytes_are_those_of_rfc_8785(codec: types.ModuleType, value: Any) -> None:
    assert codec.canonical_bytes(value) == rfc8785.dumps(value)
    plain = without_floats(value)
    assert codec.canonical_bytes(plain) == rfc8785.dumps(plain)


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=documents)
def test_what_was_written_is_read_back_equal_and_written_the_same(codec: types.ModuleType, value: Any) -> None:
    stored = codec.canonical_bytes(value)
    loaded = codec.load_canonical(stored)
    assert loaded == value
    assert codec.canonical_bytes(loaded) == stored


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(number=floats | edges)
def test_every_float_survives_storage(codec: types.ModuleType, number: float) -> None:
    stored = codec.canonical_bytes([number])
    (loaded,) = codec.load_canonical(stored)
    assert loaded == number
    assert float(stored[1:-1]) == number
    assert codec.canonical_bytes([loaded]) == stored


@pytest.mark.spec("HASH-2")
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=documents)
@example(value=["", "", ""])
@example(value={"a": "", "b": "", "c": []})
def test_the_limit_of_size_is_exact_although_it_is_first_estimated(value: Any) -> None:
    size = len(canonical.canonical_bytes(value))
    canonical.canonical_bytes(value, options=Options(object_bytes_max=size))
    if size > 1:
        with pytest.raises(LimitExceededError):
            canonical.canonical_bytes(value, options=Options(object_bytes_max=size - 1))


@pytest.mark.spec("HASH-2")
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=documents, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_ordinary_json_of_a_value_is_parsed_to_the_same_canonical_bytes(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    expected = canonical.canonical_bytes(value)
    assert canonical.canonical_bytes(canonical.parse_json(text)) == expected
    assert canonical.canonical_bytes(canonical.parse_json(text.encode())) == expected


@pytest.mark.spec("HASH-1", "HASH-2")
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), value=documents)
def test_the_order_of_keys_does_not_matter(data: st.DataObject, value: Any) -> None:
    assert digest("area", data.draw(reordered(value))) == digest("area", value)


@pytest.mark.spec("HASH-2")
@settings(max_examples=EXAMPLES, deadline=None)
@given(first=documents, second=documents)
@example(first="\u00e9", second="e\u0301")
@example(first=[1], second=1)
@example(first={"1": None}, second={"1": "null"})
@example(first=False, second=0)
def test_values_that_differ_have_different_bytes(first: Any, second: Any) -> None:
    same_bytes = canonical.canonical_bytes(first) == canonical.canonical_bytes(second)
    assert same_bytes == (json.dumps(unified(first), sort_keys=True) == json.dumps(unified(second), sort_keys=True))


def unified(value: Any) -> Any:
    """Turn every number into a float, since RFC 8785 does not tell 1 from 1.0 nor 0.0 from -0.0."""
    if type(value) in (int, float):
        return float(value) + 0.0
    if type(value) is list:
        return [unified(item) for item in value]
    if type(value) is dict:
        return {key: unified(item) for key, item in value.items()}
    return value


# Places where a document can be spoilt, and the verdict of both readers and writers on it.

poison = st.sampled_from(
    [math.nan, math.inf, 2**53, -(2**53), "\ud800", "a\udfff", b"", (), {1: 2}, {"\ud800": 1}, object()]
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """Draw a document with one wrong part at any depth."""
    value = draw(poison)
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            before, after = draw(st.lists(scalars, max_size=2)), draw(st.lists(scalars, max_size=2))
            value = [*before, value, *after]
        else:
            value = {**draw(st.dictionaries(texts, scalars, max_size=2)), draw(texts): value}
    return value


def follow(value: Any, path: str) -> Any:
    """Find what stands at a path."""
    assert path.startswith("$")
    rest = path[1:]
    while rest:
        if rest.startswith("."):
            name = rest[1:].replace("[", ".").split(".")[0]
            value, rest = value[name], rest[1 + len(name) :]
        else:
            key, length = json.JSONDecoder().raw_decode(rest[1:])
            value, rest = value[key], rest[length + 2 :]
    return value


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=spoilt())
def test_one_wrong_part_anywhere_is_refused_and_the_path_leads_to_it(codec: types.ModuleType, value: Any) -> None:
    with pytest.raises(NotCanonicalError) as caught:
        codec.canonical_bytes(value)
    part = follow(value, caught.value.path)
    with pytest.raises(NotCanonicalError, match=r"^\$: "):
        codec.canonical_bytes(part)


@pytest.mark.spec("HASH-2")
@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.text() | st.text('[]{}":,\\0123456789.eE+-nulltrefasNI \n', max_size=40) | st.binary())
@example(text="[" * 200)
@example(text='{"a":1,"a":2}')
def test_any_text_is_parsed_into_the_domain_or_refused_with_a_typed_error(text: str | bytes) -> None:
    try:
        value = canonical.parse_json(text)
    except InvalidInputError:
        return
    assert canonical.load_canonical(canonical.canonical_bytes(value)) == value
