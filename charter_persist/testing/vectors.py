"""Conformance of the vector store: what is found, in which order, that it is of one moment, and what is refused.

What a search must find is computed here number by number, in plain Python, and never by the code that is judged.

Source: ENA-5, NEIGHBOURS 4 and 5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from math import fsum, sqrt
from random import Random
from typing import Any, Final

import pytest

from charter_persist.backends.contract import VECTOR_COLLECTION, VECTOR_DOCUMENT
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    DimensionError,
    IntegrityError,
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotCanonicalError,
    NotFoundError,
    NotSupportedError,
)
from charter_persist.model.limits import Options
from charter_persist.model.vector import CollectionInfo, DistanceMetric, VectorDocument
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.unit_of_work import UnitOfWork

DIMENSION: Final = 3
METRICS: Final = tuple(DistanceMetric)
SURROGATE: Final = "\ud800"
BAD_EMBEDDINGS: Final[dict[str, tuple[Any, type[CharterError], str]]] = {
    "too short": ([1.0, 2.0], DimensionError, "2"),
    "too long": ([1.0, 2.0, 3.0, 4.0], DimensionError, "4"),
    "empty": ([], DimensionError, "0"),
    "NaN": ([1.0, float("nan"), 0.0], InvalidInputError, "[1]"),
    "infinity": ([1.0, 0.0, float("inf")], InvalidInputError, "[2]"),
    "both infinities": ([float("inf"), float("-inf"), 0.0], InvalidInputError, "[0]"),
    "beyond float32": ([1e39, 0.0, 0.0], InvalidInputError, "float32"),
    "an integer beyond every float": ([10**400, 0, 0], InvalidInputError, "float32"),
    "a truth value": ([1.0, True, 0.0], InvalidInputError, "[1]"),
    "a text in it": ([1.0, "2", 0.0], InvalidInputError, "[1]"),
    "null in it": ([1.0, None, 0.0], InvalidInputError, "[1]"),
    "a list in it": ([1.0, [2.0], 0.0], InvalidInputError, "[1]"),
    "zero": ([0.0, 0.0, 0.0], InvalidInputError, "zero"),
    "zero in float32": ([1e-60, 0.0, 0.0], InvalidInputError, "zero"),
    "a text": ("123", InvalidInputError, "str"),
    "bytes": (b"123", InvalidInputError, "bytes"),
    "a number": (1.0, InvalidInputError, "float"),
    "nothing": (None, InvalidInputError, "None"),
    "a dictionary": ({0: 1.0, 1: 2.0, 2: 3.0}, InvalidInputError, "dict"),
}
BAD_DOCUMENTS: Final[dict[str, tuple[dict[str, Any], type[CharterError], str]]] = {
    "an empty id": ({"id": ""}, InvalidKeyError, "id"),
    "an id that is no text": ({"id": 7}, InvalidKeyError, "id"),
    "a control character in the id": ({"id": "a\x00"}, InvalidKeyError, "id"),
    "an id too long": ({"id": "a" * 513}, LimitExceededError, "id"),
    "content that is no text": ({"content": b"text"}, InvalidInputError, "content"),
    "a lone surrogate in the content": ({"content": SURROGATE}, InvalidInputError, "content"),
    "metadata that are no dictionary": ({"metadata": [1]}, NotCanonicalError, "metadata"),
    "metadata with NaN": ({"metadata": {"a": float("nan")}}, NotCanonicalError, "finite"),
    "metadata with bytes": ({"metadata": {"a": b""}}, NotCanonicalError, "bytes"),
    "metadata with a key that is no text": ({"metadata": {1: 2}}, NotCanonicalError, "key"),
}


def document(name: str, *embedding: float, **metadata: Any) -> VectorDocument:
    """A document; its content is its name."""
    return VectorDocument(name, name, list(embedding), metadata)


def single(value: float) -> float:
    """A number as float32 keeps it."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def expected_score(metric: DistanceMetric, query: Any, embedding: Any) -> float:
    """The score by the formula of the metric, each sum exact."""
    q, x = [single(value) for value in query], [single(value) for value in embedding]
    if metric is DistanceMetric.EUCLIDEAN:
        return -sqrt(fsum((a - b) ** 2 for a, b in zip(q, x, strict=True)))
    product = fsum(a * b for a, b in zip(q, x, strict=True))
    if metric is DistanceMetric.DOT:
        return product
    return product / sqrt(fsum(a * a for a in q)) / sqrt(fsum(a * a for a in x))


def ensure(uow: UnitOfWork, *, name: str = "c", dimension: int = DIMENSION, metric: str = "cosine") -> None:
    """Make a collection."""
    uow.vectors.ensure_collection(name, dimension, metric)


def upsert(uow: UnitOfWork, *, name: str, written: VectorDocument) -> None:
    """Write a document."""
    uow.vectors.upsert(name, written)


def upsert_batch(uow: UnitOfWork, *, written: Any) -> None:
    """Write what is given for documents."""
    uow.vectors.upsert_batch("c", written)


def fill(store: Store, *documents: VectorDocument, metric: DistanceMetric = DistanceMetric.COSINE) -> None:
    """Make the collection ``c`` and write documents into it."""

    def write(uow: UnitOfWork) -> None:
        uow.vectors.ensure_collection("c", DIMENSION, metric)
        uow.vectors.upsert_batch("c", documents)

    store.run(write)


def found(store: Store, query: Any, **options: Any) -> list[str]:
    """Ids of what a search of ``c`` finds, in its order."""
    with store.read() as view:
        return [result.document.id for result in view.vectors.search("c", query, **options)]


@pytest.mark.spec("ENA-5")
class VectorConformance(StoreFixtures):
    """Collections and documents: written, read, listed, changed, removed."""

    def test_a_document_is_read_as_it_was_written(self, store: Store) -> None:
        """Any text, any metadata; the embedding as float32 keeps it."""
        metadata = {"lang": "é", "nested": {"list": [1, 2.5, None, True]}}
        written = VectorDocument("é/1", "zero \x00, line\nend \U0001f600", [1, 0.1, -2.5e-3], metadata)
        fill(store, written, document("empty", 1, 2, 3))
        with store.read() as view:
            read = view.vectors.require("c", "é/1")
            assert (read.id, read.content, read.metadata) == (written.id, written.content, metadata)
            assert read.embedding == tuple(map(single, written.embedding))
            assert view.vectors.require("c", "empty").metadata == {}
            assert view.vectors.get("c", "absent") is None
            with refused(NotFoundError, "absent"):
                view.vectors.require("c", "absent")

    def test_what_was_read_can_be_written_again(self, store: Store, backdoor: BackDoor) -> None:
        """Its bytes stay what they are."""
        fill(store, document("a", 0.1, 0.2, 0.3, k=1))
        (before,) = backdoor.raw_rows(VECTOR_DOCUMENT)
        with store.read() as view:
            read = view.vectors.require("c", "a")
        store.run(lambda uow: uow.vectors.upsert("c", read))
        assert backdoor.raw_rows(VECTOR_DOCUMENT) == [before]

    def test_a_document_replaces_the_one_of_its_id(self, store: Store) -> None:
        """In one unit and in several; the count says how many there are."""
        fill(store, document("a", 1, 0, 0), document("b", 0, 1, 0), document("a", 0, 0, 1))
        with store.read() as view:
            assert view.vectors.count("c") == 2
            assert view.vectors.require("c", "a").embedding == (0, 0, 1)
        store.run(lambda uow: uow.vectors.upsert("c", document("a", 0, 1, 1)))
        with store.read() as view:
            assert view.vectors.count("c") == 2
            assert view.vectors.require("c", "a").embedding == (0, 1, 1)
        assert found(store, [0, 1, 0]) == ["b", "a"]

    def test_a_collection_is_made_once(self, store: Store) -> None:
        """The same again is no change; another dimension or metric is refused and changes nothing."""
        fill(store, document("a", 1, 0, 0))
        made = store.run(lambda uow: uow.vectors.ensure_collection("c", DIMENSION)).value
        assert made == CollectionInfo("c", DIMENSION, DistanceMetric.COSINE, 1)
        for dimension, metric in ((DIMENSION + 1, "cosine"), (DIMENSION, "dot")):
            with refused(AlreadyExistsError, "dimension 3", "cosine"):
                store.run(partial(ensure, dimension=dimension, metric=metric))
        with store.read() as view:
            assert view.vectors.info("c") == made
            assert view.vectors.collection_exists("c")
            assert not view.vectors.collection_exists("d")

    def test_a_collection_goes_with_its_documents_and_no_others(self, store: Store, backdoor: BackDoor) -> None:
        """One of the same name is a new one, with another dimension if that is wanted."""
        fill(store, *[document(str(n), 1, n, 0) for n in range(5)])
        for name in ("b", "c2", "c\U0001f600"):
            store.run(partial(ensure, name=name, dimension=2))
            store.run(partial(upsert, name=name, written=VectorDocument("x", "", [1, 1])))
        store.run(lambda uow: uow.vectors.delete_collection("c"))
        assert {row.collection for row in backdoor.raw_rows(VECTOR_DOCUMENT)} == {"b", "c2", "c\U0001f600"}
        with store.read() as view:
            assert not view.vectors.collection_exists("c")
        store.run(lambda uow: uow.vectors.ensure_collection("c", 1, "dot"))
        with store.read() as view:
            assert view.vectors.info("c") == CollectionInfo("c", 1, DistanceMetric.DOT, 0)
            assert view.vectors.search("c", [1]) == ()

    def test_a_unit_may_delete_and_make_a_collection(self, store: Store) -> None:
        """What it finds then is what it wrote then."""
        fill(store, document("a", 1, 0, 0))
        assert found(store, [1, 0, 0]) == ["a"]
        with store.begin() as uow:
            uow.vectors.upsert("c", document("late", 1, 0, 0))
            uow.vectors.delete_collection("c")
            with refused(NotFoundError, "c"):
                uow.vectors.search("c", [1, 0, 0])
            uow.vectors.ensure_collection("c", DIMENSION)
            assert uow.vectors.search("c", [1, 0, 0]) == ()
            uow.vectors.upsert("c", document("b", 1, 0, 0))
            assert [each.document.id for each in uow.vectors.search("c", [1, 0, 0])] == ["b"]
        assert found(store, [1, 0, 0]) == ["b"]

    def test_a_deleted_document_is_gone(self, store: Store) -> None:
        """An absent one is refused, unless the caller said that it may be missing."""
        fill(store, document("a", 1, 0, 0), document("b", 0, 1, 0))
        assert store.run(lambda uow: uow.vectors.delete("c", "a")).value
        with store.read() as view:
            assert (view.vectors.count("c"), view.vectors.get("c", "a")) == (1, None)
        assert found(store, [1, 0, 0]) == ["b"]
        with refused(NotFoundError, "no document a"):
            store.run(lambda uow: uow.vectors.delete("c", "a"))
        assert not store.run(lambda uow: uow.vectors.delete("c", "a", missing_ok=True)).value

    def test_documents_come_in_the_order_of_their_bytes(self, store: Store) -> None:
        """All at once and by pages; collections too."""
        names = ["Z", "a", "a b", "é", "\ufb33", "\U0001f600"]
        fill(store, *[document(name, 1, 0, 0) for name in reversed(names)])
        for name in names:
            store.run(partial(ensure, name=name, dimension=2))
        with store.read() as view:
            assert [each.id for each in view.vectors.iter("c")] == names
            assert list(view.vectors.iter("Z")) == []
            assert pages(lambda cursor: view.vectors.list("c", limit=4, cursor=cursor)) == [names[:4], names[4:]]
            listed = pages(lambda cursor: view.vectors.list_collections(limit=2, cursor=cursor))
            assert [name for page in listed for name in page] == sorted(["c", *names], key=str.encode)
            assert view.vectors.list_collections().items[1] == CollectionInfo("a", 2, DistanceMetric.COSINE, 0)

    def test_a_batch_beyond_every_buffer_is_whole(self, store: Store) -> None:
        """Each document is found by its own embedding, and the count is right."""
        many = 2_500
        fill(store, *[document(f"{n:04}", 1, n, n * n % 7) for n in range(many)])
        with store.read() as view:
            assert view.vectors.count("c") == many
            assert [each.id for each in view.vectors.iter("c")] == [f"{n:04}" for n in range(many)]
        store.run(lambda uow: uow.vectors.delete_collection("c"))
        with store.read() as view:
            assert view.vectors.list_collections().items == ()

    def test_taking_a_batch_may_change_its_collection(self, store: Store, backdoor: BackDoor) -> None:
        """Each document is counted once, also those that were written, removed and searched for meanwhile."""
        fill(store, document("a", 1, 0, 0), document("old", 1, 0, 0))

        def given(uow: UnitOfWork) -> Iterator[VectorDocument]:
            for n in range(1_200):
                yield document(f"{n:04}", 1, n, 0)
                if n % 300 == 0:
                    uow.vectors.upsert("c", document(f"extra {n}", 0, 1, 0))
                    assert uow.vectors.search("c", [0, 1, 0], limit=1)[0].document.id == "extra 0"
            uow.vectors.delete("c", "old")

        written = store.run(lambda uow: uow.vectors.upsert_batch("c", given(uow))).value
        assert written == 1_200
        with store.read() as view:
            assert view.vectors.count("c") == len(list(view.vectors.iter("c"))) == 1_200 + 4 + 1
        assert len(backdoor.raw_rows(VECTOR_DOCUMENT)) == 1_205

    def test_a_collection_that_goes_while_a_batch_is_taken_stays_away(self, store: Store, backdoor: BackDoor) -> None:
        """The rest of the batch is refused, and with it the unit; one that was made anew takes what fits it."""
        fill(store, document("a", 1, 0, 0))

        def given(uow: UnitOfWork, *, made_anew: bool) -> Iterator[VectorDocument]:
            yield from (document(f"{n:04}", 1, n, 0) for n in range(600))
            uow.vectors.delete_collection("c")
            if made_anew:
                uow.vectors.ensure_collection("c", DIMENSION)
            yield document("last", 1, 0, 0)

        with nothing_written(backdoor), refused(NotFoundError, "c"):
            store.run(lambda uow: uow.vectors.upsert_batch("c", given(uow, made_anew=False)))
        store.run(lambda uow: uow.vectors.upsert_batch("c", given(uow, made_anew=True)))
        with store.read() as view:
            assert view.vectors.count("c") == len(list(view.vectors.iter("c"))) == 101

    def test_what_a_unit_changes_leaves_no_journal_entry(self, store: Store) -> None:
        """And no revision: the store of vectors is a cache."""
        before = store.run(lambda uow: uow.metadata.set("a", 1)).receipt
        assert before is not None
        with store.begin() as uow:
            uow.vectors.ensure_collection("c", DIMENSION)
            uow.vectors.upsert("c", document("a", 1, 0, 0))
        assert uow.receipt is None
        with store.read() as view:
            assert view.revision == before.revision
            assert view.vectors.count("c") == 1

    def test_the_past_is_not_known(self, store: Store) -> None:
        """Asking for it is refused, and does not answer with the present."""
        fill(store, document("a", 1, 0, 0))
        with store.read(as_of=0) as view:
            for ask in (
                lambda: view.vectors.info("c"),
                lambda: view.vectors.get("c", "a"),
                lambda: view.vectors.search("c", [1, 0, 0]),
                lambda: view.vectors.list_collections(),
            ):
                with refused(NotSupportedError, "vector_collection"):
                    ask()


@pytest.mark.spec("ENA-5")
class VectorSearchConformance(StoreFixtures):
    """What a search finds, and when it sees what was written."""

    @pytest.mark.parametrize("metric", METRICS)
    def test_scores_are_those_of_the_formula(self, store: Store, metric: DistanceMetric) -> None:
        """Of every document, the nearest first; a higher score is nearer with each metric."""
        random = Random(5)  # noqa: S311  # chance, not a secret
        given = {f"{n}": [random.gauss(0, 1) for _ in range(DIMENSION)] for n in range(60)}
        query = [random.gauss(0, 1) for _ in range(DIMENSION)]
        fill(store, *[document(name, *values) for name, values in given.items()], metric=metric)
        wanted = {name: expected_score(metric, query, values) for name, values in given.items()}
        with store.read() as view:
            results = view.vectors.search("c", query, limit=100)
            assert [result.document.id for result in results] == sorted(wanted, key=lambda name: -wanted[name])
            for result in results:
                assert result.score == pytest.approx(wanted[result.document.id], abs=1e-12)
                assert type(result.score) is float
                assert result.document == view.vectors.require("c", result.document.id)
            for limit in (1, 7, 59, 60):
                assert view.vectors.search("c", query, limit=limit) == results[:limit]

    @pytest.mark.parametrize("metric", METRICS)
    def test_what_is_equally_near_comes_by_its_id(self, store: Store, metric: DistanceMetric) -> None:
        """Also at the edge of the limit, and whichever was written first."""
        names = ["\U0001f600", "é", "a", "Z", *[f"m{n:03}" for n in range(300)]]
        Random(3).shuffle(names)  # noqa: S311  # chance, not a secret
        fill(store, document("nearest", 3, 3, 3), *[document(name, 0.1, 0.7, 0.3) for name in names], metric=metric)
        order = ["nearest", *sorted(names, key=str.encode)]
        query = [3, 3, 3] if metric is not DistanceMetric.COSINE else [1, 1, 1]
        for limit in (1, 2, 3, 17, 1_000):
            assert found(store, query, limit=limit) == order[:limit]

    def test_a_document_is_nearest_to_itself(self, store: Store) -> None:
        """Its own embedding has distance 0 and a cosine of 1, as near as a double can tell."""
        fill(store, document("a", 0.1, 0.2, 0.3), document("b", 0.3, 0.1, 0.2), metric=DistanceMetric.EUCLIDEAN)
        with store.read() as view:
            (result,) = view.vectors.search("c", [0.1, 0.2, 0.3], limit=1)
            assert (result.document.id, result.score) == ("a", 0.0)

    def test_lengths_at_the_ends_of_float32_lose_nothing(self, store: Store) -> None:
        """Products that overflow or vanish in float32 are scored all the same."""
        given: dict[str, list[float]] = {
            "huge": [3e38, 1e38, 0],
            "tiny": [1e-40, 3e-41, 0],
            "plain": [1, 0.5, 0],
            "other": [0, 0, 1],
        }
        for metric in METRICS:
            fill(store, *[document(name, *values) for name, values in given.items()], metric=metric)
            for query in ([3e38, 2e38, 0], [1e-40, 1e-40, 1e-41], [1, 1, 0.5]):
                wanted = {name: expected_score(metric, query, values) for name, values in given.items()}
                assert found(store, query, limit=3) == sorted(wanted, key=lambda name: (-wanted[name], name))[:3]
            store.run(lambda uow: uow.vectors.delete_collection("c"))

    def test_a_filter_and_a_least_score_narrow_before_the_limit(self, store: Store) -> None:
        """The nearest of those that are wanted, and not those of the nearest that are wanted."""
        fill(store, *[document(f"{n:02}", 1, n / 10, 0, n=n, even=n % 2 == 0) for n in range(20)])
        query = [1, 0, 0]
        assert found(store, query, limit=3, filter=VectorFilter.between("n", ge=15)) == ["15", "16", "17"]
        even = VectorFilter.equals("even", True)
        assert found(store, query, limit=2, filter=even & ~VectorFilter.is_in("n", [0, 2])) == ["04", "06"]
        assert found(store, query, filter=VectorFilter.equals("absent", 1)) == []
        assert found(store, query, min_score=0.999) == ["00"]
        assert found(store, query, min_score=1.0) == ["00"]
        for score in (2, 10**400):
            assert found(store, query, min_score=score) == []
        assert len(found(store, query, limit=100, min_score=-(10**400))) == 20

    def test_a_unit_finds_what_it_wrote_and_nobody_else_does(self, store: Store) -> None:
        """Until it commits; after a rollback nobody ever does."""
        fill(store, document("a", 1, 0, 0))
        assert found(store, [0, 1, 0]) == ["a"]
        with store.begin() as uow:
            for n in range(3):
                uow.vectors.upsert("c", document(f"b{n}", 0, 1, n))
                assert len(uow.vectors.search("c", [0, 1, 0])) == n + 2
            uow.vectors.delete("c", "a")
            assert [each.document.id for each in uow.vectors.search("c", [0, 1, 0])] == ["b0", "b1", "b2"]
            assert uow.vectors.count("c") == 3
            assert found(store, [0, 1, 0]) == ["a"]
        assert found(store, [0, 1, 0]) == ["b0", "b1", "b2"]
        with pytest.raises(ZeroDivisionError), store.begin() as uow:
            uow.vectors.upsert("c", document("undone", 0, 1, 0))
            assert "undone" in [each.document.id for each in uow.vectors.search("c", [0, 1, 0])]
            raise ZeroDivisionError
        assert found(store, [0, 1, 0]) == ["b0", "b1", "b2"]
        store.run(lambda uow: uow.vectors.upsert("c", document("done", 0, 1, 0)))
        assert found(store, [0, 1, 0]) == ["b0", "done", "b1", "b2"]

    def test_a_view_finds_what_was_there_when_it_was_opened(self, store: Store) -> None:
        """Whatever was searched and written meanwhile, and in whichever order."""
        fill(store, document("a", 1, 0, 0))
        with store.read() as old:
            store.run(lambda uow: uow.vectors.upsert("c", document("b", 1, 0, 0)))
            with store.read() as new:
                for _ in range(2):
                    assert [each.document.id for each in new.vectors.search("c", [1, 0, 0])] == ["a", "b"]
                    assert [each.document.id for each in old.vectors.search("c", [1, 0, 0])] == ["a"]

    def test_another_handle_finds_what_was_committed(self, open_store: OpenStore) -> None:
        """At once, also where it searched before."""
        with open_store() as one, open_store() as two:
            fill(one, document("a", 1, 0, 0))
            assert found(two, [1, 0, 0]) == ["a"]
            two.run(lambda uow: uow.vectors.upsert("c", document("a", 0, 1, 0)))
            two.run(lambda uow: uow.vectors.upsert("c", document("b", 1, 0, 0)))
            assert found(one, [1, 0, 0]) == ["b", "a"]
            one.run(lambda uow: uow.vectors.delete("c", "b"))
            assert found(two, [1, 0, 0]) == ["a"]

    def test_a_damaged_document_is_no_answer(self, store: Store, backdoor: BackDoor) -> None:
        """A search says so; it neither leaves the document out nor guesses."""
        fill(store, document("a", 1, 0, 0), document("b", 0, 1, 0))
        good = backdoor.raw_get(VECTOR_DOCUMENT, ("c", "a"))
        assert good is not None
        nan = struct.pack("<3f", 1, float("nan"), 0)
        for embedding in (good.embedding[:-1], nan, bytes(12)):
            backdoor.raw_put(VECTOR_DOCUMENT, good._replace(embedding=embedding))
            with refused(IntegrityError, "collection c"):
                found(store, [1, 0, 0])


@pytest.mark.spec("ENA-5")
class VectorInputConformance(StoreFixtures):
    """Bad input: one typed error, nothing written."""

    @pytest.mark.parametrize("name", BAD_EMBEDDINGS)
    def test_a_bad_embedding_is_refused(self, store: Store, backdoor: BackDoor, name: str) -> None:
        """In a document, in a batch behind good ones, and as a query."""
        embedding, error, word = BAD_EMBEDDINGS[name]
        fill(store, document("a", 1, 0, 0))
        bad = VectorDocument("bad", "", embedding)
        with nothing_written(backdoor):
            with refused(error, word) as caught:
                store.run(lambda uow: uow.vectors.upsert("c", bad))
            with refused(error, word):
                store.run(lambda uow: uow.vectors.upsert_batch("c", [document("b", 1, 1, 1), bad]))
            with refused(error, word), store.read() as view:
                view.vectors.search("c", embedding)
        if isinstance(caught.value, DimensionError):
            assert (caught.value.expected, caught.value.actual) == (DIMENSION, len(embedding))

    @pytest.mark.parametrize("name", BAD_DOCUMENTS)
    def test_a_bad_document_is_refused(self, store: Store, backdoor: BackDoor, name: str) -> None:
        """Its id, its content, its metadata."""
        fields, error, word = BAD_DOCUMENTS[name]
        fill(store)
        bad = VectorDocument(**{"id": "a", "content": "", "embedding": [1, 2, 3], **fields})
        with nothing_written(backdoor), refused(error, word):
            store.run(lambda uow: uow.vectors.upsert("c", bad))

    def test_what_is_no_document_is_refused(self, store: Store) -> None:
        """A dictionary that looks like one, too."""
        fill(store)
        bad: Any = {"id": "a", "content": "", "embedding": [1, 2, 3], "metadata": {}}
        with refused(InvalidInputError, "VectorDocument"):
            store.run(lambda uow: uow.vectors.upsert("c", bad))
        for batch in (bad, None, 7):
            with refused(InvalidInputError, "document"):
                store.run(partial(upsert_batch, written=batch))

    def test_a_batch_that_failed_half_way_commits_nothing(self, store: Store) -> None:
        """Even where the caller caught the error; what was written before it is undone."""
        fill(store)
        many = [document(f"{n:04}", 1, n, 0) for n in range(1_200)]
        with pytest.raises(CharterError), store.begin() as uow:
            with refused(DimensionError):
                uow.vectors.upsert_batch("c", [*many, document("bad", 1)])
        with store.read() as view:
            assert view.vectors.count("c") == 0

    def test_an_unknown_collection_is_refused_by_every_call(self, store: Store, backdoor: BackDoor) -> None:
        """Reads and writes; none is made by the way."""
        calls: list[Callable[[UnitOfWork], Any]] = [
            lambda uow: uow.vectors.info("none"),
            lambda uow: uow.vectors.count("none"),
            lambda uow: uow.vectors.get("none", "a"),
            lambda uow: uow.vectors.require("none", "a"),
            lambda uow: uow.vectors.iter("none"),
            lambda uow: uow.vectors.list("none"),
            lambda uow: uow.vectors.search("none", [1, 2, 3]),
            lambda uow: uow.vectors.upsert("none", document("a", 1, 2, 3)),
            lambda uow: uow.vectors.upsert_batch("none", []),
            lambda uow: uow.vectors.delete("none", "a"),
            lambda uow: uow.vectors.delete_collection("none"),
        ]
        with nothing_written(backdoor):
            for call in calls:
                with refused(NotFoundError, "no collection none"):
                    store.run(call)

    @pytest.mark.parametrize("name", ["", "a\n", SURROGATE, 7, None])
    def test_a_bad_name_of_a_collection_is_refused(self, store: Store, name: Any) -> None:
        """For making one and for asking about one."""
        with refused(InvalidKeyError, "collection"):
            store.run(lambda uow: uow.vectors.ensure_collection(name, 3))
        with refused(InvalidKeyError, "collection"), store.read() as view:
            view.vectors.collection_exists(name)

    @pytest.mark.parametrize("dimension", [0, -1, True, 3.0, "3", None])
    def test_a_bad_dimension_is_refused(self, store: Store, dimension: Any) -> None:
        """It is an integer of 1 or more."""
        with refused(InvalidInputError, "dimension"):
            store.run(lambda uow: uow.vectors.ensure_collection("c", dimension))

    @pytest.mark.parametrize("metric", ["manhattan", "", None, 1, "COSINE"])
    def test_a_bad_metric_is_refused(self, store: Store, metric: Any) -> None:
        """There are three."""
        with refused(InvalidInputError, "cosine, dot or euclidean"):
            store.run(lambda uow: uow.vectors.ensure_collection("c", 3, metric))

    def test_limits_are_named(self, open_store: OpenStore) -> None:
        """Dimension, content, metadata, batch and page."""
        small = Options(
            vector_dimension_max=4,
            vector_content_bytes_max=5,
            vector_metadata_bytes_max=7,
            batch_objects_max=600,
            page_items_max=10,
        )
        good = VectorDocument("a", "éé!", [1, 2, 3], {"a": 1})
        tries: dict[str, Callable[[UnitOfWork], Any]] = {
            "vector_dimension_max": lambda uow: uow.vectors.ensure_collection("d", 5),
            "vector_content_bytes_max": lambda uow: uow.vectors.upsert("c", VectorDocument("a", "ééé", [1, 2, 3])),
            "vector_metadata_bytes_max": lambda uow: uow.vectors.upsert("c", document("a", 1, 2, 3, a=10)),
            "batch_objects_max": lambda uow: uow.vectors.upsert_batch("c", (good for _ in range(601))),
            "page_items_max": lambda uow: uow.vectors.search("c", [1, 2, 3], limit=11),
        }
        with open_store(options=small) as store:
            fill(store, good)
            assert store.run(lambda uow: uow.vectors.upsert_batch("c", [good] * 600)).value == 600
            for limit, call in tries.items():
                with refused(LimitExceededError) as caught:
                    store.run(call)
                assert caught.value.limit == limit  # type: ignore[attr-defined]  # a LimitExceededError
        with open_store() as store, refused(LimitExceededError, "65536"):
            store.run(lambda uow: uow.vectors.ensure_collection("e", 65_537))

    def test_bad_options_of_a_search_are_refused(self, store: Store) -> None:
        """Limit, filter, least score, cursor."""
        fill(store, document("a", 1, 0, 0))
        bad: list[dict[str, Any]] = [
            *[{"limit": limit} for limit in (0, -1)],
            *[{"filter": condition} for condition in ({"a": 1}, "a", dict, ["a"])],
            *[{"min_score": score} for score in (float("nan"), float("inf"), float("-inf"), "1", True)],
        ]
        with store.read() as view:
            for options in bad:
                with refused(InvalidInputError, *options):
                    view.vectors.search("c", [1, 0, 0], **options)
            for listing in (
                lambda: view.vectors.list("c", cursor="?"),
                lambda: view.vectors.list_collections(cursor="?"),
            ):
                with refused(InvalidInputError, "cursor"):
                    listing()

    def test_the_most_dimensions_are_searched(self, store: Store, backdoor: BackDoor) -> None:
        """An embedding of 65,536 numbers is kept whole."""
        size = 65_536
        store.run(lambda uow: uow.vectors.ensure_collection("wide", size, "dot"))
        wide = [VectorDocument(f"{n}", "", [float(n)] * size) for n in range(3)]
        store.run(lambda uow: uow.vectors.upsert_batch("wide", wide))
        assert {len(row.embedding) for row in backdoor.raw_rows(VECTOR_DOCUMENT)} == {4 * size}
        with store.read() as view:
            results = view.vectors.search("wide", [1.0] * size)
        assert [(each.document.id, each.score) for each in results] == [
            ("2", 2.0 * size),
            ("1", 1.0 * size),
            ("0", 0.0),
        ]
        assert [row.documents for row in backdoor.raw_rows(VECTOR_COLLECTION)] == [3]


def pages(list_page: Callable[[str | None], Any]) -> list[list[str]]:
    """Names of the items of all pages."""
    cursor: str | None = None
    all_pages: list[list[str]] = []
    while not all_pages or cursor is not None:
        page = list_page(cursor)
        all_pages.append([getattr(item, "id", None) or item.name for item in page.items])
        cursor = page.cursor
    return all_pages
