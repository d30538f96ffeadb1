"""Digests and envelopes: the header, the grammar of types, hash versions, and what verification refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.errors import (
    DigestMismatchError,
    IntegrityError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    NotSupportedError,
)
from charter_persist.model import digest as digest_module
from charter_persist.model.digest import (
    HASH_ALGORITHM,
    HASH_VERSION,
    HASH_VERSIONS,
    HashVersion,
    check_object_type,
    digest,
    digest_bytes,
    hash_version,
    open_envelope,
    parse_digest,
)
from charter_persist.model.limits import Options

EMPTY_AREA = "550b249927be192ec93800d097619da6e8fb7c0d1e4357dc97178bce6f5fd1db"
object_types = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", fullmatch=True)


@pytest.mark.spec("HASH-1")
@pytest.mark.parametrize(
    ("content", "expected"),
    [({}, EMPTY_AREA), ({"value": 42}, "f1f2c1e65d5426cda61445dd2cc34e7c3db609b46a3cd5474fc9d7489c205485")],
)
def test_the_digests_of_the_specification(content: object, expected: str) -> None:
    assert digest("area", content) == expected


@pytest.mark.spec("HASH-1")
@given(object_type=object_types, canonical=st.binary(max_size=300))
def test_the_digest_is_the_hash_of_type_length_and_bytes(object_type: str, canonical: bytes) -> None:
    pre_image = (
        b"charter:v1\ntype:" + object_type.encode() + b"\nlen:" + str(len(canonical)).encode() + b"\n" + canonical
    )
    assert digest_bytes(object_type, canonical) == hashlib.sha256(pre_image).digest()


@pytest.mark.spec("HASH-1")
@given(
    first=st.tuples(object_types, st.binary(max_size=40) | st.just(b"\ntype:a\nlen:2\n{}")),
    second=st.tuples(object_types, st.binary(max_size=40)),
)
def test_two_objects_never_share_a_pre_image(first: tuple[str, bytes], second: tuple[str, bytes]) -> None:
    """RELIABILITY P35: the pre-image can be taken apart in one way only, and starts as no other kind of it does."""
    pre_images = []
    for object_type, canonical in (first, second):
        pre_image = b"charter:v1\ntype:%b\nlen:%d\n%b" % (object_type.encode(), len(canonical), canonical)
        parts = re.fullmatch(rb"charter:v1\ntype:([^\n]*)\nlen:(\d+)\n(.*)", pre_image, re.DOTALL)
        assert parts is not None
        assert (parts[1].decode(), int(parts[2]), parts[3]) == (object_type, len(canonical), canonical)
        assert not pre_image.startswith((b"\x00", b"\x01", b"charter:commit:"))
        pre_images.append(pre_image)
    assert (pre_images[0] == pre_images[1]) == (first == second)


@pytest.mark.spec("HASH-1")
def test_the_type_is_part_of_the_identity() -> None:
    assert digest("area", {}) != digest("Area", {})


@pytest.mark.spec("HASH-2")
def test_content_that_has_no_canonical_form_has_no_digest() -> None:
    with pytest.raises(NotCanonicalError, match=r"\$\.a: tuple"):
        digest("area", {"a": ()})
    with pytest.raises(LimitExceededError, match="object_bytes_max"):
        digest("area", "xx", options=Options(object_bytes_max=3))


@pytest.mark.parametrize("object_type", ["a", "A", "area", "audit_event", "x.y-z_1", "Z" * 64])
def test_an_object_type_of_the_grammar_is_accepted(object_type: str) -> None:
    check_object_type(object_type)
    assert len(digest(object_type, {})) == 64


BAD_TYPES: list[Any] = [
    "", " ", "1area", "_area", "-a", ".a", "a" * 65, "area\n", "\narea", "a b", "a/b", "a:b", "ar\x00ea", "\u00e4rea",
    "are\u00e4", "\uff41rea", "area\u0661", b"area", None, 5, ("area",),
]  # fmt: skip


@pytest.mark.spec("HASH-1")
@pytest.mark.parametrize("object_type", BAD_TYPES, ids=repr)
def test_an_object_type_outside_the_grammar_is_refused(object_type: Any) -> None:
    for refuse in (lambda: check_object_type(object_type), lambda: digest_bytes(object_type, b"{}")):
        with pytest.raises(InvalidInputError, match="an object type is 1 to 64"):
            refuse()


@pytest.mark.spec("HASH-1")
def test_a_digest_of_64_lower_case_characters_is_accepted() -> None:
    assert parse_digest(EMPTY_AREA) == EMPTY_AREA


BAD_DIGESTS: list[Any] = [
    "", EMPTY_AREA[:-1], EMPTY_AREA + "0", EMPTY_AREA.upper(), EMPTY_AREA[:-1] + "g", EMPTY_AREA + "\n",
    " " + EMPTY_AREA[1:], "sha256:" + EMPTY_AREA, "\u0661" * 64, "\uff10" * 64, "0x" + EMPTY_AREA[2:],
    bytes.fromhex(EMPTY_AREA), EMPTY_AREA.encode(), None, 0, "x" * 100_000,
]  # fmt: skip


@pytest.mark.spec("HASH-1")
@pytest.mark.parametrize("text", BAD_DIGESTS, ids=range(len(BAD_DIGESTS)))
def test_any_other_spelling_of_a_digest_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInputError, match="64 lower-case hexadecimal characters") as caught:
        parse_digest(text)
    assert len(caught.value.message) < 200


# Envelopes ----------------------------------------------------------------------------------------------------------

STORED = b'{"area_id":"a","n":[1,2.5,null]}'
RAW = digest_bytes("area", STORED)


@pytest.mark.spec("HASH-3")
def test_an_envelope_says_how_its_object_was_hashed() -> None:
    envelope = open_envelope("area", RAW, STORED)
    assert envelope.to_json() == {
        "charter_hash_version": "v1",
        "hash_algorithm": "sha256",
        "object_type": "area",
        "object_hash": RAW.hex(),
        "object": {"area_id": "a", "n": [1, 2.5, None]},
    }
    assert digest(envelope.object_type, envelope.object) == envelope.object_hash
    assert (envelope.charter_hash_version, envelope.hash_algorithm) == (HASH_VERSION, HASH_ALGORITHM)


@pytest.mark.spec("HASH-3")
def test_an_envelope_is_a_value() -> None:
    envelope = open_envelope("area", RAW, STORED)
    assert envelope == open_envelope("area", RAW, STORED)
    assert len({envelope, open_envelope("area", RAW, STORED)}) == 1
    assert envelope != open_envelope("other", digest_bytes("other", STORED), STORED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        envelope.object_type = "other"  # type: ignore[misc]


@pytest.mark.spec("HASH-3")
def test_one_bit_changed_in_the_bytes_or_the_digest_is_refused() -> None:
    for stored, raw, flipped in [(STORED, RAW, STORED), (STORED, RAW, RAW)]:
        for position in range(len(flipped) * 8):
            changed = bytearray(flipped)
            changed[position // 8] ^= 1 << position % 8
            pair = (raw, bytes(changed)) if flipped is STORED else (bytes(changed), stored)
            with pytest.raises(DigestMismatchError):
                open_envelope("area", *pair)


@pytest.mark.spec("HASH-3")
@pytest.mark.parametrize(
    ("object_type", "raw", "stored"),
    [
        ("Area", RAW, STORED),
        ("area\n", RAW, STORED),
        ("", RAW, STORED),
        ("area", RAW[:-1], STORED),
        ("area", RAW + b"\x00", STORED),
        ("area", b"", STORED),
        ("area", RAW, STORED + b" "),
        ("area", RAW, b""),
    ],
)
def test_a_mismatch_names_the_object(object_type: str, raw: bytes, stored: bytes) -> None:
    with pytest.raises(DigestMismatchError, match=re.escape(f"{object_type!r} {raw.hex()}")) as caught:
        open_envelope(object_type, raw, stored)
    assert (caught.value.object_type, caught.value.digest) == (object_type, raw.hex())


@pytest.mark.spec("HASH-3")
def test_bytes_are_verified_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_module, "load_canonical", lambda data: pytest.fail("parsed what was not verified"))
    with pytest.raises(DigestMismatchError):
        open_envelope("area", RAW, STORED + b" ")


@pytest.mark.spec("HASH-3")
def test_bytes_that_fit_their_digest_and_are_not_json_are_a_finding() -> None:
    with pytest.raises(IntegrityError, match="not canonical JSON"):
        open_envelope("area", digest_bytes("area", b"{"), b"{")


@pytest.mark.spec("HASH-3", "HASH-6")
@pytest.mark.parametrize("version", ["v3", "V1", "", "v1 ", "commit"])
def test_an_unknown_hash_version_is_refused(version: str) -> None:
    for refuse in (
        lambda: hash_version(version),
        lambda: digest("area", {}, version=version),
        lambda: open_envelope("area", RAW, STORED, version),
    ):
        with pytest.raises(NotSupportedError, match="unknown to this release, which knows v1") as caught:
            refuse()
        assert caught.value.version == version


@pytest.mark.spec("HASH-3", "HASH-6")
def test_several_hash_versions_live_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    def longer(object_type: str, canonical: bytes) -> bytes:
        return hashlib.sha512(b"charter:v9\n" + object_type.encode() + b"\n" + canonical).digest()

    both = {**HASH_VERSIONS, "v9": HashVersion("v9", "sha512", longer)}
    monkeypatch.setattr(digest_module, "HASH_VERSIONS", types.MappingProxyType(both))
    old, new = open_envelope("area", RAW, STORED), open_envelope("area", longer("area", STORED), STORED, "v9")
    assert (old.charter_hash_version, new.charter_hash_version) == ("v1", "v9")
    assert (old.hash_algorithm, new.hash_algorithm) == ("sha256", "sha512")
    assert new.object_hash == digest("area", new.object, version="v9") != old.object_hash
    assert old.object == new.object
    with pytest.raises(DigestMismatchError):
        open_envelope("area", RAW, STORED, "v9")


def test_the_registry_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        HASH_VERSIONS["v3"] = HASH_VERSIONS["v1"]  # type: ignore[index]
