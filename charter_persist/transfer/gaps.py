"""Gaps: the revisions of a segment that lack a value, because it was removed before the backup was made.

What a compaction or an erasure took is missing from its own revision on, up to the revision of the removal. From there
on a store does not have it either, so nothing is missing. A revision can be restored where it lies in no such gap.

A segment begins behind the backup before it, so all that took its values stands in it. The record of a compaction that
a newer one replaced is a removed value as well: until then a store had it. What it had dropped counts as dropped by the
newer one, which dropped all of that too; the revisions between them lack the record in any case.

Cost: what was removed, about 300 bytes a value, until the removal that took it is read, and gaps that touch are one; of
what was never removed nothing is kept. A compaction looks at each key with missing values.

Imports ``backends.contract`` and the rules of compaction and erasure. Source: GOV-12, STO-3.4, P28.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from charter_persist.backends.contract import KV_CHANGE, METADATA_LOG, JournalRow, Relation
from charter_persist.repositories import erasure
from charter_persist.repositories.compaction import Compaction, accounts_for, is_record, recorded
from charter_persist.repositories.kv_change import ERASE

COMPACTED: Final[dict[str, Relation[Any]]] = {"metadata": METADATA_LOG, "kv": KV_CHANGE}
"""By store the logs whose older rows may be missing."""
_ERASURES: Final = frozenset({erasure.OPERATION, ERASE})
_STORES: Final = {log: store for store, log in COMPACTED.items()}


@dataclass(slots=True)
class _Missing:
    """A value that is missing.

    Attributes:
        revision: that wrote it.
        newer: position of the next change of its key; 0 where none was read yet.
    """

    revision: int
    newer: int = 0


class Gap(NamedTuple):
    """Revisions that lack something: from ``first`` on, and not ``end`` any more; none where one unit did both."""

    first: int
    end: int


class Gaps:
    """What a segment lacks; it takes the rows in their order."""

    def __init__(self) -> None:
        self._missing: defaultdict[str, dict[str, list[_Missing]]] = defaultdict(dict)  # by store and subject
        self._gaps: list[Gap] = []  # apart from each other, oldest first
        self._newest: JournalRow | None = None
        self._waits = False  # whether the value of the newest entry can be missing, and was not read

    def end_of(self, revision: int) -> int | None:
        """The oldest revision behind the gap that a revision lies in; None where it lacks nothing."""
        return next((end for first, end in self._gaps if first <= revision < end), None)

    def entry(self, entry: JournalRow) -> None:
        """Take a journal entry."""
        if self._waits:
            self._miss()
        earlier = self._missing[entry.store].get(entry.subject)
        if earlier is not None:
            earlier[-1].newer = earlier[-1].newer or entry.position
        if entry.operation in _ERASURES:  # it takes all that its subject had
            self._close(self._missing[entry.store].pop(entry.subject, ()), entry.revision)
        self._newest = entry
        self._waits = entry.store in COMPACTED

    def value(self, log: Relation[Any], row: Any) -> None:
        """Take the value of the newest entry."""
        self._waits = False
        if log.is_erasure(row):
            self._miss()
        elif log in _STORES and is_record(log, row.key):
            self._compaction(log, recorded(row))

    def _compaction(self, log: Relation[Any], done: Compaction) -> None:
        """Explain what a compaction dropped, which is always the oldest changes of a key."""
        missing = self._missing[_STORES[log]]
        for key in list(missing):
            dropped = [one for one in missing[key] if one.newer and accounts_for([done], log, key, one.newer)]
            self._close(dropped, done.revision)
            missing[key] = missing[key][len(dropped) :]
            if not missing[key]:
                del missing[key]

    def _miss(self) -> None:
        """The newest entry has no value."""
        entry = self._newest
        if entry is not None:
            self._missing[entry.store].setdefault(entry.subject, []).append(_Missing(entry.revision))

    def _close(self, missing: Iterable[_Missing], end: int) -> None:
        """A removal explains missing values, which were there until then."""
        for one in missing:
            self._add(one.revision, end)

    def _add(self, first: int, end: int) -> None:
        """Join a gap to those that it meets; none of them ends later, as removals are read in their order."""
        while self._gaps and self._gaps[-1].end >= first:
            first = min(first, self._gaps.pop().first)
        self._gaps.append(Gap(first, end))
