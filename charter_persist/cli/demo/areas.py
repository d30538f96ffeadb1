"""The areas of the record: made when their first proposal comes, and handed to another authority when that changes."""

from __future__ import annotations

from datetime import datetime

from charter_persist.cli.demo.decision import Decision, decide
from charter_persist.cli.demo.peps import AS_OF, Proposal, Record
from charter_persist.cli.demo.tape import Tape
from charter_persist.engine.charter import Charter
from charter_persist.errors import ConflictError
from charter_persist.model.authority import AuthorityRule
from charter_persist.model.resolution import ResolutionType


class Areas:
    """Makes areas with authority and scope. What the store has already is left as it is."""

    def __init__(self, charter: Charter, tape: Tape, record: Record) -> None:
        self._charter = charter
        self._tape = tape
        self._record = record
        self._founded: set[str] = set()

    def found(self, proposal: Proposal, at: datetime) -> None:
        """Make the area of a proposal, its first authority and its scope."""
        area_id = proposal.area_id
        if area_id in self._founded:
            return
        who = self._record.authority(at)
        if area_id not in {area.area_id for area in self._charter.areas()}:
            self._tape.wind(at, f"{area_id}/create_area")
            self._charter.create_area(label=area_id, long_name=str(proposal.facts["type"]), area_id=area_id, actor=who)
        self._decide_authority(area_id, at, who, who)
        scope = Decision(
            session_id=f"{area_id}-scope",
            area_id=area_id,
            at=at,
            actor=who,
            problem_statement="What is decided here?",
            content={"text": f"Proposals of the type {proposal.facts['type']}"},
            type=ResolutionType.SCOPE,
            first=True,
        )
        decide(self._charter, self._tape, scope)
        self._founded.add(area_id)

    def change_authority(self) -> None:
        """Let the former authority hand every area to the later one."""
        at = self._record.governance_changed_at
        former, later = self._record.authority(at), self._record.authority(AS_OF)
        for area in self._charter.areas():
            self._decide_authority(area.area_id, at, former, later)

    def in_force(self, area_id: str) -> str:
        """Who decides in an area now.

        Raises:
            NotFoundError: there is no such area.
        """
        authority = self._charter.authority(area_id)
        if authority is None:
            raise ConflictError(f"area {area_id} has no authority; the demonstration needs a store of its own")
        (actor,) = authority.object["content"]["actors"]
        return str(actor)

    def _decide_authority(self, area_id: str, at: datetime, actor: str, who: str) -> None:
        authority = Decision(
            session_id=f"{area_id}-authority-{who.lower().replace(' ', '-')}",
            area_id=area_id,
            at=at,
            actor=actor,
            problem_statement="Who decides here?",
            content={"text": f"{who} decides", "rule": str(AuthorityRule.SOLE_ACTOR), "actors": [who]},
            type=ResolutionType.AUTHORITY,
            first=actor == who,
        )
        decide(self._charter, self._tape, authority)
