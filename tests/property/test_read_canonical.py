"""What is read as canonical is what the writer writes: whichever way bytes are compared, no other spelling passes."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charter_persist.errors import LimitExceededError, NotCanonicalError
from charter_persist.model.limits import Options
from tests.canonical_codecs import CODECS, nested

NUMBERS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1.5",
    "-2.50",
    "1e5",
    "1E5",
    "1e-7",
    "100000",
    "0.1e1",
    "-1.5e+3",
    "9007199254740993",
]
TEXTS = [
    '"a"',
    '"0e1"',
    '":1.5"',
    '",.e"',
    '"08:46:00.5Z"',
    '"\\u0061"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"é"',
    '"\\\\"',
]
items = st.recursive(
    st.sampled_from([*NUMBERS, *TEXTS, "null", "true"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(st.sampled_from(TEXTS), inner), max_size=3).map(
            lambda parts: "{" + ",".join(f"{key}:{part}" for key, part in parts) + "}"
        )
    ),
    max_leaves=8,
)


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(text=items)
@example(text="1.0")
@example(text="-1E5")
@example(text="[1.0]")
@example(text='["a",1.0]')
@example(text='{"a":1.0}')
@example(text='{"a":1,"a":1}')
@example(text='{"b":1,"a":1}')
@example(text='{"a": 1}')
def test_bytes_are_read_as_canonical_exactly_when_the_writer_gives_them(codec: types.ModuleType, text: str) -> None:
    """The fast comparison agrees with writing the value by RFC 8785."""
    data = text.encode()
    value = _value(codec, data)
    if value is not None and value[0] == data:
        assert codec.canonical_bytes(codec.read_canonical(data)) == data
        assert codec.is_canonical(data)
    else:
        with pytest.raises(NotCanonicalError):
            codec.read_canonical(data)
        assert not codec.is_canonical(data)


def _value(codec: types.ModuleType, data: bytes) -> tuple[bytes] | None:
    """What the strict reader and the writer make of it."""
    try:
        return (codec.canonical_bytes(codec.parse_json(data)),)
    except NotCanonicalError:
        return None


@pytest.mark.spec("HASH-2")
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("objects", [False, True])
def test_the_limits_hold_for_plain_bytes_too(codec: types.ModuleType, objects: bool) -> None:
    """One level or one byte more than is allowed is refused, and the limit itself is not."""
    value: Any = nested(10, objects=objects)
    data = json.dumps(value, separators=(",", ":")).encode()
    assert codec.read_canonical(data, options=Options(nesting_max=10)) == value
    with pytest.raises(LimitExceededError):
        codec.read_canonical(data, options=Options(nesting_max=9))
    text = b'"%b"' % (b"a" * 2_000)
    assert codec.read_canonical(text, options=Options(object_bytes_max=2_002)) == "a" * 2_000
    with pytest.raises(LimitExceededError):
        codec.read_canonical(text, options=Options(object_bytes_max=2_001))
