"""A backend that lies about itself: every answer must be the same all the same (STO-2).

Imports ``backends.contract`` only.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from charter_persist.backends.contract import BackendCapabilities, LedgerBackend
from charter_persist.testing.delegating import DelegatingBackend

EVERYTHING: Final = BackendCapabilities(
    supports_transactions=True, supports_ordering=True, supports_append_only=True, supports_snapshots=True
)
"""Says yes to every question."""

NOTHING: Final = BackendCapabilities(
    supports_transactions=False, supports_ordering=False, supports_append_only=False, supports_snapshots=False
)
"""Says no to every question."""


class RandomCapabilities(BackendCapabilities):
    """Answers each question by chance, so that two questions in one call may be answered differently.

    Args:
        seed: makes the answers the same in each run.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(True, True, True, True)  # never seen: each question is answered below
        object.__setattr__(self, "_random", Random(seed))  # noqa: S311  # chance, not a secret

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("supports_"):
            return object.__getattribute__(self, "_random").random() < 0.5
        return super().__getattribute__(name)


class LyingBackend(DelegatingBackend):
    """Hands everything on to a backend, but reports other capabilities.

    Args:
        backend: does the work.
        lies: what is reported: `EVERYTHING`, `NOTHING` or `RandomCapabilities`.
    """

    def __init__(self, backend: LedgerBackend, lies: BackendCapabilities) -> None:
        super().__init__(backend)
        self.capabilities = lies
