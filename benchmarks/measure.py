"""Interleaved rounds of a subject and its peer; what counts is the ratio within one run.

Both do the same number of items with the same payload and the same durability, in turn, round after round, so a drift of
the machine meets both. The median of the rounds is reported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[int], int]
"""Does one round, given its number; returns how many items it did, counted after they were read back where it writes."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    figure: str
    peer: str
    ratio: str
    wanted: str


def rate(work: Work, number: int) -> float:
    """Items a second of one round."""
    began = time.perf_counter()
    items = work(number)
    return items / (time.perf_counter() - began)


def compare(name: str, subject: Work, peer: Work, *, peer_name: str, wanted: str, rounds: int) -> Row:
    """Run both in turn and report medians and the median of the ratios."""
    pairs = [(rate(subject, n), rate(peer, n)) for n in range(rounds)]
    ours, theirs = (statistics.median(figures) for figures in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return Row(name, f"{ours:,.0f}/s", f"{peer_name} {theirs:,.0f}/s", f"{ratio:.2f}", wanted)


def alone(name: str, subject: Work, *, wanted: str, rounds: int, note: str = "-") -> Row:
    """Run the subject and report the median of its rate."""
    figure = statistics.median(rate(subject, n) for n in range(rounds))
    return Row(name, f"{figure:,.0f}/s", note, "-", wanted)


def latency(name: str, call: Callable[[], object], *, wanted: str, calls: int) -> Row:
    """Median time of single calls."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return Row(name, f"{statistics.median(times) * 1000:.2f} ms", "-", "-", wanted)
