"""Which past revisions a backup gives back: a removal takes those in which its value stood, and no others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from charter_persist import connect
from charter_persist.backends.contract import JOURNAL, KV_CHANGE, OPERATION
from charter_persist.batch import find_operation
from charter_persist.errors import CompactedError
from charter_persist.transfer.backup import backup
from charter_persist.transfer.gaps import Gaps
from charter_persist.transfer.restore import restore
from charter_persist.unit_of_work import UnitOfWork
from tests.backups import MemoryTarget, brought_back, rows_in

Unit = Callable[[UnitOfWork], Any]


def put(key: str, value: bytes = b"1") -> Unit:
    return lambda uow: uow.kv.set(key, value)


def erase(key: str) -> Unit:
    return lambda uow: uow.kv.erase(key)


def compact(upto: int, prefix: str = "") -> Unit:
    return lambda uow: uow.kv.compact(upto=upto, prefix=prefix)


def happen(uow: UnitOfWork) -> None:
    uow.events.append("e", {"type": "custom", "event_type": "n", "data": 1}, tenant_id="t")


def undo(uow: UnitOfWork) -> None:
    uow.events.erase("e")


def happen_and_undo(uow: UnitOfWork) -> None:
    """No revision ever showed it."""
    happen(uow)
    undo(uow)


CASES: Final[dict[str, tuple[Iterable[Unit | None], dict[int, int]]]] = {
    "two keys erased one after the other": (
        (put("/p/1"), erase("/p/1"), put("/o"), put("/p/2"), erase("/p/2")),
        {1: 2, 4: 5},
    ),
    "a key erased twice": (
        (put("/a"), erase("/a"), put("/a"), erase("/a")),
        {1: 4, 2: 4, 3: 4},  # the first erasure was a change of the key, which the second one took
    ),
    "a compaction, and an erasure of another key": (
        (put("/a"), put("/a"), compact(2), put("/o"), put("/p"), erase("/p")),
        {1: 3, 2: 3, 5: 6},
    ),
    "a compaction that left what is newer": (
        (put("/a"), put("/a"), put("/a"), compact(2), put("/o")),
        {1: 4, 2: 4, 3: 4},
    ),
    "compactions of two prefixes": (
        (put("/a"), put("/a"), put("/o"), put("/b"), put("/b"), compact(5, "/b"), put("/o"), compact(7, "/a")),
        dict.fromkeys(range(1, 8), 8),
    ),
    "a compaction whose record a newer one replaced": (
        (
            put("/a"),
            put("/b"),
            put("/b"),
            put("/a"),
            None,
            compact(4, "/a"),
            compact(4, "/b"),
            put("/a"),
            compact(7, "/a"),
            put("/o"),
        ),
        {5: 8, 6: 8, 7: 8},
    ),
    "an incremental backup before each removal": (
        (put("/a"), put("/a"), None, compact(2), put("/p"), None, erase("/p")),
        {},
    ),
    "what was written and erased in one unit": ((put("/a"), happen_and_undo, put("/a")), {}),
    "an event, and one that came later": ((happen, put("/a"), undo, happen, put("/a"), undo), {1: 3, 2: 3, 4: 6, 5: 6}),
}


@pytest.mark.spec("GOV-12", "STO-3.4", "P28")
@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_what_the_removals_took_and_the_next_whole_revision_is_named(
    case: str, tmp_path: Path
) -> None:
    units, refused = CASES[case]
    then = []
    with connect("memory://") as store:
        for unit in (*units, None):
            if unit is None:
                backup(store, tmp_path, store_id=store.store_id, incremental=True)
            else:
                with store.begin() as uow:
                    unit(uow)
                with store.read() as view:
                    then.append(rows_in(view.reader))
    found: dict[int, int] = {}
    for revision, expected in enumerate(then, 1):
        try:
            assert brought_back(tmp_path, revision) == expected
        except CompactedError as error:
            found[revision] = error.oldest
    assert found == refused


def test_of_what_was_never_removed_nothing_is_kept() -> None:
    with connect("memory://") as store:
        store.run(lambda uow: [uow.kv.set(f"/{number}", b"1") for number in range(2_000)])
        with store.read() as view:
            entries = list(view.reader.scan(JOURNAL, JOURNAL.key))
            rows = list(view.reader.scan(KV_CHANGE, KV_CHANGE.key))
    assert len(entries) == len(rows) == 2_000

    def bytes_kept(*, of_each: bool) -> int:
        """With each value, or with every second one."""
        tracemalloc.start()
        gaps = Gaps()
        for entry, row in zip(entries, rows, strict=True):
            gaps.entry(entry)
            if of_each or row.position % 2:
                gaps.value(KV_CHANGE, row)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert gaps.end_of(1) is None
        return kept

    assert bytes_kept(of_each=True) < 10_000 < 100_000 < bytes_kept(of_each=False) < 400_000


def test_a_unit_behind_the_restored_revision_is_not_known(tmp_path: Path) -> None:
    """Units without an id share a row that tells of all of them; it is asked with the number of each, and of none."""
    target = MemoryTarget()
    with connect("memory://") as store:
        for n in range(4):
            store.run(lambda uow, n=n: uow.metadata.set("n", n))  # type: ignore[misc]
        backup(store, tmp_path / "backup", store_id=store.store_id)
    restore(tmp_path / "backup", target, revision=1)
    assert target.made is not None
    snapshot = target.made.snapshot()
    (row,) = snapshot.scan(OPERATION, OPERATION.key)
    assert find_operation(snapshot, f"{row.operation_id}.0") is None
    assert find_operation(snapshot, f"{row.operation_id}.9") is None
