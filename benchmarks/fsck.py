"""fsck over objects of an application, and over the record of a governed area."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, alone
from benchmarks.on_sqlite import opened, size
from benchmarks.payload import items
from charter_persist import Store
from charter_persist.engine.charter import Charter
from charter_persist.integrity.fsck import fsck


def decisions(store: Store, count: int) -> None:
    """An area in which one actor accepted so many decisions, each in a session of its own."""
    charter = Charter(store)
    charter.create_area(label="area", area_id="area")
    first = {"text": "one decides", "rule": "SOLE_ACTOR", "actors": ["ana"]}
    _decide(charter, first, type="AUTHORITY", participants=["ana"])
    _decide(charter, {"text": "everything"}, type="SCOPE", participants=["ana"])
    for number in range(count):
        _decide(charter, {"text": f"decision {number}"})


def _decide(charter: Charter, content: dict[str, object], **session: object) -> None:
    opened = charter.start_session("area", problem_statement="why", **session)  # type: ignore[arg-type]
    candidate = charter.add_candidate(opened.session_id, content=content)
    charter.start(opened.session_id)
    charter.record_stance(opened.session_id, candidate_id=candidate.candidate_id, stance="ACCEPT", actor="ana")
    charter.accept(opened.session_id, actor="ana")


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of fsck."""
    count, accepted, rounds = (2_000, 5, 2) if quick else (100_000, 1_000, 5)
    with opened(folder, "fsck.db") as store:
        with store.begin() as uow:
            uow.objects.put_many(items("fsck", count))

        def check(_number: int) -> int:
            report = fsck(store)
            if report.counts:
                raise AssertionError(report.findings)
            return report.objects.reachable + report.objects.unattached

        yield alone("SQLite: fsck, objects", check, wanted=">= 100,000/s", rounds=rounds)
    with opened(folder, "governed.db") as store:
        decisions(store, accepted)

        def check_all(_number: int) -> int:
            report = fsck(store)
            if report.counts:
                raise AssertionError(report.findings)
            return size(store)

        yield alone(f"SQLite: fsck, journal entries of {accepted:,} decisions", check_all, wanted="-", rounds=rounds)
