"""Canonical JSON and digest without any store: what every put and every verified read pays first."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from unittest import mock

import rfc8785

from benchmarks.measure import Row, compare
from benchmarks.payload import items
from charter_persist.model import canonical
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest_bytes


def run(*, quick: bool) -> Iterator[Row]:
    """With the encoder that is installed, and with the standard library alone."""
    count, rounds = (500, 2) if quick else (20_000, 7)
    values = list(items("pure", count))

    def ours(_number: int) -> int:
        return len([digest_bytes(kind, canonical_bytes(value)) for kind, value in values])

    def standard_library(number: int) -> int:
        with mock.patch.object(canonical, "_encode_plain", canonical._encode_with_standard_library):
            return ours(number)

    def reference(_number: int) -> int:
        return len([sha256(rfc8785.dumps(value)).digest() for _, value in values])

    fast = canonical._encode_plain is not canonical._encode_with_standard_library
    for name, work in (("orjson" if fast else "no orjson", ours), ("the standard library", standard_library)):
        yield compare(
            f"Canonical JSON and digest, {name}",
            work,
            reference,
            peer_name="rfc8785 and SHA-256",
            wanted="-",
            rounds=rounds,
        )
