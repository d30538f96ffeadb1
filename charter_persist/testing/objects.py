"""Conformance of the object store: immutable, self-contained, verified at each read.

Source: STO-3.1, HASH-1, HASH-3, HASH-4, RELIABILITY P22, P32 and P33.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pytest

from charter_persist.backends.contract import OBJECT, ObjectRow
from charter_persist.errors import (
    ContentMissingError,
    DigestMismatchError,
    InvalidInputError,
    NotFoundError,
    NotSupportedError,
)
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import Digest, digest
from charter_persist.model.records import Page
from charter_persist.repositories.objects import ObjectReader
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import StoreFixtures

T = TypeVar("T")

ABSENT: Final = Digest("0" * 64)
EMPTY_AREA: Final = "550b249927be192ec93800d097619da6e8fb7c0d1e4357dc97178bce6f5fd1db"
NOT_DIGESTS: Final = ("", "f" * 63, "f" * 65, "F" * 64, " " + "f" * 63, "g" * 64, "f" * 64 + "\n", b"f" * 64, None, 7)
READS: Final[dict[str, Callable[[ObjectReader, str], Any]]] = {
    "get": lambda objects, name: objects.get(name),
    "require": lambda objects, name: objects.require(name),
    "find": lambda objects, name: objects.find(name),
    "iter": lambda objects, _: list(objects.iter()),
    "iter of a type": lambda objects, _: list(objects.iter("doc")),
    "list": lambda objects, _: objects.list(),
}
ALTERED: Final[dict[str, Callable[[ObjectRow], ObjectRow]]] = {
    "a flipped bit": lambda row: row._replace(data=bytes([row.data[0] ^ 1]) + row.data[1:]),
    "a shorter text": lambda row: row._replace(data=row.data[:-1]),
    "no bytes": lambda row: row._replace(data=b""),
    "other JSON": lambda row: row._replace(data=b'{"n":2}'),
    "the same JSON, spaced": lambda row: row._replace(data=row.data + b" "),
    "another type": lambda row: row._replace(type="other"),
    "an impossible type": lambda row: row._replace(type="a b"),
}


def put(store: Store, *contents: Any, object_type: str = "doc") -> list[Digest]:
    """Put each content in one unit."""
    with store.begin() as uow:
        return [uow.objects.put(object_type, content) for content in contents]


def all_pages(list_page: Callable[..., Page[T]], limit: int, count: int, *, revision: int) -> list[T]:
    """Read a listing page by page and check each page on the way."""
    seen: list[T] = []
    cursor = None
    while True:
        page = list_page(limit=limit, cursor=cursor)
        assert page.revision == revision
        assert len(page.items) == min(limit, count - len(seen))
        seen += page.items
        # Catches the empty page that a cursor behind a full last page leads to.
        assert (page.cursor is None) == (len(seen) == count)
        if page.cursor is None:
            return seen
        cursor = page.cursor


def stored(backdoor: BackDoor, name: str) -> ObjectRow:
    """The row of a digest, which must be there."""
    row = backdoor.raw_get(OBJECT, (bytes.fromhex(name),))
    assert row is not None
    return row


@pytest.mark.spec("STO-3.1")
class ObjectStoreConformance(StoreFixtures):
    """What an object store must do."""

    @pytest.mark.spec("HASH-1")
    def test_the_digest_is_that_of_header_and_canonical_json(self, store: Store) -> None:
        """Identity is computed as specified, not as a backend finds convenient."""
        with store.begin() as uow:
            assert uow.objects.put("area", {}) == EMPTY_AREA
            name = uow.objects.put("area", {"value": 42})
        text = b'charter:v1\ntype:area\nlen:12\n{"value":42}'
        assert name == hashlib.sha256(text).hexdigest() == digest("area", {"value": 42})

    def test_an_object_stands_in_the_backend_byte_for_byte(self, store: Store, backdoor: BackDoor) -> None:
        """Stored bytes are the bytes that were hashed."""
        content = {"b": 1.0, "a": ["\u20ac", "e\u0301", "\U0001f600"], "": None}
        (name,) = put(store, content)
        data = canonical_bytes(content)
        # Catches a backend that keeps JSON in a type of its own, which re-orders keys and rewrites numbers.
        assert backdoor.raw_rows(OBJECT) == [ObjectRow(1, bytes.fromhex(name), "v1", "doc", len(data), data)]

    def test_an_object_that_stands_in_the_backend_is_what_get_gives(self, store: Store, backdoor: BackDoor) -> None:
        """A read goes to the stored rows."""
        raw = bytes.fromhex(EMPTY_AREA)
        with store.read() as view:
            assert view.objects.get(EMPTY_AREA) is None
        backdoor.raw_put(OBJECT, ObjectRow(1, raw, "v1", "area", 2, b"{}"))
        with store.read() as view:
            # Catches an answer from memory: neither hits nor misses may be kept from one view to the next.
            assert view.objects.require(EMPTY_AREA).object == {}

    @pytest.mark.spec("HASH-3")
    def test_an_envelope_is_self_contained(self, store: Store) -> None:
        """An envelope has five fields and its content does not hold its own hash."""
        (name,) = put(store, {"n": 1})
        with store.read() as view:
            envelope = view.objects.require(name)
        assert envelope.to_json() == {
            "charter_hash_version": "v1",
            "hash_algorithm": "sha256",
            "object_type": "doc",
            "object_hash": name,
            "object": {"n": 1},
        }
        assert name not in str(envelope.object)

    @pytest.mark.spec("P34")
    @pytest.mark.parametrize(
        "content",
        [
            None,
            True,
            0,
            -0.0,
            2**53 - 1,
            1e20,
            5e-324,
            "",
            "\x00\x1f\x7f",
            "\U0010ffff",
            [],
            {},
            [[[]]],
            {"": {"": ""}},
        ],
        ids=ascii,
    )
    def test_every_kind_of_json_comes_back_equal(self, store: Store, content: Any) -> None:
        """What is accepted comes back equal, the top-level scalar included."""
        (name,) = put(store, content)
        with store.read() as view:
            assert view.objects.require(name).object == content

    @pytest.mark.spec("P22")
    def test_put_same_content_twice_is_idempotent(self, store: Store, backdoor: BackDoor) -> None:
        """A second put changes nothing, in the same unit or in a later one."""
        with store.begin() as uow:
            first = uow.objects.put("doc", {"a": 1, "b": 2.0})
            # Catches a check against committed rows alone.
            assert uow.objects.put("doc", {"b": 2, "a": 1}) == first
        with nothing_written(backdoor), store.begin() as uow:
            assert uow.objects.put("doc", {"b": 2, "a": 1.0}) == first
            assert uow.objects.put_many([("doc", {"b": 2, "a": 1.0})] * 2) == [first, first]
        assert uow.receipt is None

    def test_the_same_content_of_another_type_is_another_object(self, store: Store) -> None:
        """The type is part of the identity."""
        with store.begin() as uow:
            assert uow.objects.put("doc", {}) != uow.objects.put("dot", {})
        with store.read() as view:
            assert [envelope.object_type for envelope in view.objects.iter()] == ["doc", "dot"]

    @pytest.mark.spec("P33")
    def test_composed_and_decomposed_texts_are_two_objects(self, store: Store) -> None:
        """Nothing is normalised."""
        composed, decomposed = put(store, "\u00e9", "e\u0301")
        assert composed != decomposed
        with store.read() as view:
            assert view.objects.require(decomposed).object == "e\u0301"

    def test_an_absent_object_is_none_or_not_found(self, store: Store) -> None:
        """`get` gives None, `require` raises, `exists` says no."""
        with store.read() as view:
            assert view.objects.get(ABSENT) is None
            assert not view.objects.exists(ABSENT)
            with refused(NotFoundError, ABSENT):
                view.objects.require(ABSENT)

    def test_a_unit_sees_what_it_put(self, store: Store) -> None:
        """Reads of a unit see its own changes, before they are written."""
        with store.begin() as uow:
            (name,) = uow.objects.put_many([("doc", 1)])
            assert uow.objects.exists(name)
            assert uow.objects.find(name[:10]).object == 1
            other = uow.objects.put("doc", 2)
            assert uow.objects.require(other).object == 2
            assert [envelope.object for envelope in uow.objects.iter("doc")] == [1, 2]

    @pytest.mark.parametrize("name", NOT_DIGESTS, ids=ascii)
    def test_what_is_no_digest_is_refused(self, store: Store, name: Any) -> None:
        """One spelling of a digest is valid; a name is never repaired."""
        with store.read() as view:
            for read in (view.objects.get, view.objects.require, view.objects.exists):
                with refused(InvalidInputError, "digest"):
                    read(name)

    @pytest.mark.spec("P32")
    @pytest.mark.parametrize("read", READS)
    @pytest.mark.parametrize("altered", ALTERED)
    def test_altered_bytes_are_never_returned(self, store: Store, backdoor: BackDoor, altered: str, read: str) -> None:
        """Every read verifies what it returns."""
        (name,) = put(store, {"n": 1})
        backdoor.raw_put(OBJECT, ALTERED[altered](stored(backdoor, name)))
        if (altered, read) in {("another type", "iter of a type"), ("an impossible type", "iter of a type")}:
            return  # of that type there is none now, and nothing is returned
        error = ContentMissingError if altered == "no bytes" else DigestMismatchError
        with store.read() as view, refused(error, name):
            READS[read](view.objects, name)

    @pytest.mark.spec("P22")
    @pytest.mark.parametrize("altered", ALTERED)
    def test_a_put_over_altered_bytes_is_refused(self, store: Store, backdoor: BackDoor, altered: str) -> None:
        """A put that finds other bytes under its digest neither believes nor repairs them."""
        (name,) = put(store, {"n": 1})
        backdoor.raw_put(OBJECT, ALTERED[altered](stored(backdoor, name)))
        with nothing_written(backdoor):
            with refused(DigestMismatchError, name), store.begin() as uow:
                uow.objects.put("doc", {"n": 1})
            with refused(DigestMismatchError, name), store.begin() as uow:
                uow.objects.put_many([("doc", {"n": 1})])

    @pytest.mark.spec("HASH-3")
    def test_an_unknown_hash_version_is_refused(self, store: Store, backdoor: BackDoor) -> None:
        """Bytes that cannot be verified are not returned."""
        (name,) = put(store, {"n": 1})
        backdoor.raw_put(OBJECT, stored(backdoor, name)._replace(hash_version="v9"))
        with store.read() as view, refused(NotSupportedError, "v9"):
            view.objects.get(name)
