"""Changes that wait: a look-up of one row sees them, through one set over another, and passes none of them on."""

from __future__ import annotations

from typing import Any

import pytest

from charter_persist.backends.contract import EVENT, EventRow
from charter_persist.backends.memory import MemoryBackend
from charter_persist.repositories.write_set import WriteSet

BY_SEQUENCE = ("execution_id", "sequence")


def event(position: int, execution: str, sequence: int) -> EventRow:
    return EventRow(position, execution, sequence, "t", "x", 1, 1, b"n" * 16, b"{}")


@pytest.mark.spec("STO-5")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gone", [(), (1,), (1, 3), (2, 3), (1, 2, 3, 4, 5, 6)], ids=str)
def test_a_look_up_sees_every_set_and_passes_nothing_on(reverse: bool, gone: tuple[int, ...]) -> None:
    rows = {sequence: event(sequence, "e", sequence) for sequence in range(1, 7)}
    transaction: Any = MemoryBackend().transaction(1.0)
    transaction.apply({EVENT: {(n,): rows[n] for n in (1, 4)}})
    lower = WriteSet(transaction)
    upper = WriteSet(lower)
    for n in (2, 5):
        lower.put(EVENT, rows[n])
    for n in (3, 6):
        upper.put(EVENT, rows[n])
    upper.put(EVENT, event(9, "other", 1))
    for n in gone:
        upper.delete(EVENT, (n,))
    left = [rows[n] for n in rows if n not in gone]
    found = list(upper.scan(EVENT, BY_SEQUENCE, prefix=("e",), reverse=reverse, limit=1))
    assert found == (left[::-1] if reverse else left)[:1]
    assert (
        list(upper.scan(EVENT, BY_SEQUENCE, prefix=("e",), after=(3,), limit=1))
        == [r for r in left if r.sequence > 3][:1]
    )
    assert not lower.written
    assert not upper.written
    transaction.rollback()
