"""What a database leaves out of a search: nothing that can be among the best, whatever its float32 makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.backends.sql import nearest
from charter_persist.backends.sql.nearest import Measured, Reach, Scale
from charter_persist.model.vector import DistanceMetric
from charter_persist.repositories.vector_block import Query
from tests.property.test_vector_blocks import block_of

Numbers = list[list[float]]


class Database:
    """Measures as a database does, and in each sum as wrong as float32 ever is: the errors are chosen by chance."""

    def __init__(self, rows: Numbers, query: list[float], seed: int) -> None:
        matrix, point = np.array(rows, "<f4").astype(float), np.array(query, "<f4").astype(float)
        worst = (len(query) / 2 + 2) * 2.0**-24
        chance = np.random.default_rng(seed).choice([-worst, 0.0, worst], (2, len(rows)))
        vanished = 2.0**-62 * np.sqrt(len(query))
        squares = [((matrix - point) ** 2).sum(axis=1), (matrix**2).sum(axis=1)]
        measured = np.where(squares, np.sqrt(squares) * (1 + chance), 0.0) + vanished * np.sign(chance)
        self.distances, self.lengths = np.maximum(measured, 0.0).astype(np.float32).astype(float)
        self.returned = 0

    def measure(self, reach: Reach, look: int, most: int) -> Sequence[Measured]:
        found = []
        for n in range(min(look, len(self.distances))):
            far, long = float(self.distances[n]), float(self.lengths[n])
            value = long * long * reach.of_length2 - far * far * reach.of_distance2 - long * reach.of_length
            if value >= reach.least or far > 1e15:
                found.append((f"{n:05}", far, long))
        self.returned += len(found[:most])
        return found[:most]


def best(metric: DistanceMetric, rows: Numbers, query: list[float], limit: int) -> list[str]:
    data = Query(np.array(query, "<f4").tobytes(), metric)
    return [name for _, name in block_of(metric, rows).best(data, limit, None)]


def found(metric: DistanceMetric, rows: Numbers, query: list[float], limit: int, seed: int) -> list[str] | None:
    scale = Scale(metric, np.array(query, "<f4").tobytes())
    return nearest.candidates(scale, len(rows), limit, Database(rows, query, seed).measure) if scale.is_plain else None


@st.composite
def close_calls(draw: st.DrawFn) -> tuple[DistanceMetric, Numbers, list[float], int, int]:
    """Rows about as near as one another, some equal, of lengths that differ or do not; a query; a limit; a seed."""
    metric = draw(st.sampled_from(list(DistanceMetric)))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    dimension, count = draw(st.sampled_from([1, 2, 3, 17, 64])), draw(st.integers(2, 40))
    spread = draw(st.sampled_from([0.0, 1e-7, 1e-5, 1e-2, 1.0]))
    base = random.standard_normal(dimension) + 0.01
    rows = base * (1 + spread * random.standard_normal((count, dimension)))
    rows *= draw(st.sampled_from([1.0, 1e-6, 1e9, 1e-18])) * np.exp(
        draw(st.sampled_from([0, 5])) * random.random((count, 1))
    )
    query = draw(st.sampled_from([rows[0], base, random.standard_normal(dimension)]))
    return metric, rows.tolist(), query.tolist(), draw(st.integers(1, count)), seed


@pytest.mark.spec("ENA-5")
@given(close_calls())
def test_none_of_the_best_is_left_out(search: Any) -> None:
    metric, rows, query, limit, seed = search
    names = found(metric, rows, query, limit, seed)
    assert names is None or set(best(metric, rows, query, limit)) <= set(names)


def near_ties(metric: DistanceMetric) -> tuple[Numbers, list[float]]:
    """Rows that differ in the last place."""
    random = np.random.default_rng(3)
    base = random.standard_normal(64, dtype=np.float32) * np.float32(100)
    rows = np.nextafter(base, np.float32(np.inf) * random.choice([-1, 1], (400, 64)).astype(np.float32))
    return rows.tolist(), random.standard_normal(64).tolist()


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", list(DistanceMetric))
def test_a_bound_that_is_too_small_is_found(metric: DistanceMetric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "SHARE", 1)
    rows, query = near_ties(metric)
    wanted = set(best(metric, rows, query, 10))
    assert wanted <= set(found(metric, rows, query, 10, 1) or ())
    monkeypatch.setattr(nearest, "error_of_squares", lambda _dimension: 0.0)
    assert not wanted <= set(found(metric, rows, query, 10, 1) or ())


@pytest.mark.parametrize("metric", list(DistanceMetric))
def test_few_others_leave_the_database(metric: DistanceMetric) -> None:
    """About one sample and as many again, of what is not near one another."""
    random = np.random.default_rng(4)
    rows, query = random.standard_normal((20_000, 8)).tolist(), random.standard_normal(8).tolist()
    database = Database(rows, query, 1)
    names = nearest.candidates(Scale(metric, np.array(query, "<f4").tobytes()), len(rows), 5, database.measure)
    assert names is not None
    assert set(best(metric, rows, query, 5)) <= set(names)
    assert len(names) <= 7
    assert database.returned < 4 * max(len(rows) // nearest.SHARE, 5 * nearest.SHARE)


@pytest.mark.parametrize(
    ("metric", "rows", "query"),
    [
        (DistanceMetric.EUCLIDEAN, [[1.0, 2.0], [3e38, 1e38]], [1.0, 1.0]),
        (DistanceMetric.DOT, [[1.0, 2.0], [1e16, 0.0]], [1.0, 1.0]),
        (DistanceMetric.COSINE, [[1.0, 2.0], [1e-12, 0.0]], [1.0, 1.0]),
        (DistanceMetric.COSINE, [[1.0, 2.0], [3.0, 1.0]], [1e-20, 0.0]),
        (DistanceMetric.DOT, [[1.0, 2.0], [3.0, 1.0]], [3e38, 0.0]),
    ],
)
def test_lengths_at_the_ends_of_float32_are_left_to_others(metric: DistanceMetric, rows: Numbers, query: Any) -> None:
    assert found(metric, rows, query, 1, 1) is None


def test_what_is_not_there_is_not_answered_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that says it has more documents than it has, or so many equal ones that they had better be read."""
    rows = [[1.0, 1.0]] * 30
    scale = Scale(DistanceMetric.DOT, np.array([1.0, 2.0], "<f4").tobytes())
    assert nearest.candidates(scale, 10_000, 31, Database(rows, [1.0, 2.0], 1).measure) is None
    assert len(nearest.candidates(scale, 30, 2, Database(rows, [1.0, 2.0], 1).measure) or ()) == 30
    monkeypatch.setattr(nearest, "FOUND_MAX", 10)
    assert nearest.candidates(scale, 30, 2, Database(rows, [1.0, 2.0], 1).measure) is None
    assert isinf(nearest.EVERYTHING.least)
