"""Canonical JSON: what is read from outside, what is read from storage, and what is refused with which words."""

from __future__ import annotations

import types

import pytest

from charter_persist.errors import CharterError, IntegrityError, LimitExceededError, NotCanonicalError
from charter_persist.model.canonical import parse_json
from charter_persist.model.limits import Options
from tests.canonical_codecs import CODECS, nested

INTEGER_MAX = 2**53 - 1


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> types.ModuleType:
    return CODECS[request.param]


# Reading from outside -----------------------------------------------------------------------------------------------


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            ' {"b" : [1, 2.5, true, null], "a":"\\u00e9\\ud83d\\ude00"}\n',
            {"b": [1, 2.5, True, None], "a": "é\U0001f600"},
        ),
        (b'"\xc3\xa9"', "é"),
        ("-0", 0),
        ("9007199254740991", INTEGER_MAX),
        ("-9007199254740991", -INTEGER_MAX),
        ("1e20", 1e20),
        ("1E-2", 0.01),
        ('{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
        ('"\\u0000"', "\x00"),
        ('"[{[{ \\" [{"', '[{[{ " [{'),
        ("[]" + " " * 1000, []),
        ("[" * 128 + "]" * 128, nested(128)),
        ('{"a":' * 127 + "{}" + "}" * 127, nested(128, objects=True)),
        ("[" + "[]," * 500 + "{}]", [[]] * 500 + [{}]),
        ('["' + "[{" * 500 + '"]', ["[{" * 500]),
        ('["\\"' + "[" * 500 + '\\\\"]', ['"' + "[" * 500 + "\\"]),
    ],
)
def test_json_is_read(codec: types.ModuleType, text: str | bytes, expected: object) -> None:
    value = codec.parse_json(text)
    assert value == expected
    assert type(value) is type(expected)


BAD_TEXTS = [
    ("repeated key", '{"a":[{"b":1,"c":2,"b":1}]}', r"\$\.a\[0\]: the key \"b\" stands twice"),
    ("repeated by an escape", r'{"a":1,"\u0061":2}', r"\$: the key \"a\" stands twice"),
    ("repeated inside a repeated one", '{"a":{"x":1,"x":2},"a":1}', r"\$: the key \"a\" stands twice"),
    ("NaN", '{"a":NaN}', r"\$\.a: NaN is not JSON"),
    ("Infinity", "[Infinity]", r"\$\[0\]: Infinity is not JSON"),
    ("negative infinity", "-Infinity", r"\$: -Infinity is not JSON"),
    ("overflow", '{"a":[1e999]}', r"\$\.a\[0\]: the number is not finite"),
    ("negative overflow", "-1e309", r"\$: the number is not finite"),
    ("two to the 53", "[9007199254740992]", r"\$\[0\]: the integer lies beyond"),
    ("minus two to the 53", "-9007199254740992", r"\$: the integer lies beyond"),
    ("a million digits", "9" * 1_000_000, r"\$: the integer lies beyond"),
    ("lone surrogate", r'["\ud800"]', r"\$\[0\]: the text has a lone surrogate"),
    ("surrogates in the wrong order", r'"\ude00\ud83d"', r"\$: the text has a lone surrogate"),
    ("lone surrogate in a key", r'{"a":{"\udfff":1}}', r"\$\.a: the key .* has a lone surrogate"),
    ("lone surrogate unescaped", '"\ud800"', r"\$: the text has a lone surrogate"),
    ("byte order mark", "\ufeff{}", "character 0: a byte order mark"),
    ("byte order mark in bytes", b"\xef\xbb\xbf{}", "character 0: a byte order mark"),
    ("bad UTF-8", b'{"a":"\xff"}', "byte 6: not UTF-8"),
    ("overlong UTF-8", b'"\xc0\x80"', "byte 1: not UTF-8"),
    ("surrogate in UTF-8", b'"\xed\xa0\x80"', "byte 1: not UTF-8"),
    ("UTF-16", '"a"'.encode("utf-16-le"), "character 1"),
    ("trailing data", "{} {}", "character 3: Extra data"),
    ("trailing comma", "[1,]", "character"),
    ("nothing", "", "character 0"),
    ("space only", " \n", "character 2"),
    ("single quotes", "{'a':1}", "character 1"),
    ("comment", "[1] // x", "character 4"),
    ("leading zero", "01", "character 1"),
    ("plus sign", "+1", "character 0"),
    ("bare point", "[.5]", "character 1"),
    ("hexadecimal", "0x10", "character 1"),
    ("raw control character", '"a\nb"', "character 2"),
    ("unknown escape", r'"\x41"', "character 1"),
    ("short escape", r'"\u12"', "character"),
    ("unterminated text", '"abc', "character 0"),
    ("unterminated array", "[1", "character 2"),
    ("unterminated after a backslash", '"' + "[" * 200 + "\\", "character 0"),
    ("unquoted key", "{a:1}", "character 1"),
    ("number as key", "{1:1}", "character 1"),
    ("digit of another script", "\u0661", "character 0"),
    ("other space", "[1,\u00a02]", "character 3"),
]


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(("text", "message"), [case[1:] for case in BAD_TEXTS], ids=[case[0] for case in BAD_TEXTS])
def test_a_text_outside_the_domain_is_refused_with_its_place(
    codec: types.ModuleType, text: str | bytes, message: str
) -> None:
    with pytest.raises(NotCanonicalError, match=f"^{message}"):
        codec.parse_json(text)


@pytest.mark.spec("HASH-2")
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("[" * 129 + "]" * 129, 128),
        ("[" * 100_000, 128),
        ('{"a":' * 100_000, 640),
        ('["]",' * 100_000, 640),
        ('[{"\\"":' * 100_000, 448),
        ("[[]," * 100_000, 509),
    ],
    ids=["one too deep", "arrays", "objects", "brackets in texts", "escaped quotes", "closed ones between"],
)
def test_a_text_that_is_nested_too_deep_is_refused_without_recursion(
    codec: types.ModuleType, text: str, character: int
) -> None:
    with pytest.raises(LimitExceededError, match=f"^character {character}: nesting_max is at least 129") as caught:
        codec.parse_json(text)
    assert (caught.value.limit, caught.value.maximum, caught.value.actual) == ("nesting_max", 128, 129)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, "[" * 100 + "{" * 100 + '"' + '\\"' * 500_000, '"' * 500_001])
def test_a_hostile_text_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(CharterError):
        parse_json(text)


@pytest.mark.spec("HASH-2")
def test_the_limit_of_a_text_is_that_of_its_canonical_form() -> None:
    tight = Options(object_bytes_max=7)
    assert parse_json(' {"a" : 1.0}     ', options=tight) == {"a": 1}
    with pytest.raises(LimitExceededError, match="object_bytes_max is 8, the maximum is 7"):
        parse_json('{"a":10}', options=tight)
    with pytest.raises(LimitExceededError, match="nesting_max"):
        parse_json("[[]]", options=Options(nesting_max=1))


# Reading what was stored --------------------------------------------------------------------------------------------


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize(
    "number", [1e20, -1e20, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**64, 1.7976931348623157e308, 0.1234567890123456, 1e-7]
)
def test_a_float_that_is_written_as_a_long_integer_is_read_as_a_float(codec: types.ModuleType, number: float) -> None:
    stored = codec.canonical_bytes({"n": [number, "9007199254740993"]})
    loaded = codec.load_canonical(stored)
    assert loaded == {"n": [number, "9007199254740993"]}
    assert type(loaded["n"][0]) is float
    assert codec.canonical_bytes(loaded) == stored


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("number", [0, -1, 10**15, 10**15 - 1, 10**15 + 1, INTEGER_MAX, -INTEGER_MAX, INTEGER_MAX - 1])
def test_an_integer_stays_an_integer(codec: types.ModuleType, number: int) -> None:
    loaded = codec.load_canonical(codec.canonical_bytes([number]))
    assert loaded == [number]
    assert type(loaded[0]) is int


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"[1]x", b"1234567890123456789x", b'{"a":1'])
def test_stored_bytes_that_are_not_json_are_a_finding_of_integrity(codec: types.ModuleType, data: bytes) -> None:
    with pytest.raises(IntegrityError, match="not canonical JSON"):
        codec.load_canonical(data)
