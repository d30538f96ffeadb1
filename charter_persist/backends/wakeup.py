"""Waking those who wait for a commit: a counter under a condition, shared by all who listen to one backend.

A wake-up is a hint. Whoever is woken looks at the journal; whoever is woken for nothing loses a moment, and nobody
relies on being woken. Cost of a commit nobody listens to: one attribute.

Imports nothing from the package. Source: DESIGN 5 (NOTIFY only wakes), RELIABILITY P19.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Wakeup:
    """What a backend rings after a commit.

    Args:
        start: called when the first one listens, under no lock of a reader: it begins to look for the commits of other
            processes; what it returns is called when the last one stopped listening, and ends that.
    """

    def __init__(self, start: Callable[[], Callable[[], None]] | None = None) -> None:
        self._start = start
        self._stop: Callable[[], None] | None = None
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._count = 0
        self._listeners = 0

    def ring(self) -> None:
        """Wake everybody who listens."""
        if self._listeners:
            with self._changed:
                self._count += 1
                self._changed.notify_all()

    def listen(self) -> Bell:
        """Begin to listen; close what it gives."""
        with self._turn:
            self._listeners += 1
            if self._listeners == 1 and self._start is not None:
                try:
                    self._stop = self._start()
                except BaseException:
                    self._listeners -= 1
                    raise
        return Bell(self)

    def leave(self) -> None:
        """One listens no more."""
        with self._turn:
            self._listeners -= 1
            if self._listeners == 0:
                self._end()

    def close(self) -> None:
        """Look for nothing any more, and wake everybody."""
        with self._turn:
            self._end()
        self.ring()

    def _end(self) -> None:
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    @property
    def count(self) -> int:
        """How often it rang."""
        return self._count

    def wait(self, seen: int, timeout_s: float) -> int:
        """Wait until it rang more often than that, or the time is over; how often it rang."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, timeout_s)
            return self._count


class Bell:
    """`contract.Listener` of one who waits."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._seen = wakeup.count
        self._closed = False

    def wait(self, timeout_s: float) -> None:
        """Return when something may have been committed since the last return."""
        self._seen = self._wakeup.wait(self._seen, timeout_s)

    def wake(self) -> None:
        """Let `wait` return."""
        self._wakeup.ring()

    def close(self) -> None:
        """Listen no more."""
        if not self._closed:
            self._closed = True
            self._wakeup.leave()
