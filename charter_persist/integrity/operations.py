"""The rows of named operations, which no journal entry commits to: against their own digest and against the journal.

Cost: of an operation four entries and the handful of tiles that its root is made of. Imports ``journal``,
``unit_of_work``, ``backends.contract`` and ``model``. Source: RELIABILITY P23.
"""

from __future__ import annotations

import re
from typing import Any, Final

from charter_persist.backends.contract import JOURNAL, OPERATION, JournalRow, OperationRow, Reader
from charter_persist.commit import operation_digest
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.journal_pass import UNREADABLE
from charter_persist.integrity.reading import rows_by_key
from charter_persist.journal.ledger import JournalReader
from charter_persist.model.canonical import is_canonical, load_canonical

# Units without a name of their own share a row, whose value lists revision, first position and size of each.
_SHARED: Final = re.compile(r"[0-9a-f]{32}")


def check_operations(reader: Reader, findings: Findings) -> None:
    """Compare what is kept of each operation with what the journal says of its unit.

    Args:
        reader: of the snapshot.
        findings: takes what differs.
    """
    journal = JournalReader(reader)
    for row in rows_by_key(reader, OPERATION, findings):
        try:
            fault = _fault(row, reader, journal)
        except UNREADABLE as exc:
            fault = f"the row cannot be read: {exc}"
        if fault is not None:
            findings.add("OPERATION_MISMATCH", f"operation/{row.operation_id}", fault)


def _fault(row: OperationRow, reader: Reader, journal: JournalReader) -> str | None:
    if row.digest != operation_digest(row):
        return "the row is not what was recorded"
    if not is_canonical(row.value):
        return "its value is not canonical JSON"
    receipt = (row.revision, row.first_position, row.size)
    if receipt == (None, None, None) and row.root is None:
        units = load_canonical(row.value) if _SHARED.fullmatch(row.operation_id) else []
        if not all(_is_unit(reader, *unit) for unit in units):
            return "the journal has no such units"
        last = units[-1][2] if units else None
        return None if last is None or _recorded_at(reader, last) == row.recorded_at else _TIME
    if not _is_unit(reader, *receipt):
        return "the journal has no unit of that revision, first position and size"
    if row.root != journal.root(row.size):
        return "the root is not that of the journal at that size"
    return None if _recorded_at(reader, row.size) == row.recorded_at else _TIME


_TIME: Final = "it was not recorded at the time of its unit"


def _is_unit(reader: Reader, revision: Any, first: Any, size: Any) -> bool:
    """Whether the entries from ``first`` to ``size`` are exactly those of a revision."""
    if not all(type(number) is int for number in (revision, first, size)) or not 1 <= first <= size:
        return False
    ends = [_entry(reader, position) for position in (first, size)]
    beyond = [_entry(reader, position) for position in (first - 1, size + 1)]
    return all(entry is not None and entry.revision == revision for entry in ends) and all(
        entry is None or entry.revision != revision for entry in beyond
    )


def _recorded_at(reader: Reader, position: Any) -> int | None:
    entry = _entry(reader, position)
    return None if entry is None else entry.recorded_at


def _entry(reader: Reader, position: int) -> JournalRow | None:
    return reader.get(JOURNAL, (position,))
