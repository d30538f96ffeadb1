"""Conformance of lookup by prefix, of listings and of the bulk form of the object store.

Source: STO-3.1, HASH-4, RELIABILITY P22.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import pytest

from charter_persist.backends.contract import OBJECT
from charter_persist.errors import (
    AmbiguousError,
    CharterError,
    DigestMismatchError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    NotFoundError,
)
from charter_persist.model.digest import digest
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.objects import all_pages, put, stored
from charter_persist.testing.sources import CountingSources


@pytest.mark.spec("STO-3.1")
class ObjectLookupConformance(StoreFixtures):
    """Lookup by prefix, iteration, pages."""

    @pytest.mark.spec("HASH-4")
    def test_a_digest_prefix_finds_the_one_object_it_begins(self, store: Store) -> None:
        """One fit is returned, for a prefix of any length, an odd one included."""
        (name,) = put(store, {"n": 1})
        with store.read() as view:
            for length in range(1, 65):
                assert view.objects.find(name[:length]).object_hash == name

    @pytest.mark.spec("HASH-4")
    def test_a_digest_prefix_of_several_objects_names_them(self, store: Store) -> None:
        """Several fits are an error that lists them; nobody gets the first one."""
        names = sorted(put(store, *range(40)))
        for first in "0123456789abcdef":
            same = [name for name in names if name[0] == first]
            with store.read() as view:
                if len(same) > 1:
                    with pytest.raises(AmbiguousError) as caught:
                        view.objects.find(first)
                    assert list(caught.value.candidates) == same
                elif not same:
                    with refused(NotFoundError, first):
                        view.objects.find(first)

    @pytest.mark.spec("HASH-4")
    def test_a_digest_prefix_of_many_objects_names_twenty(self, store: Store) -> None:
        """The message stays readable whatever the size of the store."""
        names = put(store, *range(400))
        first = max("0123456789abcdef", key=lambda digit: sum(name[0] == digit for name in names))
        with store.read() as view, pytest.raises(AmbiguousError) as caught:
            view.objects.find(first)
        assert list(caught.value.candidates) == sorted(name for name in names if name[0] == first)[:20]

    @pytest.mark.spec("HASH-4")
    @pytest.mark.parametrize("prefix", ["", "g", "F", "0x1", "f" * 65, "%", "_", None, b"f", 1], ids=ascii)
    def test_what_is_no_digest_prefix_is_refused(self, store: Store, prefix: Any) -> None:
        """A prefix is hexadecimal, never a pattern."""
        put(store, 1, 2)
        with store.read() as view, refused(InvalidInputError, "prefix"):
            view.objects.find(prefix)

    def test_objects_come_in_the_order_they_were_put(self, store: Store) -> None:
        """Order is that of the journal, beyond any page of a backend, and of one type only where that is asked for."""
        with store.begin() as uow:
            uow.objects.put_many(("even" if n % 2 == 0 else "odd", n) for n in range(2_500))
        put(store, "last", object_type="odd")
        with store.read() as view:
            assert [envelope.object for envelope in view.objects.iter()] == [*range(2_500), "last"]
            assert [envelope.object for envelope in view.objects.iter("odd")] == [*range(1, 2_500, 2), "last"]
            assert list(view.objects.iter("od")) == []
            assert [envelope.object for envelope in view.objects.iter("odd", after=2_498)] == [2_499, "last"]
            assert list(view.objects.iter(after=2_501)) == []

    def test_iteration_of_objects_is_lazy(self, store: Store, backdoor: BackDoor) -> None:
        """What is not asked for is not read."""
        names = put(store, *range(3_000))
        backdoor.raw_put(OBJECT, stored(backdoor, names[2_900])._replace(data=b"other"))
        with store.read() as view:
            objects = view.objects.iter()
            assert [envelope.object for envelope in islice(objects, 100)] == list(range(100))
            with refused(DigestMismatchError):
                list(objects)

    @pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 100])
    def test_pages_give_each_object_once(self, store: Store, limit: int) -> None:
        """Pages neither repeat nor skip, and only the last one has no cursor."""
        put(store, *range(6))
        put(store, *range(6), object_type="other")
        with store.read() as view:
            for object_type, count in (("doc", 6), (None, 12)):
                found = list(view.objects.iter(object_type))
                assert len(found) == count
                list_page = partial(view.objects.list, object_type)
                assert all_pages(list_page, limit, count, revision=2) == found

    @pytest.mark.parametrize("kind", ["", "a b", "1a", "x" * 65, "é", "a\n", None, 5], ids=ascii)
    def test_what_is_no_object_type_is_refused(self, store: Store, backdoor: BackDoor, kind: Any) -> None:
        """The grammar of a type holds for writes and for reads."""
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidInputError, "object type"):
                uow.objects.put(kind, {})
            if kind is not None:
                with refused(InvalidInputError, "object type"):
                    list(uow.objects.iter(kind))
                with refused(InvalidInputError, "object type"):
                    uow.objects.list(kind)


@pytest.mark.spec("STO-3.1")
class ObjectBulkConformance(StoreFixtures):
    """`put_many` is `put` many times, and faster."""

    def test_put_many_equals_put_one_by_one(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """The bulk form gives the same digests, in order, and the same rows."""
        # Beyond one chunk, with repeats within a chunk and across chunks.
        contents = [*[n // 2 for n in range(2_000)], *range(500, 1_500)]
        with open_store(**CountingSources().arguments()) as store, store.begin() as uow:
            names = uow.objects.put_many(("doc", content) for content in contents)
        assert names == [digest("doc", content) for content in contents]
        assert uow.receipt is not None
        assert (uow.receipt.revision, uow.receipt.size) == (1, 1_500)
        rows = sorted(backdoor.raw_rows(OBJECT))
        assert [(row.position, row.digest.hex()) for row in rows] == list(enumerate(dict.fromkeys(names), 1))

    def test_a_unit_beyond_every_buffer_is_whole(self, store: Store, backdoor: BackDoor) -> None:
        """A unit that had to be passed to the backend in parts is committed, or undone, as one."""
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.objects.put_many(("doc", n) for n in range(5_000))
            raise KeyboardInterrupt
        with store.begin() as uow:
            uow.objects.put_many(("doc", n) for n in range(5_000))
            with store.read() as view:
                # Catches parts that are committed on their own.
                assert view.journal.size() == 0
        assert uow.receipt is not None
        with store.read() as view:
            assert (view.journal.size(), view.journal.root()) == (5_000, uow.receipt.root)

    def test_put_many_takes_items_as_they_come(self, store: Store) -> None:
        """The source is consumed lazily, so that a stream of any length needs constant memory."""
        taken = 0
        put_when_taken = []

        def source() -> Iterator[tuple[str, int]]:
            nonlocal taken
            for n in range(3_000):
                taken += 1
                put_when_taken.append(uow.objects.exists(digest("doc", 0)))
                yield "doc", n

        with store.begin() as uow:
            uow.objects.put_many(source())
        assert taken == 3_000
        # Catches list(items): then nothing is put before everything was taken.
        assert put_when_taken[-1]

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (("doc", float("nan")), NotCanonicalError),
            (("a b", 1), InvalidInputError),
            (("doc", "x" * 100), LimitExceededError),
        ],
        ids=["content", "type", "size"],
    )
    def test_a_bulk_that_failed_dooms_its_unit(
        self, open_store: OpenStore, backdoor: BackDoor, bad: tuple[str, Any], error: type[CharterError]
    ) -> None:
        """Half a bulk never commits, even where the caller went on after the error."""
        with open_store(options=Options(object_bytes_max=50)) as store, nothing_written(backdoor):
            with pytest.raises(CharterError, match="half-way"), store.begin() as uow, refused(error):
                uow.objects.put_many([*(("doc", n) for n in range(1_200)), bad])
            with pytest.raises(ZeroDivisionError), store.begin() as uow:
                uow.objects.put_many(("doc", 1 // (1 - n)) for n in range(3))

    def test_a_bulk_beyond_its_limit_is_refused(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """The batch limit counts objects, repeats included."""
        with open_store(options=Options(batch_objects_max=10)) as store:
            with nothing_written(backdoor), pytest.raises(CharterError), store.begin() as uow:
                with refused(LimitExceededError, "batch_objects_max", "10"):
                    uow.objects.put_many([("doc", 1)] * 11)
            with store.begin() as uow:
                assert len(uow.objects.put_many(("doc", n) for n in range(10))) == 10
