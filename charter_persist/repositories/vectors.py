"""Documents found by their embeddings: collections, documents, and exact search.

A cache: no journal entry tells of it, no backup has it, and it may be dropped without loss. What a unit changed is
durable with its commit, and a search sees all that was committed before its view.

Cost: `upsert` two look-ups and two rows, a batch two look-ups and a row more for 500 documents. `search` reads the
collection once, then works in memory until a unit changes it; see ``vector_cache`` for how much memory that takes, and
when the database is asked instead.

Source: ENA-5, ENA-6, NEIGHBOURS 4 and 5.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from math import inf
from operator import attrgetter, itemgetter
from typing import Any, Final

from charter_persist.backends.contract import (
    VECTOR_COLLECTION,
    VECTOR_DOCUMENT,
    VECTOR_POINT,
    VectorCollectionRow,
    VectorDocumentRow,
)
from charter_persist.errors import AlreadyExistsError, InvalidInputError, LimitExceededError, NotFoundError
from charter_persist.model.canonical import load_canonical
from charter_persist.model.items import check_iterable
from charter_persist.model.records import Page
from charter_persist.model.text import check_text
from charter_persist.model.vector import (
    FLOAT32_BYTES,
    CollectionInfo,
    DistanceMetric,
    VectorDocument,
    VectorSearchResult,
    check_dimension,
    check_metric,
    content_bytes,
    embedding_bytes,
    embedding_of,
    metadata_bytes,
)
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.repositories.base import ReadContext, WriteContext, page_size
from charter_persist.repositories.paging import behind, page_by_name
from charter_persist.repositories.vector_block import Found, Query, damaged
from charter_persist.repositories.vector_cache import blocks_near, blocks_of, first_stamp, next_stamp

BY_ID: Final = ("collection", "id")
_BATCH_ROWS: Final = 500
_VERDICTS_MAX: Final = 65_536


class VectorReader:
    """Reads of collections and documents."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def collection_exists(self, collection: str) -> bool:
        """Whether there is a collection of that name."""
        return self._find(collection) is not None

    def info(self, collection: str) -> CollectionInfo:
        """Return what a collection is.

        Raises:
            NotFoundError: there is none of that name.
            InvalidKeyError: that is no name.
        """
        return _info(self._collection(collection))

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> Page[CollectionInfo]:
        """Return one page of collections, by the UTF-8 bytes of their names.

        Args:
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """

        def rows(after: str | None, count: int) -> Iterator[VectorCollectionRow]:
            return self._context.reader.scan(VECTOR_COLLECTION, ("name",), after=behind(after), limit=count)

        return page_by_name(self._context, limit, cursor, rows, name=attrgetter("name"), item=_info)

    def count(self, collection: str) -> int:
        """Return the number of documents of a collection.

        Raises:
            NotFoundError: there is no such collection.
        """
        return self._collection(collection).documents

    def get(self, collection: str, document_id: str) -> VectorDocument | None:
        """Return a document, or None where the collection has none of that id.

        Raises:
            NotFoundError: there is no such collection.
            InvalidKeyError: that is no name or id.
        """
        row = self._context.reader.get(VECTOR_DOCUMENT, (self._collection(collection).name, _id(document_id)))
        return None if row is None else _document(row)

    def require(self, collection: str, document_id: str) -> VectorDocument:
        """Return a document.

        Raises:
            NotFoundError: there is no such collection, or no document of that id in it.
        """
        document = self.get(collection, document_id)
        if document is None:
            raise _absent(collection, document_id)
        return document

    def iter(self, collection: str) -> Iterator[VectorDocument]:
        """Yield the documents of a collection by the UTF-8 bytes of their ids, in constant memory.

        Raises:
            NotFoundError: there is no such collection.
        """
        name = self._collection(collection).name
        return map(_document, self._context.reader.scan(VECTOR_DOCUMENT, BY_ID, prefix=(name,)))

    def list(self, collection: str, *, limit: int = 100, cursor: str | None = None) -> Page[VectorDocument]:
        """Return one page of documents, by the UTF-8 bytes of their ids.

        Args:
            collection: its name.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            NotFoundError: there is no such collection.
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        of_collection = (self._collection(collection).name,)

        def rows(after: str | None, count: int) -> Iterator[VectorDocumentRow]:
            scan = self._context.reader.scan
            return scan(VECTOR_DOCUMENT, BY_ID, prefix=of_collection, after=behind(after), limit=count)

        return page_by_name(self._context, limit, cursor, rows, name=attrgetter("id"), item=_document)

    def search(
        self,
        collection: str,
        query: Any,
        *,
        limit: int = 10,
        filter: VectorFilter | None = None,
        min_score: float | None = None,
    ) -> tuple[VectorSearchResult, ...]:
        """Return the documents nearest to a query: exact, the same on every backend, and in one order.

        Args:
            collection: its name.
            query: an embedding of the dimension of the collection; rounded to float32 as the documents are.
            limit: at most so many, 1 to ``page_items_max``.
            filter: only documents whose metadata it accepts.
            min_score: only documents of this score or a higher one.

        Returns:
            The highest score first, equal ones by the UTF-8 bytes of their ids. Scores are those of `DistanceMetric`,
            computed in double precision from the stored embeddings.

        Raises:
            NotFoundError: there is no such collection.
            DimensionError: the query has another dimension than the collection.
            InvalidInputError: query, limit, filter or min_score are not valid.
            NotSupportedError: NumPy is not installed.
            IntegrityError: a stored embedding is damaged.

        Spec: ENA-5
        """
        size = page_size(limit, self._context.options)
        row = self._collection(collection)
        metric = DistanceMetric(row.metric)
        embedding = embedding_bytes(query, dimension=row.dimension, metric=metric)
        wanted = Query(embedding, metric)
        accepts = _verdict(filter)
        least = _check_score(min_score)
        reader = self._context.reader
        best: Sequence[Found] = ()
        for block in blocks_of(reader, row) if accepts else blocks_near(reader, row, embedding, size):
            # Blocks come in the order of ids, and sorting leaves equal scores as they are.
            best = sorted([*best, *block.best(wanted, size, accepts)], key=itemgetter(0), reverse=True)[:size]
        return self._results(row.name, [found for found in best if found[0] >= least])

    def _results(self, collection: str, found: Sequence[Found]) -> tuple[VectorSearchResult, ...]:
        rows = self._context.reader.get_many(VECTOR_DOCUMENT, [(collection, name) for _, name in found])
        documents = {row.id: _document(row) for row in rows}
        return tuple(VectorSearchResult(documents[name], score) for score, name in found)

    def _find(self, collection: str) -> VectorCollectionRow | None:
        return self._context.reader.get(VECTOR_COLLECTION, (check_text(collection, field="collection"),))

    def _collection(self, collection: str) -> VectorCollectionRow:
        row = self._find(collection)
        if row is None:
            raise NotFoundError(
                f"there is no collection {collection}; ensure_collection makes it", collection=collection
            )
        return row


class VectorRepository(VectorReader):
    """Collections and documents of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self._stamped: set[str] = set()

    def ensure_collection(
        self, collection: str, dimension: int, metric: DistanceMetric | str = DistanceMetric.COSINE
    ) -> CollectionInfo:
        """Make a collection, or find that it is there; idempotent.

        Args:
            collection: its name, at most 512 bytes of UTF-8.
            dimension: numbers in each embedding, 1 to ``vector_dimension_max``.
            metric: ``cosine``, ``dot`` or ``euclidean``.

        Raises:
            AlreadyExistsError: it is there with another dimension or metric.
            InvalidInputError: name, dimension or metric are not valid.
            LimitExceededError: the dimension is too large.

        Spec: ENA-5
        """
        size, kind = check_dimension(dimension, self._context.options), check_metric(metric)
        row = self._find(collection)
        if row is None:
            self._context.make_room()
            row = VectorCollectionRow(collection, size, kind.value, 0, first_stamp())
            self._context.write.put(VECTOR_COLLECTION, row)
        elif (row.dimension, row.metric) != (size, kind):
            raise AlreadyExistsError(
                f"collection {collection} has dimension {row.dimension} and metric {row.metric}; "
                "delete it first, or give another name"
            )
        return _info(row)

    def delete_collection(self, collection: str) -> None:
        """Remove a collection with its documents; costs one read and one write a document.

        Raises:
            NotFoundError: there is no such collection.
        """
        row = self._collection(collection)
        with self._context.whole():
            self._context.make_room()
            self._context.write.delete(VECTOR_COLLECTION, (row.name,))  # its stamp goes before its documents
            for point in self._context.reader.scan(VECTOR_POINT, BY_ID, prefix=(row.name,)):
                self._context.make_room()
                self._context.write.delete(VECTOR_DOCUMENT, (row.name, point.id))

    def upsert(self, collection: str, document: VectorDocument) -> None:
        """Write a document in place of the one of its id; durable when the unit has committed.

        Raises:
            NotFoundError: there is no such collection.
            DimensionError: the embedding has another dimension than the collection.
            InvalidInputError: the document is not as `VectorDocument` says, or its embedding is zero under cosine.
            LimitExceededError: content or metadata are too large.

        Spec: ENA-5
        """
        self._write(collection, [document])

    def upsert_batch(self, collection: str, documents: Iterable[VectorDocument]) -> int:
        """Write documents, all or none; of several with one id the last one stands.

        Args:
            collection: its name.
            documents: at most ``batch_objects_max``, taken one after another; taking them may change the collection.

        Returns:
            How many were given.

        Raises:
            LimitExceededError: there are too many, or one is too large.
            CharterError: as for `upsert`. Where one is refused, the unit can no longer commit.

        Spec: ENA-5
        """
        self._collection(collection)
        maximum, count = self._context.options.batch_objects_max, 0
        waiting = check_iterable(documents, field="documents")
        with self._context.whole():
            while some := list(islice(waiting, _BATCH_ROWS)):
                count += len(some)
                if count > maximum:
                    raise LimitExceededError(limit="batch_objects_max", maximum=maximum, actual=count)
                self._write(collection, some)
        return count

    def delete(self, collection: str, document_id: str, *, missing_ok: bool = False) -> bool:
        """Remove a document.

        Returns:
            Whether it was there.

        Raises:
            NotFoundError: there is no such collection; or no such document, and ``missing_ok`` is not set.
        """
        row, name = self._collection(collection), _id(document_id)
        if self._context.reader.get(VECTOR_DOCUMENT, (row.name, name)) is None:
            if missing_ok:
                return False
            raise _absent(collection, name)
        with self._context.whole():
            self._put_collection(row, row.documents - 1)
            self._context.make_room()
            self._context.write.delete(VECTOR_DOCUMENT, (row.name, name))
        return True

    def search(self, collection: str, query: Any, **options: Any) -> tuple[VectorSearchResult, ...]:
        """As `VectorReader.search`; what the unit changed is seen."""
        self._stamped.discard(collection)
        return super().search(collection, query, **options)

    def _write(self, collection: str, documents: Sequence[object]) -> None:
        """Write documents of one collection, as it is now."""
        row = self._collection(collection)
        checked = [self._checked(row, document) for document in documents]
        rows = {(document.collection, document.id): document for document in checked}
        known = len(self._context.reader.get_many(VECTOR_DOCUMENT, list(rows)))
        with self._context.whole():
            self._put_collection(row, row.documents + len(rows) - known)
            for document in rows.values():
                self._context.make_room()
                size = len(document.embedding) + len(document.metadata) + len(document.content)
                self._context.write.put(VECTOR_DOCUMENT, document, size=size)

    def _put_collection(self, row: VectorCollectionRow, documents: int) -> None:
        """Write the row of a changed collection, with another stamp if the last one may have been searched by.

        Before its documents: whoever searches what was written half-way must not keep it as what was committed.
        """
        self._context.make_room()
        stamp = row.stamp if row.name in self._stamped else next_stamp(row.stamp)
        self._context.write.put(VECTOR_COLLECTION, row._replace(documents=documents, stamp=stamp))
        self._stamped.add(row.name)

    def _checked(self, row: VectorCollectionRow, document: object) -> VectorDocumentRow:
        if not isinstance(document, VectorDocument):
            raise InvalidInputError(f"a document must be a VectorDocument, got {type(document).__name__}")
        options = self._context.options
        return VectorDocumentRow(
            row.name,
            _id(document.id),
            embedding_bytes(document.embedding, dimension=row.dimension, metric=DistanceMetric(row.metric)),
            metadata_bytes(document.metadata, options),
            content_bytes(document.content, options),
        )


def _id(document_id: object) -> str:
    return check_text(document_id, field="document id")


def _absent(collection: str, document_id: str) -> NotFoundError:
    return NotFoundError(f"collection {collection} has no document {document_id}", id=document_id)


def _info(row: VectorCollectionRow) -> CollectionInfo:
    return CollectionInfo(row.name, row.dimension, DistanceMetric(row.metric), row.documents)


def _document(row: VectorDocumentRow) -> VectorDocument:
    if len(row.embedding) % FLOAT32_BYTES:
        raise damaged(row.collection)
    try:
        content = row.content.decode()
    except UnicodeDecodeError as exc:
        raise damaged(row.collection) from exc
    return VectorDocument(row.id, content, embedding_of(row.embedding), load_canonical(row.metadata))


def _verdict(condition: object) -> Any:
    """Tells of stored metadata whether they are wanted; equal ones are judged once. None where all are."""
    if condition is None:
        return None
    if not isinstance(condition, VectorFilter):
        raise InvalidInputError(f"filter must be a VectorFilter, got {condition!r}; see VectorFilter.equals")
    return lru_cache(_VERDICTS_MAX)(lambda metadata: condition.accepts(load_canonical(metadata)))


def _check_score(score: object) -> float:
    """The least score that counts."""
    if score is None:
        return -inf
    if type(score) not in (int, float) or not -inf < score < inf:  # type: ignore[operator]  # a number by then
        raise InvalidInputError(f"min_score must be a finite number, got {score!r}")
    return score  # type: ignore[return-value]  # a number, compared as it is: an integer may be beyond every float
