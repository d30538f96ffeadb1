"""What the specification promises of vectors, a class a row; each check is shown to find a store that breaks the promise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from charter_persist import connect
from charter_persist.backends.contract import VECTOR_COLLECTION, VECTOR_DOCUMENT
from charter_persist.errors import StoreBusyError
from charter_persist.integrity.fsck import fsck
from charter_persist.model.vector import VectorDocument
from charter_persist.repositories.vector_cache import VectorCache
from charter_persist.repositories.vectors import VectorRepository
from charter_persist.store import Store
from charter_persist.testing import Place, contents
from charter_persist.unit_of_work import UnitOfWork

QUERY = [1.0, 0.0]


def write(uow: UnitOfWork, *names: str) -> None:
    uow.vectors.ensure_collection("c", 2)
    uow.vectors.upsert_batch("c", [VectorDocument(name, name, QUERY) for name in names])


def search(store: Store) -> list[str]:
    with store.read() as view:
        return [result.document.id for result in view.vectors.search("c", QUERY)]


@pytest.mark.spec("ENA-6")
class TestConsistency:
    """Eventually consistent: what was committed is found, here by the next view, and nothing else ever is."""

    def check(self, store: Store, place: Place) -> None:
        with place.open_store() as other:
            store.run(lambda uow: write(uow, "a"))
            assert search(other) == search(store) == ["a"]
            store.run(lambda uow: write(uow, "b"))
            assert search(other) == search(store) == ["a", "b"]
            with pytest.raises(ZeroDivisionError), store.begin() as uow:
                write(uow, "c")
                assert [result.document.id for result in uow.vectors.search("c", QUERY)] == ["a", "b", "c"]
                raise ZeroDivisionError
            assert search(other) == search(store) == ["a", "b"]

    def test_it_holds(self, store: Store, place: Place) -> None:
        self.check(store, place)

    def test_a_cache_that_does_not_look_is_found(
        self, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def first(self: VectorCache, stamp: bytes) -> Any:
            return next((kept.blocks for name, kept in self._kept.items() if name == stamp[: len(name)]), None)

        monkeypatch.setattr(VectorCache, "get", first)
        with pytest.raises(AssertionError):
            self.check(store, place)


@pytest.mark.spec("ENA-6")
class TestAuthority:
    """Not authoritative: vectors may be dropped without loss, for the record neither tells of them nor needs them."""

    def check(self, store: Store, place: Place) -> None:
        store.run(lambda uow: uow.metadata.set("source", {"a": QUERY}))
        recorded = without_vectors(place)
        store.run(lambda uow: write(uow, "a"))
        assert without_vectors(place) == recorded
        for relation in (VECTOR_COLLECTION, VECTOR_DOCUMENT):
            for row in place.backdoor.raw_rows(relation):
                place.backdoor.raw_delete(relation, relation.key_of(row))
        assert fsck(store).findings == ()
        with store.read() as view:
            source = view.metadata.get("source")
        assert source is not None
        store.run(lambda uow: write(uow, *source))
        assert search(store) == ["a"]

    def test_it_holds(self, store: Store, place: Place) -> None:
        self.check(store, place)

    def test_a_store_that_records_vectors_is_found(
        self, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = VectorRepository.upsert_batch

        def recording(self: VectorRepository, collection: str, documents: Any) -> int:
            self._context.record_value("metadata", "a", "set", b"{}")
            return honest(self, collection, documents)

        monkeypatch.setattr(VectorRepository, "upsert_batch", recording)
        with pytest.raises(AssertionError):
            self.check(store, place)


def without_vectors(place: Place) -> dict[str, Any]:
    """Every row but those of vectors, and but those that tell what became of a unit."""
    of_vectors = (VECTOR_COLLECTION.name, VECTOR_DOCUMENT.name, "operation")
    return {name: rows for name, rows in contents(place.backdoor).items() if name not in of_vectors}


@pytest.mark.spec("ENA-6")
class TestAvailability:
    """A search may be stale rather than wait: it answers from the last commit while a writer holds the store."""

    def check(self, place: Place, find: Callable[[Store], list[str]]) -> None:
        with place.open_store() as writer, place.open_store(unit_timeout_s=0.2) as reader:
            writer.run(lambda uow: write(uow, "a"))
            with writer.begin() as uow:
                write(uow, "b")
                uow.flush()
                try:
                    found = find(reader)
                except StoreBusyError:
                    found = []
                assert found == ["a"]
            assert find(reader) == ["a", "b"]

    def test_it_holds(self, place: Place) -> None:
        self.check(place, search)

    def test_a_search_that_takes_the_lock_is_found(self, place: Place) -> None:
        def locking(store: Store) -> list[str]:
            with store.begin() as uow:
                return [result.document.id for result in uow.vectors.search("c", QUERY)]

        with pytest.raises(AssertionError):
            self.check(place, locking)


CHILD = """
import os, signal, sys
from charter_persist import connect
from charter_persist.model.vector import VectorDocument

store = connect(sys.argv[1])
block = store.begin()
uow = block.__enter__()
uow.vectors.ensure_collection("c", 2)
uow.vectors.upsert("c", VectorDocument("a", "a", [1.0, 0.0]))
uow.flush()
if sys.argv[2] == "after the commit":
    block.__exit__(None, None, None)
print("acknowledged", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.spec("ENA-6")
class TestDurability:
    """Documents are durable once the unit of their upsert has returned, whatever happens to the process then."""

    def check(self, place: Place, moment: str) -> None:
        if place.url is None:
            with place.open_store() as one:
                one.run(lambda uow: write(uow, "a"))
            with place.open_store() as two:
                assert search(two) == ["a"]
            return
        done = subprocess.run([sys.executable, "-c", CHILD, place.url, moment], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (-9, "acknowledged\n"), done.stderr
        with connect(place.url) as store, store.read() as view:
            assert view.vectors.collection_exists("c")
        with place.open_store() as store:
            assert search(store) == ["a"]

    def test_it_holds(self, place: Place) -> None:
        self.check(place, "after the commit")

    def test_an_acknowledgement_before_the_commit_is_found(self, place: Place) -> None:
        if place.url is None:
            pytest.skip("memory lives as long as its process, so nobody outlives a kill to look")
        with pytest.raises(AssertionError):
            self.check(place, "before the commit")
