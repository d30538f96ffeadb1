"""Canonical JSON: what is written, and what is refused with which words."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import types
import uuid
from typing import Any

import pytest

from charter_persist.errors import LimitExceededError, NotCanonicalError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from tests.canonical_codecs import CODECS, nested

INTEGER_MAX = 2**53 - 1


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> types.ModuleType:
    return CODECS[request.param]


# What is written ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"null"),
        (True, b"true"),
        ([True, 1, False, 0], b"[true,1,false,0]"),
        ("", b'""'),
        ({}, b"{}"),
        ([], b"[]"),
        ({"b": 1, "a": [None, {"d": "x", "c": -1}]}, b'{"a":[null,{"c":-1,"d":"x"}],"b":1}'),
        (INTEGER_MAX, b"9007199254740991"),
        (-INTEGER_MAX, b"-9007199254740991"),
        (1.0, b"1"),
        (-0.0, b"0"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (1e-6, b"0.000001"),
        (1e-7, b"1e-7"),
        (5e-324, b"5e-324"),
        ("\x00", b'"\\u0000"'),
        ("\x08\t\n\x0b\x0c\r\x1b", b'"\\b\\t\\n\\u000b\\f\\r\\u001b"'),
        ('"\\/', b'"\\"\\\\/"'),
        ("\x7f\x80\u2028\ufeff", '"\x7f\x80\u2028\ufeff"'.encode()),
        ("\U0001f600", '"\U0001f600"'.encode()),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
        ({"\uffff": 1, "\ue000": 2, "\ud7ff": 3}, '{"\ud7ff":3,"\ue000":2,"\uffff":1}'.encode()),
        ({"a\x00": 1, "a": 2, "": 3}, b'{"":3,"a":2,"a\\u0000":1}'),
    ],
)
def test_a_value_is_written_as_rfc_8785_says(codec: types.ModuleType, value: object, expected: bytes) -> None:
    assert codec.canonical_bytes(value) == expected


@pytest.mark.spec("HASH-2")
def test_text_is_not_normalised(codec: types.ModuleType) -> None:
    assert codec.canonical_bytes("\u00e9") != codec.canonical_bytes("e\u0301")


@pytest.mark.spec("HASH-2")
def test_a_value_whose_parts_are_shared_is_written_in_full(codec: types.ModuleType) -> None:
    part = {"k": [1]}
    assert codec.canonical_bytes([part, part, {"p": part}]) == b'[{"k":[1]},{"k":[1]},{"p":{"k":[1]}}]'


def test_a_plain_document_never_reaches_the_slow_encoder(
    codec: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this the property that both encoders agree would show nothing."""
    monkeypatch.setattr("rfc8785.dumps", None)
    assert codec.canonical_bytes({"\uffff": ["\U0001f600", 1, True, None]}) == (
        '{"\uffff":["\U0001f600",1,true,null]}'.encode()
    )
    for slow in ({"a": 0.5}, {"\U0001f600": 1}):
        with pytest.raises(NotCanonicalError, match="the encoder refused"):
            codec.canonical_bytes(slow)


# What is refused ----------------------------------------------------------------------------------------------------


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Row(dict[str, Any]):
    pass


class Items(list[Any]):
    pass


class Stance(enum.Enum):
    ACCEPT = "ACCEPT"


class TextStance(enum.StrEnum):
    ACCEPT = "ACCEPT"


class NumberStance(enum.IntEnum):
    ACCEPT = 1


Pair = collections.namedtuple("Pair", "a b")

BEYOND = "the integer lies beyond"
NOT_FINITE = "the number is not finite"
SURROGATE = "lone surrogate"
KEY = "keys are exactly str"

BAD_VALUES = [
    # numbers
    ("nan", {"a": [math.nan]}, "$.a[0]", NOT_FINITE),
    ("infinity", {"a": [1, 2, 3, {"b": math.inf}]}, "$.a[3].b", NOT_FINITE),
    ("negative infinity", -math.inf, "$", NOT_FINITE),
    ("nan after a float", [0.5, math.nan], "$[1]", NOT_FINITE),
    ("two to the 53", 2**53, "$", BEYOND),
    ("minus two to the 53", {"n": -(2**53)}, "$.n", BEYOND),
    ("ten to the 400", [10**400], "$[0]", BEYOND),
    ("more digits than Python prints", [10**5000], "$[0]", BEYOND),
    ("complex", 1j, "$", "complex is not a JSON type"),
    ("decimal", {"price": decimal.Decimal("1.10")}, "$.price", "Decimal is not a JSON type"),
    ("fraction", fractions.Fraction(1, 3), "$", "Fraction is not a JSON type"),
    # text
    ("high surrogate", {"a": "\ud800"}, "$.a", SURROGATE),
    ("low surrogate", ["x", "\udfff"], "$[1]", SURROGATE),
    ("a pair as two code points", "\ud83d\ude00", "$", SURROGATE),
    ("surrogate beside a float", [0.5, "\udc80"], "$[1]", SURROGATE),
    ("bytes", {"a": b"x"}, "$.a", "bytes is not a JSON type"),
    ("bytearray", bytearray(b"x"), "$", "bytearray is not a JSON type"),
    ("memoryview", memoryview(b"x"), "$", "memoryview is not a JSON type"),
    ("str subclass", {"a": Text("x")}, "$.a", "Text is not a JSON type"),
    # keys
    ("int key", {"a": {1: "a", "1": "b"}}, "$.a", "a key is of type int"),
    ("None key", {None: 1}, "$", KEY),
    ("bool key", [{True: 1}], "$[0]", "a key is of type bool"),
    ("float key", {0.5: 1}, "$", KEY),
    ("bytes key", {b"a": 1}, "$", KEY),
    ("tuple key", {("a",): 1}, "$", KEY),
    ("str subclass key", {Text("a"): 1}, "$", "a key is of type Text"),
    ("enum key", {TextStance.ACCEPT: 1}, "$", KEY),
    ("surrogate key", {"a": {"\ud800": 1}}, "$.a", 'the key "\\\\ud800" has a lone surrogate'),
    ("surrogate key beside an astral one", {"\U0001f600": 1, "\udfff": 2}, "$", SURROGATE),
    # containers
    ("tuple", {"a": (1, 2)}, "$.a", "tuple is not a JSON type"),
    ("empty tuple", (), "$", "tuple is not a JSON type"),
    ("named tuple", [Pair(1, 2)], "$[0]", "Pair is not a JSON type"),
    ("set", {1, 2}, "$", "set is not a JSON type"),
    ("frozenset", [frozenset()], "$[0]", "frozenset is not a JSON type"),
    ("dict subclass", {"a": Row(x=1)}, "$.a", "Row is not a JSON type"),
    ("ordered dict", collections.OrderedDict(a=1), "$", "OrderedDict is not a JSON type"),
    ("default dict", collections.defaultdict(int), "$", "defaultdict is not a JSON type"),
    ("mapping proxy", types.MappingProxyType({"a": 1}), "$", "mappingproxy is not a JSON type"),
    ("list subclass", {"a": Items([1])}, "$.a", "Items is not a JSON type"),
    ("deque", collections.deque([1]), "$", "deque is not a JSON type"),
    ("range", range(3), "$", "range is not a JSON type"),
    ("generator", (item for item in ()), "$", "generator is not a JSON type"),
    ("dict keys", {"a": 1}.keys(), "$", "dict_keys is not a JSON type"),
    # scalars of other kinds
    ("int subclass", {"a": Number(1)}, "$.a", "Number is not a JSON type"),
    ("float subclass", {"a": Real(0.5)}, "$.a", "Real is not a JSON type"),
    ("enum", {"a": Stance.ACCEPT}, "$.a", "Stance is not a JSON type"),
    ("str enum", {"a": TextStance.ACCEPT}, "$.a", "TextStance is not a JSON type"),
    ("int enum", {"a": NumberStance.ACCEPT}, "$.a", "NumberStance is not a JSON type"),
    ("datetime", {"at": datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)}, "$.at", "datetime is not a JSON type"),
    ("date", datetime.date(2026, 11, 21), "$", "date is not a JSON type"),
    ("time", datetime.time(8, 46), "$", "time is not a JSON type"),
    ("timedelta", datetime.timedelta(1), "$", "timedelta is not a JSON type"),
    ("uuid", {"id": uuid.UUID(int=1)}, "$.id", "UUID is not a JSON type"),
    ("path", pathlib.PurePosixPath("a"), "$", "PurePosixPath is not a JSON type"),
    ("function", print, "$", "builtin_function_or_method is not a JSON type"),
    ("class", [int], "$[0]", "type is not a JSON type"),
    ("object", object(), "$", "object is not a JSON type"),
    ("ellipsis", [[...]], "$[0][0]", "ellipsis is not a JSON type"),
    ("not implemented", NotImplemented, "$", "NotImplementedType is not a JSON type"),
    # where it is
    ("first of several", {"b": [0, b""], "a": math.nan}, "$.b[1]", "bytes is not"),
    ("key that is no name", {"a b": {"": {'"': (1,)}}}, r'$["a b"][""]["\""]', "tuple is not"),
    ("key in another script", {"\u00e9": {"a\n": (1,)}}, r'$["\u00e9"]["a\n"]', "tuple is not"),
    ("deepest place that is allowed", [*nested(1), nested(126), [(1,)]], "$[1][0]", "tuple is not"),
]


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(("value", "path", "reason"), [case[1:] for case in BAD_VALUES], ids=[c[0] for c in BAD_VALUES])
def test_a_value_outside_the_domain_is_refused_with_its_path(
    codec: types.ModuleType, value: object, path: str, reason: str
) -> None:
    with pytest.raises(NotCanonicalError, match=reason) as caught:
        codec.canonical_bytes(value)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.path == path
    assert caught.value.applied == "no"


@pytest.mark.spec("HASH-2")
def test_a_long_path_is_shortened_in_the_message_and_whole_in_the_fact() -> None:
    value: Any = math.nan
    for _ in range(100):
        value = {"segment": value}
    with pytest.raises(NotCanonicalError) as caught:
        canonical_bytes(value)
    assert caught.value.path == "$" + ".segment" * 100
    assert len(caught.value.message) < 300
    assert "…" in caught.value.message


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("objects", [False, True])
def test_nesting_is_allowed_up_to_the_limit_and_refused_above_it(codec: types.ModuleType, objects: bool) -> None:
    deepest = codec.canonical_bytes(nested(128, objects=objects))
    assert codec.load_canonical(deepest) == nested(128, objects=objects)
    with pytest.raises(LimitExceededError, match=r"^\$.*nesting_max is at least 129, the maximum is 128$") as caught:
        codec.canonical_bytes(nested(129, objects=objects))
    assert (caught.value.limit, caught.value.maximum, caught.value.actual) == ("nesting_max", 128, 129)


@pytest.mark.spec("HASH-2")
def test_nesting_can_be_limited_further() -> None:
    flat = Options(nesting_max=1)
    assert canonical_bytes([1], options=flat) == b"[1]"
    assert canonical_bytes("scalar", options=flat) == b'"scalar"'
    with pytest.raises(LimitExceededError, match="nesting_max"):
        canonical_bytes([[]], options=flat)


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(
    ("value", "size"),
    [("x" * 98, 100), ("\u00e9" * 49, 100), ("\x00" * 16 + "12", 100), ({"k" * 93: 0}, 99), ([1] * 50, 101)],
)
def test_a_value_is_allowed_up_to_the_limit_of_its_canonical_bytes(value: object, size: int) -> None:
    assert len(canonical_bytes(value, options=Options(object_bytes_max=size))) == size
    with pytest.raises(LimitExceededError, match="object_bytes_max") as caught:
        canonical_bytes(value, options=Options(object_bytes_max=size - 1))
    assert (caught.value.limit, caught.value.maximum) == ("object_bytes_max", size - 1)


@pytest.mark.spec("HASH-2")
def test_each_store_names_its_own_limit_of_size() -> None:
    largest = {"text": "x" * (DEFAULT_OPTIONS.audit_details_bytes_max - len('{"text":""}'))}
    assert len(canonical_bytes(largest, limit="audit_details_bytes_max")) == 256 * 1024
    largest["text"] += "x"
    with pytest.raises(LimitExceededError) as caught:
        canonical_bytes(largest, limit="audit_details_bytes_max")
    assert (caught.value.limit, caught.value.actual) == ("audit_details_bytes_max", 256 * 1024 + 1)
    assert len(canonical_bytes(largest)) == 256 * 1024 + 1


def self_containing() -> list[Any]:
    array: list[Any] = []
    array.extend([array] * 10)
    record: dict[str, Any] = {}
    record.update({str(index): record for index in range(10)})
    first: dict[str, Any] = {}
    second = [first, first]
    first["x"] = second
    return [array, record, [1, {"a": first}]]


@pytest.mark.spec("HASH-2")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", self_containing(), ids=["array", "object", "mutual"])
def test_a_value_that_contains_itself_ends_at_the_limit_of_nesting(codec: types.ModuleType, value: object) -> None:
    with pytest.raises(LimitExceededError) as caught:
        codec.canonical_bytes(value)
    assert caught.value.limit == "nesting_max"


@pytest.mark.spec("HASH-2")
@pytest.mark.timeout(20)
def test_a_small_value_that_would_be_written_as_a_huge_one_is_refused_unwritten() -> None:
    doubled: Any = []
    for _ in range(100):
        doubled = [doubled, doubled]
    small = Options(object_bytes_max=1_000_000)
    for value in (doubled, ["x" * 100_000] * 1000, [{"k" * 100_000: 1}] * 1000):
        with pytest.raises(LimitExceededError, match="object_bytes_max is at least") as caught:
            canonical_bytes(value, options=small)
        assert caught.value.actual > caught.value.maximum


@pytest.mark.spec("HASH-2")
@pytest.mark.timeout(20)
def test_the_path_behind_a_huge_shared_part_is_found_in_bounded_time() -> None:
    doubled: Any = []
    for _ in range(100):
        doubled = [doubled, doubled]
    with pytest.raises(NotCanonicalError, match=r"^\$\[1\]\.b: bytes"):
        canonical_bytes([doubled, {"b": b""}])


@pytest.mark.spec("HASH-2")
def test_a_part_that_is_too_deep_only_at_its_second_place_is_found_there() -> None:
    part = deeper = nested(100)
    for _ in range(28):
        deeper = [deeper]
    with pytest.raises(LimitExceededError, match=r"^\$\[1\]") as caught:
        canonical_bytes([part, deeper])
    assert caught.value.actual == 129
