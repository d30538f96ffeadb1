"""Every object is Reachable, Unattached or Broken, exactly one of them.

Reachable: an object of governance, save a session that nothing came of; and an object that a ref points to. Broken: what
a hard finding names. Unattached: all else; it is stored and whole, and has no effect on anything. What an application
writes inside its objects is its own affair, so nothing is followed there.

Memory: the ids of the sealed sessions. Imports ``backends.contract`` and ``model``. Source: GOV-11, NEIGHBOURS 2.10.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from charter_persist.backends.contract import ObjectRow

LISTED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class ObjectClasses:
    """How many objects are of each class; together they are all objects.

    Attributes:
        reachable: what something in force or its history leads to.
        unattached: what nothing leads to.
        broken: what a hard finding names.
        unattached_objects, broken_objects: type and digest of at most `LISTED_MAX` of them.
    """

    reachable: int
    unattached: int
    broken: int
    unattached_objects: tuple[str, ...]
    broken_objects: tuple[str, ...]


class Census:
    """Counts while objects are read.

    Args:
        pointed: raw digests that refs point to.
    """

    def __init__(self, pointed: Collection[bytes]) -> None:
        self._pointed = pointed
        self._reachable = 0
        self._unattached = 0
        self._broken = 0
        self._unattached_objects: list[str] = []
        self._broken_objects: list[str] = []
        self._governed: int = 0
        self._claimed: set[str] = set()
        self._unclaimed: dict[str, list[str]] = {}  # sealed sessions that nothing came of yet

    def take(self, row: ObjectRow, *, whole: bool) -> None:
        """Count an object of an application."""
        if not whole:
            self._broken += 1
            _list(self._broken_objects, (_name(row),))
        elif row.digest in self._pointed:
            self._reachable += 1
        else:
            self._unattached += 1
            if len(self._unattached_objects) < LISTED_MAX:
                self._unattached_objects.append(_name(row))

    def take_governed(self, count: int = 1) -> None:
        """Count objects of governance; what is broken among them is told at the end."""
        self._governed += count

    def take_session(self, session_id: str, digest: str) -> None:
        """A sealed session is reachable once something came of it."""
        if session_id not in self._claimed:
            self._unclaimed.setdefault(session_id, []).append(digest)

    def claim(self, session_id: str) -> None:
        """Something came of a session."""
        self._claimed.add(session_id)
        self._unclaimed.pop(session_id, None)

    def result(self, broken: Iterable[str]) -> ObjectClasses:
        """The classes, given the digests of governance that hard findings name."""
        damaged = set(broken)
        adrift = {digest for digests in self._unclaimed.values() for digest in digests} - damaged
        _list(self._broken_objects, sorted(damaged))
        _list(self._unattached_objects, sorted(f"session/{digest}" for digest in adrift))
        return ObjectClasses(
            self._reachable + self._governed - len(adrift) - len(damaged),
            self._unattached + len(adrift),
            self._broken + len(damaged),
            tuple(self._unattached_objects),
            tuple(self._broken_objects),
        )


def _list(names: list[str], more: Iterable[str]) -> None:
    """Add names while there is room."""
    for name in more:
        if len(names) >= LISTED_MAX:
            return
        names.append(name)


def _name(row: ObjectRow) -> str:
    return f"{row.type}/{row.digest.hex()}"
