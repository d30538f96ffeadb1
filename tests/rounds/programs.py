"""All programs."""

from __future__ import annotations

from typing import Final

from tests.rounds import crowd, hints, lists, positions, registers, streams, tokens, watchers, winners
from tests.rounds.tally import Program

PROGRAMS: Final[tuple[Program, ...]] = (
    registers.PROGRAM,
    lists.PROGRAM,
    winners.PROGRAM,
    tokens.PROGRAM,
    watchers.PROGRAM,
    streams.PROGRAM,
    positions.PROGRAM,
    hints.PROGRAM,
    crowd.PROGRAM,
)
