"""Open sessions against what is in force now.

Cost: one scan of the open sessions of each area, and their newest rows in the log. Imports ``engine``, ``index``,
``repositories``, ``backends.contract``, ``model`` and ``errors``. Source: GOV-7, NEIGHBOURS 2.10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from charter_persist.engine.areas import GOVERNING
from charter_persist.engine.deliberation import dependencies
from charter_persist.engine.work import require_in_force, standing
from charter_persist.errors import IntegrityError, RuleError
from charter_persist.index.lookups import Lookups
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.journal_pass import UNREADABLE
from charter_persist.integrity.legitimacy import is_governed
from charter_persist.model.resolution import ResolutionState
from charter_persist.model.session import FINAL_STATES, Session, SessionState
from charter_persist.unit_of_work import ReadView

IDS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not wrong, and that somebody may want to look at.

    Attributes:
        text: what it is.
        count: how often it occurs.
        ids: at most `IDS_MAX` of those that it is true of.
    """

    text: str
    count: int
    ids: tuple[str, ...]


class Notes:
    """Notes as they are made."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, text: str, name: str) -> None:
        """Take in one."""
        self._counts[text] = self._counts.get(text, 0) + 1
        ids = self._ids.setdefault(text, [])
        if len(ids) < IDS_MAX:
            ids.append(name)

    def result(self) -> tuple[Note, ...]:
        """All of them, by their text."""
        return tuple(Note(text, self._counts[text], tuple(self._ids[text])) for text in sorted(self._ids))


def check_open_sessions(view: ReadView, lookups: Lookups, findings: Findings) -> tuple[Note, ...]:
    """Report sessions that go on under what is not in force; note what waits for somebody.

    Args:
        view: of the snapshot.
        lookups: what is in force in it.
        findings: takes ACTIVE sessions that captured something else.

    Returns:
        What is stale, and areas that are not initialised.
    """
    notes = Notes()
    for area in lookups.areas():
        try:
            kinds = {kind: standing(lookups, area.area_id, kind) for kind in GOVERNING}
        except IntegrityError:
            continue  # several are in force, which the index reports
        for kind in GOVERNING:
            if kinds[kind] is None:
                notes.add(f"area without {kind}: not initialised", area.area_id)
        for session in _open_sessions(view, area.area_id):
            _check(session, lookups, findings, notes)
    return notes.result()


def _open_sessions(view: ReadView, area_id: str) -> Iterator[Session]:
    for state in SessionState:
        if state not in FINAL_STATES:
            try:
                yield from filter(is_governed, view.sessions.iter(area_id=area_id, state=state))
            except UNREADABLE:
                continue  # its rows were reported where they stand


def _check(session: Session, lookups: Lookups, findings: Findings, notes: Notes) -> None:
    name = session.session_id
    try:
        require_in_force(lookups, session)
    except RuleError as exc:
        if session.state is SessionState.ACTIVE:
            findings.add("SESSION_INVALID_CONTEXT", f"session/{name}", exc.message)
        else:
            notes.add(f"{session.state} session whose authority or scope changed", name)
    try:
        entries = [lookups.resolution(item) for item in dependencies(session)]
    except UNREADABLE:
        return  # it is not what the engine wrote, which was reported where it stands
    if any(entry is not None and entry.state is ResolutionState.SUPERSEDED for entry in entries):
        notes.add("session that depends on a superseded resolution", name)
