"""Time, identifiers and nonces that count: two stores that are given equal ones end with equal roots.

Imports nothing from the package. Source: DESIGN 3.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

FIRST_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


class CountingSources:
    """One counter behind all three, so that its state is one number.

    Attributes:
        count: how often anything was asked for; set it to make two of them agree.
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def clock(self) -> datetime:
        """A second later at each call."""
        return FIRST_MOMENT + timedelta(seconds=self._next())

    def new_id(self) -> str:
        """Another text at each call."""
        return f"id-{self._next():08d}"

    def nonce(self) -> bytes:
        """Another 16 bytes at each call."""
        return self._next().to_bytes(16, "big")

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that make a store use these."""
        return {"clock": self.clock, "new_id": self.new_id, "nonce": self.nonce}

    def _next(self) -> int:
        self.count += 1
        return self.count
