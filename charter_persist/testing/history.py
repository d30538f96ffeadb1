"""A short history that touches every store and crosses the first tile of the journal.

Given equal sources, every store that records it ends with the same root.
"""

from __future__ import annotations

from typing import Final

from charter_persist.store import Store
from charter_persist.unit_of_work import Receipt, UnitOfWork

UNITS: Final = 60


def record_history(store: Store, first: int = 0, last: int = UNITS, *, through_run: bool = False) -> list[Receipt]:
    """Record units ``first`` to ``last - 1`` of the history, and before every seventh one a unit that raises.

    Args:
        store: where.
        first: number of the first unit.
        last: number behind the last unit.
        through_run: use `Store.run` and not `Store.begin`.

    Returns:
        The receipts.
    """
    receipts = []
    for number in range(first, last):
        if number % 7 == 3:
            _undone(store, number, through_run=through_run)
        receipt = _unit(store, number, through_run=through_run, fails=False)
        assert receipt is not None
        receipts.append(receipt)
    return receipts


class UndoneError(Exception):
    """Raised in the middle of a unit, to have it undone."""


def _undone(store: Store, number: int, *, through_run: bool) -> None:
    try:
        _unit(store, number, through_run=through_run, fails=True)
    except UndoneError:
        return
    raise AssertionError("a unit that raised did not raise to its caller")


def _unit(store: Store, number: int, *, through_run: bool, fails: bool) -> Receipt | None:
    def change(uow: UnitOfWork) -> None:
        _change(uow, number)
        if fails:
            raise UndoneError

    if through_run:
        return store.run(change).receipt
    with store.begin() as uow:
        change(uow)
    return uow.receipt


def _change(uow: UnitOfWork, number: int) -> None:
    """The changes of one unit."""
    digest = uow.objects.put("doc", {"n": number, "text": "\u20ac" * (number % 5)})
    name = f"label/{number % 3}"
    current = uow.refs.get(name)
    uow.refs.set(name, digest, expected=current.version if current else 0)
    if number % 10 == 9:
        uow.refs.delete(name, expected=uow.refs.require(name).version)
    uow.metadata.set(f"key/{number % 4}", {"n": number / 4})
    if number % 20 == 19:
        uow.metadata.compact()
    uow.audit.append("NOTED", scope="AREA:x" if number % 2 else "GLOBAL", subject=("doc", digest), details=number)
    uow.objects.put_many(("bulk", number * 2 + n) for n in range(2))
    if number % 6 == 0:
        _deliberate(uow, f"s{number}")


def _deliberate(uow: UnitOfWork, session_id: str) -> None:
    """A session from its beginning to its end."""
    uow.sessions.create(session_id=session_id, area_id="x", problem_statement="why")
    kept = uow.sessions.snapshot(session_id)
    candidate = uow.sessions.add_candidate(session_id, {"text": "this"})
    uow.sessions.rollback(session_id, to=kept)
    candidate = uow.sessions.add_candidate(session_id, {"text": "that"}, rationale="because")
    uow.sessions.set_state(session_id, "ACTIVE")
    uow.sessions.record_stance(session_id, actor_id="ana", candidate_id=candidate.candidate_id, stance="ACCEPT")
    uow.sessions.seal(session_id, "ACCEPTED", accepted=[candidate.candidate_id])
