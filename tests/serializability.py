"""Are transactions that append to lists serializable? The order of writes is read from the lists; then cycles are sought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import networkx as nx


class Transaction(NamedTuple):
    """What one transaction read, whole lists by key, and what it appended, one unique number a key."""

    reads: Mapping[str, list[int]]
    appends: Mapping[str, int]


def anomalies(transactions: Sequence[Transaction], final: Mapping[str, list[int]]) -> list[str]:
    """What cannot be in a serializable history: lost, doubled or foreign writes, unordered reads, cycles.

    Args:
        transactions: those that were acknowledged, in any order.
        final: the lists in the end.
    """
    writer = {(key, n): i for i, one in enumerate(transactions) for key, n in one.appends.items()}
    found = [f"lost {key}={n}" for key, n in writer if n not in final.get(key, [])]
    for key, numbers in final.items():
        if len(set(numbers)) != len(numbers):
            found.append(f"doubled in {key}")
        found += [f"nobody wrote {key}={n}" for n in numbers if (key, n) not in writer]
    for one in transactions:
        for key, seen in one.reads.items():
            if final.get(key, [])[: len(seen)] != seen:
                found.append(f"{key} was read as {seen[-3:]}, which is no beginning of it")
    if found:
        return found
    graph = nx.DiGraph(_edges(transactions, final, writer))
    return [f"cycle of {len(part)}" for part in nx.strongly_connected_components(graph) if len(part) > 1]


def _edges(
    transactions: Sequence[Transaction], final: Mapping[str, list[int]], writer: Mapping[tuple[str, int], int]
) -> Iterator[tuple[int, int]]:
    """Who must come before whom: writers of neighbours, a writer before its reader, a reader before the next writer."""
    for key, numbers in final.items():
        for before, after in pairwise(numbers):
            yield writer[key, before], writer[key, after]
    for i, one in enumerate(transactions):
        for key, seen in one.reads.items():
            if seen and writer[key, seen[-1]] != i:
                yield writer[key, seen[-1]], i
            if len(seen) < len(final[key]) and writer[key, final[key][len(seen)]] != i:
                yield i, writer[key, final[key][len(seen)]]
