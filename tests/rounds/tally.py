"""What a program counts, and when a run shows nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.rounds.places import Place

# After which a run that has too little ends, and is void.
LIMIT_S = 300.0


class VoidRunError(AssertionError):
    """The run shows nothing: there was too little traffic, or its control was not caught."""


@dataclass
class Tally:
    """What happened in a run.

    Attributes:
        rounds: that were made.
        operations: that were judged: calls, transactions, snapshots, events.
        acks: writes that were answered as done.
        kills: of clients.
        note: what else the run shows.
    """

    rounds: int = 0
    operations: int = 0
    acks: int = 0
    kills: int = 0
    note: str = ""


class Program(NamedTuple):
    """One program.

    Attributes:
        name: by which it is asked for.
        promise: of the reliability promises the one that it shows.
        run: runs it at a scale and returns what it counted; raises where the promise is broken, or the run is void.
        control: runs it with a planted fault and returns by what it was caught, None where it was not.
        suits: whether it can run on a backend of that name.
    """

    name: str
    promise: str
    run: Callable[[Place, float], Tally]
    control: Callable[[Place, float], str | None]
    suits: Callable[[str], bool] = lambda backend: True


def scaled(full: int, scale: float, least: int = 1) -> int:
    """How many of what are ``full`` many at full scale."""
    return max(least, round(full * scale))


def keep_on(seconds: float, is_enough: Callable[[], bool]) -> Iterator[None]:
    """Go on for a time, and longer where the machine is slow, until there is enough or `LIMIT_S` is over."""
    began = time.monotonic()
    while (took := time.monotonic() - began) < seconds or (took < LIMIT_S and not is_enough()):
        yield


def floor(what: str, actual: float, wanted: float) -> None:
    """Refuse a run with less of something than it needs to show anything.

    Raises:
        VoidRunError: there was less.
    """
    if actual < wanted:
        raise VoidRunError(f"{what}: {actual:,.4g}, and the run is void below {wanted:,.4g}")
