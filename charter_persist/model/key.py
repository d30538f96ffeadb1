"""Grammar of keys and their prefixes, checked on the bytes of UTF-8; the same on every backend.

A key is nothing but a text: ``%``, ``_``, ``*``, ``..`` and ``:`` have no meaning in it. It has no empty segment, so a
key never ends with ``/`` and ``/a/`` as a prefix means what is below ``/a`` and nothing else.

Imports ``model.text`` and ``errors``. Source: KV-1, KV-9, NEIGHBOURS 6 (rows 1 and 7).
"""

from __future__ import annotations

from typing import Final

from charter_persist.errors import InvalidKeyError
from charter_persist.model.text import PREFIX_BYTES_MAX, check_text

SEPARATOR: Final = "/"
SCHEMA_VERSION_KEY: Final = "/meta/schema_version"
"""A key that the store itself answers: virtual, read-only, neither listed nor watched."""


def check_key(key: object, *, maximum: int) -> str:
    """Return a key: it starts with ``/``, and none of its segments is empty.

    Args:
        key: what may be one.
        maximum: ``key_bytes_max``, in bytes of UTF-8.

    Raises:
        InvalidKeyError: it does not follow the grammar.
        LimitExceededError: it is longer than ``maximum``.

    Spec: KV-1
    """
    text = check_text(key, field="key", limit="key_bytes_max", maximum=maximum)
    if text[0] != SEPARATOR or text[-1] == SEPARATOR or "//" in text:
        raise InvalidKeyError(f"key {text!r} must start with / and have no empty segment; write it like /nodes/a")
    return text


def check_writable_key(key: object, *, maximum: int) -> str:
    """As `check_key`, of a key that callers may change.

    Raises:
        InvalidKeyError: it is kept by the store itself.
    """
    name = check_key(key, maximum=maximum)
    if name == SCHEMA_VERSION_KEY:
        raise InvalidKeyError(f"{name} is kept by the store itself; use `charter upgrade` to change the schema")
    return name


def check_key_prefix(prefix: object) -> str:
    """Return a text that keys may begin with; the empty one begins all of them.

    Raises:
        InvalidKeyError: no key can begin so.
        LimitExceededError: it is longer than any key.
    """
    if type(prefix) is str and not prefix:
        return ""
    text = check_text(prefix, field="prefix", maximum=PREFIX_BYTES_MAX)
    if text[0] != SEPARATOR:
        raise InvalidKeyError(f"prefix {text!r} must start with /, as every key does; or be empty")
    return text
