"""Vectors on SQLite: search beside plain NumPy over the same matrix, after a change, with a filter; and writing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, Work, alone, compare, latency
from benchmarks.on_sqlite import opened
from charter_persist import ReadView, Store
from charter_persist.model.vector import VectorDocument
from charter_persist.model.vector_filter import VectorFilter

DIMENSION, LIMIT, BATCH = 384, 10, 10_000


def writes(store: Store, matrix: Any) -> Work:
    """Batches of documents, one a commit, into a collection of its own each round."""

    def work(number: int) -> int:
        name = f"c{number}"
        with store.begin() as uow:
            uow.vectors.ensure_collection(name, DIMENSION, "dot")
        for start in range(0, len(matrix), BATCH):
            rows = enumerate(matrix[start : start + BATCH].tolist(), start)
            with store.begin() as uow:
                uow.vectors.upsert_batch(
                    name, (VectorDocument(f"{n:07}", "text", row, {"n": n % 10}) for n, row in rows)
                )
        with store.read() as view:
            return view.vectors.count(name)

    return work


def searches(view: ReadView, queries: Any) -> Work:
    """Searches of what is in memory."""

    def work(_number: int) -> int:
        return len([view.vectors.search("c0", query, limit=LIMIT) for query in queries])

    return work


def plain_searches(matrix: Any, queries: Any) -> Work:
    """One multiplication and argpartition, and nothing else."""

    def nearest(query: Any) -> Any:
        scores = matrix @ query
        best = np.argpartition(scores, len(scores) - LIMIT)[len(scores) - LIMIT :]
        return best[np.argsort(-scores[best])]

    def work(_number: int) -> int:
        return len([nearest(query) for query in queries])

    return work


def after_a_change(store: Store, row: list[float]) -> None:
    """A document is written, and the next search reads the collection again."""
    with store.begin() as uow:
        uow.vectors.upsert("c0", VectorDocument("changed", "", row))
    with store.read() as view:
        view.vectors.search("c0", row, limit=LIMIT)


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of vectors."""
    count, rounds, calls, batches = (500, 2, 3, 1) if quick else (100_000, 7, 20, 3)
    random = np.random.default_rng(1)
    matrix = random.standard_normal((count, DIMENSION), dtype=np.float32)
    queries = random.standard_normal((calls, DIMENSION), dtype=np.float32)
    with opened(folder, "vectors.db") as store:
        size = f"{count:,} x {DIMENSION}"
        yield alone(f"Vectors: upsert_batch of {size}", writes(store, matrix), wanted="-", rounds=batches)
        with store.read() as view:
            view.vectors.search("c0", queries[0])
            subject, peer = searches(view, queries), plain_searches(matrix, queries)
            name = f"Vectors: search of {size}"
            yield compare(name, subject, peer, peer_name="NumPy", wanted=">= 0.67", rounds=rounds)
            chosen = VectorFilter.equals("n", 3)
            filtered = lambda: view.vectors.search("c0", queries[0], limit=LIMIT, filter=chosen)  # noqa: E731
            yield latency("Vectors: the same with a filter", filtered, wanted="-", calls=rounds)
        changed = lambda: after_a_change(store, queries[0].tolist())  # noqa: E731
        yield latency("Vectors: the first search after a change", changed, wanted="-", calls=rounds)
