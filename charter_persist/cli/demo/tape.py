"""Time, identifiers and nonces from the record, so nothing comes from the machine that the demonstration runs on."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from charter_persist.cli.demo.peps import AS_OF
from charter_persist.journal.entry import NONCE_BYTES


class Tape:
    """It is wound to each unit of work as that begins."""

    def __init__(self) -> None:
        self._at = AS_OF
        self._seed = ""
        self._count = 0

    def wind(self, at: datetime, seed: str) -> None:
        """Go to the beginning of a unit."""
        self._at, self._seed, self._count = at, seed, 0

    def clock(self) -> datetime:
        """The time of the unit."""
        return self._at

    def new_id(self) -> str:
        """The next identifier of the unit."""
        return self._next().hex()

    def nonce(self) -> bytes:
        """The next nonce of the unit. It is no secret, and neither is what it covers."""
        return self._next()

    def _next(self) -> bytes:
        self._count += 1
        return sha256(f"{self._seed}/{self._count}".encode()).digest()[:NONCE_BYTES]
