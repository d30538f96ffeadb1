"""The nearest embeddings of a block that is in memory, exactly, in NumPy.

One multiplication in float32 finds the candidates: every row that can be among the best, by the bound of what float32
may be wrong by. Only these are scored again in double precision, each by itself. So scores and order follow from the
embeddings and the query alone: the same on every backend, processor and BLAS, wherever a row stands.

Cost: one read of the matrix, and a few passes over one number a row. NumPy is imported when a search needs it; who makes
blocks of it is `vector_cache`. Imports ``backends.contract``, ``model`` and ``errors``. Source: ENA-5.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import Any, Final

from charter_persist.backends.contract import VectorPointRow
from charter_persist.errors import IntegrityError, NotSupportedError
from charter_persist.model.vector import FLOAT32_BYTES, DistanceMetric

# Half a unit in the last place of float32.
_ROUNDING: Final = 2.0**-24
# Within these lengths no product of float32 overflows, and none that counts underflows.
_LENGTH_MIN: Final = 1e-15
_LENGTH_MAX: Final = 1e15
_ROWS_AT_ONCE: Final = 1_024
_EXACT_BYTES: Final = 16 * 1024 * 1024
# A string, a bytes object, and the places that name them.
_ROW_BYTES: Final = 128

Found = tuple[float, str]
"""A score and the id of the document that has it."""


@cache
def numpy() -> Any:
    """NumPy.

    Raises:
        NotSupportedError: it is not installed.
    """
    try:
        return importlib.import_module("numpy")
    except ImportError as exc:
        raise NotSupportedError("searching vectors needs NumPy; pip install 'charter-persist[vectors]'") from exc


class Query:
    """What is searched for.

    Args:
        embedding: as stored.
        metric: of the collection.
    """

    def __init__(self, embedding: bytes, metric: DistanceMetric) -> None:
        np = numpy()
        self.metric = metric
        self.single = np.frombuffer(embedding, dtype="<f4")
        self.double = self.single.astype(np.float64)
        self.length = float(np.sqrt((self.double * self.double).sum()))
        self.is_plain = self.length == 0 or _LENGTH_MIN <= self.length <= _LENGTH_MAX


class Block:
    """Some documents of a collection, in the order of their ids.

    Args:
        points: in that order; at least one.
        dimension: of each embedding.
        rows_max: so many are taken; the memory for them is asked for at once.

    Attributes:
        size: bytes that it takes, about.

    Raises:
        IntegrityError: an embedding is not of that dimension, or not finite.
    """

    def __init__(self, points: Iterable[VectorPointRow], dimension: int, rows_max: int) -> None:
        np = numpy()
        matrix = np.empty((rows_max, dimension), dtype="<f4")
        known: dict[bytes, bytes] = {}
        self._collection = ""
        self._ids: list[str] = []
        self._metadata: list[bytes] = []
        waiting = islice(points, rows_max)
        while some := list(islice(waiting, _ROWS_AT_ONCE)):
            self._collection = some[0].collection
            if any(len(point.embedding) != dimension * FLOAT32_BYTES for point in some):
                raise damaged(self._collection)
            joined = b"".join([point.embedding for point in some])
            matrix[len(self._ids) : len(self._ids) + len(some)] = np.frombuffer(joined, "<f4").reshape(-1, dimension)
            self._ids += [point.id for point in some]
            self._metadata += [known.setdefault(point.metadata, point.metadata) for point in some]
        self._matrix = matrix[: len(self._ids)]
        self._lengths = np.sqrt(np.einsum("ij,ij->i", self._matrix, self._matrix, dtype=np.float64))
        self._longest = float(self._lengths.max())
        if not np.isfinite(self._lengths).all():
            raise damaged(self._collection)
        within = (self._lengths >= _LENGTH_MIN) | (self._lengths == 0)
        self._is_plain = bool(within.all()) and self._longest <= _LENGTH_MAX
        self.size = matrix.nbytes + sum(map(len, known)) + len(self._ids) * _ROW_BYTES

    def best(self, query: Query, limit: int, accepts: Callable[[bytes], bool] | None) -> list[Found]:
        """The nearest documents, the nearest first, equally near ones by id.

        Args:
            query: what is searched for.
            limit: at most so many.
            accepts: tells which metadata are wanted; None for all.
        """
        np = numpy()
        if query.metric is DistanceMetric.COSINE and not self._lengths.all():
            raise damaged(self._collection)
        if accepts is None:
            rows = np.arange(len(self._ids))
        else:
            rows = np.flatnonzero([accepts(metadata) for metadata in self._metadata])
        if len(rows) > limit:
            rows = rows[self._candidates(query, limit, rows)]
        scores = self._exact(query, rows)
        nearest = np.argsort(-scores, kind="stable")[:limit]  # rows are in the order of ids
        return [(float(scores[i]), self._ids[rows[i]]) for i in nearest]

    def _candidates(self, query: Query, limit: int, rows: Any) -> Any:
        """Which of the rows can be among the best: none of the others is, whatever float32 made of it."""
        np = numpy()
        if not (self._is_plain and query.is_plain):
            return slice(None)
        # A BLAS was seen, once, to report an invalid value where none can come about: what counts is what it returned.
        with np.errstate(all="ignore"):
            products = (self._matrix @ query.single).astype(np.float64)
        if not np.isfinite(products).all():
            return slice(None)
        # The bound of an inner product, whatever the order it is summed in; the 2 is for what is done with it below.
        error = 1.01 * (len(query.single) + 2) * _ROUNDING * self._longest * query.length
        if query.metric is DistanceMetric.COSINE:
            products /= self._lengths  # the length of the query changes no order
            error /= max(_LENGTH_MIN, float(self._lengths.min()))
        elif query.metric is DistanceMetric.EUCLIDEAN:
            products -= self._lengths * self._lengths / 2  # and what the query adds to the distance neither
            error += 1e-14 * self._longest * self._longest
        near = products if len(rows) == len(products) else products[rows]
        last = np.partition(near, len(near) - limit)[len(near) - limit]
        return np.flatnonzero(near >= last - 2 * error)

    def _exact(self, query: Query, rows: Any) -> Any:
        """The scores of rows in double precision; each is summed by itself, in the same order wherever it stands."""
        np = numpy()
        step = max(1, _EXACT_BYTES // (8 * len(query.double)))
        parts = [self._scores(query, self._matrix[rows[at : at + step]]) for at in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _scores(self, query: Query, matrix: Any) -> Any:
        np = numpy()
        double = matrix.astype(np.float64)
        if query.metric is DistanceMetric.EUCLIDEAN:
            double -= query.double
            return 0.0 - np.sqrt((double * double).sum(axis=1))
        products = (double * query.double).sum(axis=1)
        if query.metric is DistanceMetric.DOT:
            return products
        lengths = np.sqrt((double * double).sum(axis=1))
        return np.clip(products / (lengths * query.length), -1.0, 1.0)


def damaged(collection: str) -> IntegrityError:
    """The error that what a collection holds is not what was written."""
    return IntegrityError(f"collection {collection} holds a damaged document; delete the collection and fill it anew")
