"""Are transactions that append to lists serializable? The order of writes is read from the lists; then cycles are sought."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import networkx as nx

Edge = tuple[object, object, str]
# The kinds of edges of which a cycle may be made, and what such a cycle is called; the first that is found is named.
CYCLES: Final = (
    ({"ww"}, "G0"),
    ({"ww", "wr"}, "G1c"),
    ({"ww", "wr", "rw"}, "G-single or G2"),
    ({"ww", "wr", "rw", "time"}, "contradiction of real time"),
)


class Transaction(NamedTuple):
    """What one transaction read, whole lists by key, what it appended, one unique number a key, and when it ran."""

    reads: Mapping[str, list[int]]
    appends: Mapping[str, int]
    called: float = -math.inf
    returned: float = math.inf


def anomalies(transactions: Sequence[Transaction], final: Mapping[str, list[int]]) -> list[str]:
    """What cannot be in a strictly serializable history: lost, doubled or foreign writes, unordered reads, cycles.

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
    return found or list(_cycles([*_edges(transactions, final, writer), *_time(transactions)]))


def _cycles(edges: Sequence[Edge]) -> Iterator[str]:
    for kinds, name in CYCLES:
        graph = nx.DiGraph((before, after) for before, after, kind in edges if kind in kinds)
        parts = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
        if parts:
            yield from (f"{name}, cycle of {sum(isinstance(node, int) for node in part)}" for part in parts)
            return


def _edges(
    transactions: Sequence[Transaction], final: Mapping[str, list[int]], writer: Mapping[tuple[str, int], int]
) -> Iterator[Edge]:
    """Who must come before whom: writers of neighbours, a writer before its reader, a reader before the next writer."""
    for key, numbers in final.items():
        for before, after in pairwise(numbers):
            yield writer[key, before], writer[key, after], "ww"
    for i, one in enumerate(transactions):
        for key, seen in one.reads.items():
            if seen and writer[key, seen[-1]] != i:
                yield writer[key, seen[-1]], i, "wr"
            if len(seen) < len(final.get(key, [])) and writer[key, final[key][len(seen)]] != i:
                yield i, writer[key, final[key][len(seen)]], "rw"


def _time(transactions: Sequence[Transaction]) -> Iterator[Edge]:
    """Who had ended before another one was called, by way of a chain of the moments at which one ended."""
    ends = sorted((one.returned, i) for i, one in enumerate(transactions))
    calls = sorted((one.called, i) for i, one in enumerate(transactions))
    ended = 0
    for called, i in calls:
        while ended < len(ends) and ends[ended][0] < called:
            yield ends[ended][1], ("moment", ended), "time"
            if ended:
                yield ("moment", ended - 1), ("moment", ended), "time"
            ended += 1
        if ended:
            yield ("moment", ended - 1), i, "time"
