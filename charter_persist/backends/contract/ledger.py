"""A backend that carries every store and the journal, and what it says of itself. Source: ENG-STO-1, ENG-STO-2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from charter_persist.backends.contract.access import Snapshot, Transaction


@dataclass(frozen=True, slots=True)
class BackendCapabilities:
    """What a backend says of itself; a hint that chooses a faster way and never a different answer (STO-2)."""

    supports_transactions: bool
    supports_ordering: bool
    supports_append_only: bool
    supports_snapshots: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a backend knows of its own condition.

    Attributes:
        problems: one sentence each, with what to do; empty where all is well.
        facts: versions, settings and sizes, by name.
        missing_guards: names of the guards that do not stand as they were made; each is among the problems too.
    """

    problems: tuple[str, ...]
    facts: Mapping[str, str | int | bool]
    missing_guards: tuple[str, ...] = ()


class Listener(Protocol):
    """Lets one reader wait for commits of any process. All of it is a hint: the journal alone says what was committed."""

    def wait(self, timeout_s: float) -> None:
        """Return when something may have been committed since the last return, or the time is over; or for nothing."""
        ...

    def wake(self) -> None:
        """Let `wait` return in whichever thread it is."""
        ...

    def close(self) -> None:
        """Listen no more; a second call does nothing."""
        ...


class LedgerBackend(Protocol):
    """A backend that carries every store and the journal."""

    name: str
    requires_network: bool
    capabilities: BackendCapabilities

    def store_id(self) -> str:
        """The identity that the store was given when it was made; the origin of its checkpoints."""
        ...

    def snapshot(self) -> Snapshot:
        """One consistent state, taken now, that neither waits for a writer nor makes one wait."""
        ...

    def transaction(self, timeout_s: float) -> Transaction:
        """Take the writer lock, waiting at most ``timeout_s`` seconds, and begin.

        Raises:
            StoreBusyError: the lock was not free in time.
            ReadOnlyError: the store was opened for reading only.
        """
        ...

    def listen(self) -> Listener:
        """Listen for commits from now on. One that is missed may cost its listener time and nothing else."""
        ...

    def join(self, connection: Any, timeout_s: float) -> Transaction:
        """Begin inside the caller's own transaction; its `commit` applies and leaves the commit to the caller.

        Raises:
            NotSupportedError: the backend has no such connections.
            InvalidInputError: the connection leads to another database.
        """
        ...

    def scrub(self, timeout_s: float) -> None:
        """Make sure that what committed units removed is in none of the files that are in the backend's hands.

        Raises:
            StoreBusyError: somebody read or wrote for longer than ``timeout_s``; what was removed may still be there.
        """
        ...

    def interrupt(self) -> None:
        """Let the thread that waits for the writer lock, or runs a statement under it, stop with `TimedOutError`.

        A hint, from any other thread: it may come between two statements and stop none, so whoever must be sure calls
        again. The caller sees to it that the unit does not commit meanwhile.
        """
        ...

    def diagnose(self) -> Diagnosis:
        """Look at settings, guards and sizes; reads only."""
        ...

    def close(self) -> None:
        """Give back every connection; a second call does nothing."""
        ...
