"""What the best of a block are, judged by plain arithmetic; and what is kept in memory."""

from __future__ import annotations

from itertools import chain
from math import hypot
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.backends.contract import VectorPointRow
from charter_persist.model.vector import DistanceMetric, embedding_bytes
from charter_persist.repositories import vector_block
from charter_persist.repositories.vector_block import Block, Query
from charter_persist.repositories.vector_cache import VectorCache, first_stamp, next_stamp
from charter_persist.testing.vectors import expected_score

METRICS = list(DistanceMetric)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, -1.0, 0.5])
FEW = st.sampled_from([0.0, 1.0, -1.0])


@st.composite
def searches(draw: st.DrawFn) -> tuple[DistanceMetric, list[list[float]], list[float], int]:
    """Embeddings with many equal ones and many equally near, a query, a limit."""
    metric, dimension = draw(st.sampled_from(METRICS)), draw(st.integers(1, 5))
    numbers = draw(st.sampled_from([NUMBERS, FEW]))
    embedding = st.lists(numbers, min_size=dimension, max_size=dimension)
    if metric is DistanceMetric.COSINE:
        embedding = embedding.filter(any)
    return metric, draw(st.lists(embedding, min_size=1, max_size=40)), draw(embedding), draw(st.integers(1, 12))


def block_of(metric: DistanceMetric, given: list[list[float]], first: int = 0) -> Block:
    rows = [
        VectorPointRow("c", f"{n:05}", embedding_bytes(values, dimension=len(values), metric=metric), b"{}")
        for n, values in enumerate(given, first)
    ]
    return Block(rows, len(given[0]), len(rows))


@pytest.mark.spec("ENA-5")
@given(searches(), st.integers(1, 40))
def test_the_best_of_blocks_are_the_best_of_all(search: Any, cut: int) -> None:
    metric, given, query, limit = search
    data = Query(embedding_bytes(query, dimension=len(query), metric=metric), metric)
    whole = block_of(metric, given).best(data, limit, None)
    parts = [block_of(metric, given[at : at + cut], at).best(data, limit, None) for at in range(0, len(given), cut)]
    assert sorted(chain.from_iterable(parts), key=lambda found: (-found[0], found[1]))[:limit] == whole
    scores = {f"{n:05}": expected_score(metric, query, values) for n, values in enumerate(given)}
    # What a double may be wrong by grows with the lengths, not with what is left when products cancel each other.
    near = 1e-12 * (1.0 + hypot(*query)) * (1.0 + max(hypot(*values) for values in given))
    assert len(whole) == min(limit, len(given))
    for score, name in whole:
        assert score == pytest.approx(scores[name], abs=near)
    worst = whole[-1][0]
    left_out = [scores[name] for name in scores.keys() - {name for _, name in whole}]
    assert all(score <= worst + near for score in left_out)


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimension", [1, 3, 64, 384, 1_000])
def test_an_embedding_has_one_score_wherever_it_stands(metric: DistanceMetric, dimension: int) -> None:
    """A processor adds up the last rows of a matrix in another way than the first ones; equal rows stay equal."""
    random = np.random.default_rng(dimension)
    row, query = random.standard_normal((2, dimension), dtype=np.float32)
    data = Query(query.tobytes(), metric)
    for count in (1, 2, 5, 37, 1_025):
        found = block_of(metric, [row.tolist()] * count).best(data, count, None)
        assert len({score for score, _ in found}) == 1
        assert [name for _, name in found] == sorted(name for _, name in found)
        alone = block_of(metric, [row.tolist()]).best(data, 1, None)
        assert {score for score, _ in found} == {alone[0][0]}


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
def test_what_float32_cannot_tell_apart_is_found_exactly(metric: DistanceMetric) -> None:
    """Rows that differ in the last place, so many that rounding alone would choose among them."""
    random = np.random.default_rng(1)
    base = random.standard_normal(384, dtype=np.float32) * np.float32(100)
    rows = np.nextafter(base, np.float32(np.inf) * random.choice([-1, 1], (3_000, 384)).astype(np.float32))
    query = random.standard_normal(384, dtype=np.float32)
    block = block_of(metric, rows.tolist())
    found = [name for _, name in block.best(Query(query.tobytes(), metric), 20, None)]
    assert found == [name for _, name in block.best(Query(query.tobytes(), metric), 3_000, None)][:20]
    by_float32 = np.argsort(-(rows @ query), kind="stable")[:20]
    assert metric is not DistanceMetric.DOT or found != [f"{n:05}" for n in by_float32]


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", METRICS)
def test_products_that_are_no_numbers_choose_nothing(metric: DistanceMetric) -> None:
    """Whatever a multiplication in float32 may return, also where lengths promise that it cannot."""
    rows, query = [[3e38, -3e38], [3e38, 3e38], [1.0, 2.0], [2.0, 1.0]], [3e38, 2e38]
    data = Query(embedding_bytes(query, dimension=2, metric=metric), metric)
    block = block_of(metric, rows)
    wanted = block.best(data, 2, None)
    block._is_plain = data.is_plain = True
    assert block.best(data, 2, None) == wanted


def test_memory_is_given_to_what_was_searched_last() -> None:
    cache = VectorCache(1_000)
    block = block_of(DistanceMetric.DOT, [[1.0]])
    size = block.size
    cache.bytes_max = 3 * size
    stamps = [first_stamp() for _ in range(3)]
    for stamp in stamps:
        cache.put(stamp, [block])
    assert cache.get(stamps[0]) == [block]
    changed = next_stamp(stamps[2])
    cache.put(changed, [block])
    assert cache.get(stamps[2]) is None
    cache.put(first_stamp(), [block])
    assert [cache.get(stamp) is not None for stamp in (stamps[0], stamps[1], changed)] == [True, False, True]
    cache.put(first_stamp(), [block] * 4)
    assert [cache.get(stamp) for stamp in (stamps[0], changed)] == [None, None]


def test_without_numpy_a_search_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> Any:
        raise ImportError

    monkeypatch.setattr(vector_block.importlib, "import_module", missing)
    vector_block.numpy.cache_clear()
    try:
        with pytest.raises(vector_block.NotSupportedError, match=r"pip install 'charter-persist\[vectors\]'"):
            Query(b"", DistanceMetric.DOT)
    finally:
        vector_block.numpy.cache_clear()
