"""Which documents can be among the nearest, found by a database that measures distances in float32.

From the distance ‖q - x‖ and the length ‖x‖, which is the distance from zero, every score follows, for
q·x = (‖q‖² + ‖x‖² - ‖q - x‖²) / 2. The square of a distance is a sum of d squares: nothing cancels in it, so in whichever
order it is summed, fused or not, it is wrong by less than (d + 4)·2⁻²⁴ of itself. Squares that vanish add less than
√d·2⁻⁶² to a distance, even where a processor takes the smallest numbers for zero. Hence each score lies in an interval,
and a document is left out only where as many as are wanted lie above all of its own.

A sample comes first: its best tell what the others must reach, so that few rows leave the database. What cannot be told
this way is left to whoever reads the collection: sums that may have overflowed, embeddings that are damaged, lengths that
vanish where they are divided by, and more documents about equally near than are worth fetching one by one.

Imports ``backends.contract`` and ``model``. Source: ENA-5, docs/decisions/0022-vectors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from heapq import nlargest
from math import fsum, inf, sqrt
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from charter_persist.backends.contract import VectorCollectionRow
from charter_persist.backends.sql.statements import Statements
from charter_persist.backends.sql.tables import VectorDocument
from charter_persist.backends.sql.tables.base import INT64
from charter_persist.model.vector import FLOAT32_BYTES, DistanceMetric, embedding_of

ROWS_MIN: Final = 8_192
"""A smaller collection is read as quickly, and is in memory then."""
SHARE: Final = 64
"""One document in so many is in the sample, and so many for each that is wanted at least."""
FOUND_MAX: Final = 1_024
"""So many documents for each that is wanted leave the database at most."""
LENGTH_MIN: Final = 1e-8
LENGTH_MAX: Final = 1e15
_ALL_ROWS: Final = 2**63 - 1
_UNKNOWN: Final = 1e100
_ROUNDING: Final = 2.0**-24
_VANISHED: Final = 2.0**-61
_BYTES: Final = sa.LargeBinary()
_NUMBER: Final[sa.Double[float]] = sa.Double()


class Distances(NamedTuple):
    """How a database measures distances.

    Attributes:
        name: of what measures them, with its version.
        text: `measuring`, given whether lengths are measured too.
        library: what must be loaded into a connection first; empty for nothing.
        bytes_max: of embeddings that one statement may measure.
    """

    name: str
    text: Callable[[bool], str]
    library: str
    bytes_max: float

    @classmethod
    def of(
        cls, name: str, distance: Distance, statements: Statements, *, library: str = "", bytes_max: float = inf
    ) -> Distances:
        """Those that a function of SQL gives."""

        @cache
        def text(with_length: bool) -> str:
            return statements.text(measuring(distance, with_length=with_length))

        return cls(name, text, library, bytes_max)


class Reach(NamedTuple):
    """A condition: ``length² · of_length2 - distance² · of_distance2 - length · of_length >= least``."""

    of_length2: float
    of_distance2: float
    of_length: float
    least: float


EVERYTHING: Final = Reach(0.0, 0.0, 0.0, -inf)
Measured = tuple[str, float, float]
"""The id of a document, its distance from the query, and its length; 0 for the length where nobody needs it."""
Measure = Callable[[Reach, int, int], Sequence[Measured]]
"""Measures so many documents, and returns at most so many: those within the condition, and those that cannot be told."""
Intervals = Mapping[str, tuple[float, float]]
"""Between which two numbers the score of each document lies."""
Distance = Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any]], sa.ColumnElement[float]]
"""SQL for the distance of an embedding in a column from one in a parameter; null where they cannot be compared."""


def error_of_squares(dimension: int) -> float:
    """What the square of a distance may be wrong by, as a part of itself; a tenth more, for what is done with it here."""
    return 1.1 * (dimension + 16) * _ROUNDING


class Scale:
    """Scores by a metric, as intervals, from distances in float32.

    Args:
        metric: of the collection.
        query: an embedding as stored.
    """

    def __init__(self, metric: DistanceMetric, query: bytes) -> None:
        numbers = embedding_of(query)
        self._metric = metric
        self._square = fsum(number * number for number in numbers)
        self._length = sqrt(self._square)
        self._error = error_of_squares(len(numbers))
        self._vanished = sqrt(len(numbers)) * _VANISHED
        self.needs_length = metric is not DistanceMetric.EUCLIDEAN
        self.length_min = LENGTH_MIN if metric is DistanceMetric.COSINE else 0.0
        shortest = LENGTH_MIN if self.needs_length else 0.0
        self.is_plain = shortest <= self._length <= LENGTH_MAX

    def tells(self, distance: float, length: float) -> bool:
        """Whether a score follows from what was measured."""
        return distance <= LENGTH_MAX and length >= self.length_min

    def interval(self, distance: float, length: float) -> tuple[float, float]:
        """Between which two numbers the score of a document lies."""
        if self._metric is DistanceMetric.EUCLIDEAN:
            error = self._error * distance + self._vanished
            return -distance - error, -distance + error
        product = self._square + length * length - distance * distance
        error = self._error * (length * length + distance * distance)
        if self._metric is DistanceMetric.DOT:
            return (product - error) / 2, (product + error) / 2
        lengths = 2 * self._length * length
        return (product - error) / lengths - self._error, (product + error) / lengths + self._error

    def reach(self, score: float) -> Reach:
        """The condition that the interval of a document ends at a score, or above it."""
        if self._metric is DistanceMetric.EUCLIDEAN:
            distance = (self._vanished - score) / (1 - self._error)
            return Reach(0.0, 1.0, 0.0, -distance * distance)
        of_squares = 1 + self._error, 1 - self._error
        if self._metric is DistanceMetric.DOT:
            return Reach(*of_squares, 0.0, 2 * score - self._square)
        return Reach(*of_squares, 2 * self._length * (score - self._error), -self._square)


def nearest(
    row: VectorCollectionRow, query: bytes, limit: int, distances: Distances, run: Callable[[str, Sequence[Any]], Any]
) -> list[str] | None:
    """Every document that can be among the nearest, and few others; None where that cannot be told.

    Args:
        row: the collection.
        query: an embedding as stored.
        limit: how many are wanted.
        distances: how the database measures.
        run: runs a statement there; not called where the collection is too small or too large to ask.
    """
    scale = Scale(DistanceMetric(row.metric), query)
    size = row.dimension * FLOAT32_BYTES
    is_worth_it = max(ROWS_MIN, limit * SHARE) <= row.documents <= distances.bytes_max / size
    if not (is_worth_it and scale.is_plain):
        return None
    lengths = [size, bytes(size)] if scale.needs_length else []

    def measure(reach: Reach, look: int, most: int) -> Any:
        parameters = [size, query, *lengths, row.name, look, scale.length_min, *reach, most]
        return run(distances.text(scale.needs_length), parameters)

    return candidates(scale, row.documents, limit, measure)


def candidates(scale: Scale, documents: int, limit: int, measure: Measure) -> list[str] | None:
    """As `nearest`, of so many documents, by whatever measures."""
    sample = max(documents // SHARE, limit * SHARE)
    some = _intervals(scale, measure(EVERYTHING, sample, sample))
    if some is None or len(some) < limit:
        return None
    most = limit * FOUND_MAX
    found = _intervals(scale, measure(scale.reach(_least(some, limit)), _ALL_ROWS, most))
    if found is None or not limit <= len(found) < most:
        return None
    least = _least(found, limit)
    return [name for name, (_, high) in found.items() if high >= least]


def _intervals(scale: Scale, measured: Sequence[Measured]) -> Intervals | None:
    """The intervals of documents, or None where one of them cannot be told."""
    if not all(scale.tells(distance, length) for _, distance, length in measured):
        return None
    return {name: scale.interval(distance, length) for name, distance, length in measured}


def _least(intervals: Intervals, limit: int) -> float:
    """A score that as many documents as are wanted have, or a higher one."""
    return nlargest(limit, [low for low, _ in intervals.values()])[-1]


def measuring(distance: Distance, *, with_length: bool) -> sa.Select[Any]:
    """The statement behind `Measure`.

    Parameters: the bytes of an embedding and the query, these again for lengths with zero for the query, the collection,
    how many are looked at, the least length, the condition, how many are returned.

    Args:
        distance: of the database.
        with_length: measure lengths too.
    """
    columns = VectorDocument.__table__.c
    nothing: sa.ColumnElement[Any] = sa.literal_column("0")

    def measured() -> sa.ColumnElement[float]:
        known = sa.case((sa.func.length(columns.embedding) == _slot(INT64), distance(columns.embedding, _slot(_BYTES))))
        return sa.func.coalesce(known, _number(_UNKNOWN))

    # The limit within keeps a database from measuring anew wherever a distance is named without.
    rows = (
        sa.select(
            columns.id,
            measured().label("distance"),
            (measured() if with_length else _number(0.0)).label("length"),
        )
        .where(columns.collection == _slot(columns.collection.type))
        .limit(_slot(INT64))
        .offset(nothing)
        .subquery("measured")
    )
    far, long = rows.c.distance, rows.c.length
    least = _slot(_NUMBER)
    reached = long * long * _slot(_NUMBER) - far * far * _slot(_NUMBER) - long * _slot(_NUMBER) >= _slot(_NUMBER)
    within = sa.or_(far > _number(LENGTH_MAX), long < least, reached)
    return sa.select(rows.c.id, far, long).where(within).limit(_slot(INT64)).offset(nothing)


def _slot(kind: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(None, type_=kind)


def _number(value: float) -> sa.ColumnElement[float]:
    """A number of double precision, written into the statement."""
    return sa.cast(sa.literal_column(repr(value)), _NUMBER)
