"""Canonical JSON: one sequence of bytes for each value, by RFC 8785 to the letter, and the readers that go with it.

`canonical_bytes` writes, `parse_json` reads JSON from outside, `read_canonical` reads bytes from outside that must be
canonical, `load_canonical` reads bytes that were verified. The domain is the same for all: None, bool, finite float, int within ±(2^53−1), str without lone surrogates, list,
and dict with str keys; exactly these types, no subclass of them.

One walk checks the value and finds out which encoder may write it. A fast encoder (orjson where it is installed, else
the standard library) is taken where it is known to agree with RFC 8785: no floats, and no key beyond the Basic
Multilingual Plane, since there the order by UTF-16 differs from the order by code point. All else goes to the
``rfc8785`` package. A property test holds the encoders equal.

Imports ``errors``, ``model.limits`` and ``model.refusal``. Source: HASH-2, RFC 8785, REQUIREMENTS section 9.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Final

import rfc8785

from charter_persist.errors import IntegrityError, LimitExceededError, NotCanonicalError
from charter_persist.model.limits import DEFAULT_OPTIONS, Options, SizeLimit
from charter_persist.model.refusal import INTEGER_MAX, Refused, find_refusal, nesting_exceeded, quote

_LAST_OF_BASIC_PLANE: Final = "\uffff"
# A string token swallows an unterminated rest, and never backtracks: the scan stays linear for any text.
_STRUCTURE: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
# Maps each digit to "0" and all else to a space: sixteen digits in a row are then one cheap search.
_DIGITS: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_SIXTEEN_DIGITS: Final = b"0" * 16
# Maps what makes a float of a number to ".", and what stands before an item to ",".
_MARKS: Final = bytes(0x2E if byte in b".eE" else 0x2C if byte == 0x5B else byte for byte in range(256))
_INTEGER: Final = b"-0123456789"
_INTEGER_CHARACTERS_MAX: Final = len(str(-INTEGER_MAX))


def canonical_bytes(
    value: object, *, options: Options = DEFAULT_OPTIONS, limit: SizeLimit = "object_bytes_max"
) -> bytes:
    """Write the one canonical JSON form of a value; equal values give equal bytes on every machine and version.

    Nothing is converted silently but what RFC 8785 itself says: ``1.0`` is written as ``1`` and ``-0.0`` as ``0``.
    The time is bounded for any value, one that contains itself included.

    Args:
        value: None, bool, int within ±(2^53−1), finite float, str, or lists and dicts with str keys of these.
        options: limits; ``nesting_max`` and the one named by ``limit`` apply.
        limit: name of the limit on the size of the result.

    Returns:
        UTF-8 without a byte order mark and without insignificant space.

    Raises:
        NotCanonicalError: a part of the value is outside that domain; the message and ``path`` name it.
        LimitExceededError: the value is nested too deep, or its canonical form is too long.

    Source: HASH-2, RFC 8785.
    """
    maximum = options.bytes_max(limit)
    encode = _choose_encoder(value, options.nesting_max, maximum, limit)
    if encode is None:
        raise find_refusal(value, nesting_max=options.nesting_max)
    try:
        data = encode(value)
    except (TypeError, ValueError) as exc:  # lone surrogates, which only the encoders look for
        raise find_refusal(value, nesting_max=options.nesting_max) from exc
    if len(data) > maximum:
        raise LimitExceededError(limit=limit, maximum=maximum, actual=len(data))
    return data


def parse_json(text: str | bytes, *, options: Options = DEFAULT_OPTIONS, limit: SizeLimit = "object_bytes_max") -> Any:
    """Read JSON text from outside; what it gives back has a canonical form, what has none is refused.

    Insignificant space and any order of keys are allowed. The time is linear in the length of the text.

    Args:
        text: JSON, as text or as UTF-8 without a byte order mark.
        options: limits; ``nesting_max`` and the one named by ``limit`` apply.
        limit: name of the limit on the size of the canonical form.

    Returns:
        None, bool, int, float, str, list or dict.

    Raises:
        NotCanonicalError: not JSON, a byte order mark, bad UTF-8 (the message names the offset); a repeated key, NaN,
            an infinity, a number too large for a double, an integer beyond ±(2^53−1), a lone surrogate, escaped or not
            (the message and ``path`` name the field).
        LimitExceededError: the text is nested too deep, or its canonical form is too long.

    Source: HASH-2, RFC 8259, RFC 7493.
    """
    source = _decode_utf8(text) if isinstance(text, bytes) else text
    if source.startswith("\ufeff"):
        raise NotCanonicalError("character 0: a byte order mark is not part of JSON")
    _check_depth(source, options.nesting_max)
    try:
        value = _STRICT_DECODER.decode(source)
    except json.JSONDecodeError as exc:
        raise NotCanonicalError(f"character {exc.pos}: {exc.msg}") from exc
    canonical_bytes(value, options=options, limit=limit)  # the reader refuses whatever the writer would refuse
    return value


def load_canonical(data: bytes) -> Any:
    """Read bytes that `canonical_bytes` wrote and whose digest was just verified; writing them again gives them again.

    An integer literal beyond ±(2^53−1) can only come from a float, such as 1e20, and becomes that float again.

    Args:
        data: canonical JSON. It is trusted: what it does not check is what the digest vouches for.

    Returns:
        A value equal to the one that was written.

    Raises:
        IntegrityError: the bytes are not JSON, so nothing of this package wrote them.
    """
    try:
        if _SIXTEEN_DIGITS in data.translate(_DIGITS):
            return _decode_exactly(data)
        return _decode_plain(data)
    except (ValueError, RecursionError) as exc:
        raise IntegrityError("the stored bytes are not canonical JSON; run `charter verify`") from exc


def read_canonical(data: bytes, *, options: Options = DEFAULT_OPTIONS) -> Any:
    """Read bytes from outside that must be the canonical form of what they say.

    Args:
        data: any bytes.
        options: limits; ``nesting_max`` and ``object_bytes_max`` apply.

    Returns:
        The value whose canonical form they are.

    Raises:
        NotCanonicalError: they are not JSON, or not in that form.
        LimitExceededError: they are too large, or nested too deep.

    Source: HASH-2.
    """
    try:
        value = load_canonical(data)
    except IntegrityError as exc:
        raise NotCanonicalError("the bytes are not JSON") from exc
    within = len(data) <= options.object_bytes_max and data.count(b"[") + data.count(b"{") <= options.nesting_max
    if not (within and _is_plain_form(data, value)) and canonical_bytes(value, options=options) != data:
        raise NotCanonicalError("the bytes are not the canonical form of what they say")
    return value


def is_canonical(data: bytes) -> bool:
    """Say whether bytes are the canonical form of a value: reading and writing them gives them again.

    Args:
        data: any bytes.

    Source: HASH-2.
    """
    try:
        if _is_plain(data):
            return _encode_plain(_decode_plain(data)) == data
        return canonical_bytes(load_canonical(data)) == data
    except (ValueError, TypeError, RecursionError, IntegrityError):
        return False


def _is_plain_form(data: bytes, value: object) -> bool:
    """Whether bytes are plain, and the canonical form of the value that was read from them."""
    try:
        return _is_plain(data) and _encode_plain(value) == data
    except (ValueError, TypeError):
        return False


def _is_plain(data: bytes) -> bool:
    """Whether JSON without space has only what the fast encoder writes by RFC 8785, as its bytes show without a parse."""
    if not data.isascii() or _SIXTEEN_DIGITS in data.translate(_DIGITS):
        return False
    # With signs and digits left out, the point or the exponent of a float stands where its item begins.
    bare = data.translate(_MARKS, _INTEGER)
    return b'":.' not in bare and b",." not in bare and not bare.startswith(b".")


def _choose_encoder(value: object, nesting_max: int, bytes_max: int, limit: SizeLimit) -> Callable[[Any], bytes] | None:
    """Walk the value once; give the encoder that may write it, or None where it must be refused.

    Depth first, so that a value that contains itself reaches the limit of nesting at once. The size is bounded from
    below on the way, so that a small value with many references to one part is refused before it is written out.
    """
    plain = True
    size = -2  # the array around the value, which is not written
    pending: list[tuple[Any, int]] = [([value], 0)]
    while pending:
        container, depth = pending.pop()
        if depth > nesting_max:
            return None
        items: Iterable[Any]
        if type(container) is dict:
            items = container.values()
            size += 5 * len(container)
            for key in container:
                if type(key) is not str:
                    return None
                if not key.isascii() and max(key) > _LAST_OF_BASIC_PLANE:
                    plain = False
                size += len(key)
        else:
            items = container
            size += 2 * len(container)
        if size > bytes_max:
            raise _too_large(limit, bytes_max, size)
        for item in items:
            kind = type(item)
            if kind is str:
                size += len(item)
            elif kind is int:
                if not -INTEGER_MAX <= item <= INTEGER_MAX:
                    return None
            elif kind is dict or kind is list:
                pending.append((item, depth + 1))
            elif kind is float:
                if not isfinite(item):
                    return None
                plain = False
            elif kind is not bool and item is not None:
                return None
    if size > bytes_max:
        raise _too_large(limit, bytes_max, size)
    return _encode_plain if plain else rfc8785.dumps


def _too_large(limit: SizeLimit, maximum: int, at_least: int) -> LimitExceededError:
    """Make the error for a value that was not written out, because even its lower bound is too large."""
    message = f"{limit} is at least {at_least}, the maximum is {maximum}"
    return LimitExceededError(message, limit=limit, maximum=maximum, actual=at_least)


def _decode_utf8(data: bytes) -> str:
    """Decode bytes from outside."""
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise NotCanonicalError(f"byte {exc.start}: not UTF-8, {exc.reason}") from exc


def _check_depth(source: str, nesting_max: int) -> None:
    """Refuse a text that is nested too deep before a recursive parser sees it."""
    if source.count("[") + source.count("{") <= nesting_max:
        return
    depth = 0
    for token in _STRUCTURE.finditer(source):
        character = source[token.start()]
        if character in "[{":
            depth += 1
            if depth > nesting_max:
                raise nesting_exceeded(f"character {token.start()}", depth, nesting_max)
        elif character in "]}":
            depth -= 1


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Refused:
    """Make an object from its members, each key once."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
    return Refused(f"the key {quote(repeated)} stands twice in one object")


def _integer(literal: str) -> int | Refused:
    """Read an integer literal; one that is too long is never converted, the cost of that is not linear."""
    if len(literal) > _INTEGER_CHARACTERS_MAX:
        return Refused("the integer lies beyond ±(2^53−1)")
    return int(literal)


def _stored_integer(literal: str) -> int | float:
    """Read an integer literal of our own, which was a float where it is beyond ±(2^53−1)."""
    if len(literal) > _INTEGER_CHARACTERS_MAX:
        return float(literal)
    integer = int(literal)
    return integer if -INTEGER_MAX <= integer <= INTEGER_MAX else float(literal)


def _constant(literal: str) -> Refused:
    """Refuse the three words that Python's parser takes for numbers."""
    return Refused(f"{literal} is not JSON")


_STRICT_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object_once, parse_int=_integer, parse_constant=_constant)
_STORED_DECODER: Final = json.JSONDecoder(parse_int=_stored_integer)
_PLAIN_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _decode_exactly(data: bytes) -> Any:
    """Read canonical JSON with the standard library, and large integers as the floats they were."""
    return _STORED_DECODER.decode(data.decode())


def _encode_with_standard_library(value: Any) -> bytes:
    """Write a plain value with the standard library, in the order of code points."""
    return _PLAIN_ENCODER.encode(value).encode()


_encode_plain: Callable[[Any], bytes]
_decode_plain: Callable[[bytes], Any]
try:
    import orjson
except ImportError:
    _encode_plain = _encode_with_standard_library
    _decode_plain = _decode_exactly
else:
    _decode_plain = orjson.loads

    def _encode_plain(value: Any) -> bytes:
        """Write a plain value with orjson, in the order of code points."""
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
