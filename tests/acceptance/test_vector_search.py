"""A search equals plain NumPy on every backend, whether the documents are in memory or read again, in however many blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from charter_persist.model.vector import DistanceMetric, VectorDocument
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.repositories import vector_cache
from charter_persist.store import Store

COUNT, DIMENSION, LIMIT = 1_500, 48, 25


def write(store: Store, matrix: Any, metric: DistanceMetric) -> None:
    documents = (VectorDocument(f"{n:05}", "", row, {"n": n % 3}) for n, row in enumerate(matrix))
    with store.begin() as uow:
        uow.vectors.ensure_collection("c", matrix.shape[1], metric)
        uow.vectors.upsert_batch("c", documents)


def by_numpy(matrix: Any, query: Any, metric: DistanceMetric) -> Any:
    if metric is DistanceMetric.EUCLIDEAN:
        return -np.linalg.norm(matrix - query, axis=1)
    products = matrix @ query
    if metric is DistanceMetric.DOT:
        return products
    return products / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize("metric", list(DistanceMetric))
def test_a_search_equals_numpy(store: Store, metric: DistanceMetric, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    matrix = random.standard_normal((COUNT, DIMENSION), dtype=np.float32)
    queries = random.standard_normal((3, DIMENSION), dtype=np.float32)
    write(store, matrix, metric)
    for bytes_max, block_bytes in ((2**30, 2**25), (0, 2**25), (2**30, 4 * DIMENSION * 100), (0, 4 * DIMENSION * 37)):
        monkeypatch.setattr(vector_cache, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(vector_cache.CACHE, "bytes_max", bytes_max)
        vector_cache.CACHE.forget()
        for query in queries:
            scores = by_numpy(matrix, query, metric)
            order = np.argsort(-scores)
            with store.read() as view:
                found = view.vectors.search("c", query, limit=LIMIT)
                some = view.vectors.search("c", query, limit=LIMIT, filter=VectorFilter.equals("n", 1))
            assert [int(result.document.id) for result in found] == order[:LIMIT].tolist()
            assert np.allclose([result.score for result in found], scores[order[:LIMIT]], rtol=0, atol=1e-5)
            assert [int(result.document.id) for result in some] == order[order % 3 == 1][:LIMIT].tolist()
