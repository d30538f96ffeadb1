"""Recording: each commit of the record becomes one unit of work, and each acceptance a session of `Charter`.

Nothing comes from the machine it runs on, so every ledger backend ends with the same root. What was done is seen in the
store: commits are named operations, and sessions say how far they came. So a recording that was interrupted goes on
where it stopped, and nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from charter_persist.cli.demo.areas import Areas
from charter_persist.cli.demo.decision import Decision, decide
from charter_persist.cli.demo.peps import (
    AS_OF,
    GOVERNANCE_CHANGE,
    Edge,
    Proposal,
    Record,
    StatusChange,
    Unit,
    proposal_id,
)
from charter_persist.cli.demo.tape import Tape
from charter_persist.engine.charter import Charter
from charter_persist.errors import ConflictError
from charter_persist.model.area import area_scope, authority_ref, scope_ref
from charter_persist.model.time import format_time
from charter_persist.store import Store, connect
from charter_persist.unit_of_work import Receipt, UnitOfWork

DONE_KEY: Final = "demo/peps/counts"
SOURCE_KEY: Final = "demo/peps/source"
NOT_APPLIED: Final = "SUPERSESSION_NOT_APPLIED"
STATUS_CHANGED: Final = "STATUS_CHANGED"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording did.

    Attributes:
        repeated: True where the store held the whole record already, so nothing was written.
        receipt: of the last unit; None where nothing was written.
    """

    repeated: bool
    receipt: Receipt | None


def open_for_recording(url: str) -> tuple[Store, Tape]:
    """Open a store that takes time, ids and nonces from the record.

    Raises:
        CharterError: as `connect` says.
    """
    tape = Tape()
    return connect(url, clock=tape.clock, new_id=tape.new_id, nonce=tape.nonce), tape


def record_all(store: Store, tape: Tape, record: Record, advance: Callable[[int, int], None]) -> Recorded:
    """Record everything, commit by commit; what an earlier run recorded is left as it is.

    Args:
        store: from `open_for_recording`; empty, or with this record or a part of it.
        tape: of that store.
        record: what to record.
        advance: told of the progress.

    Returns:
        What was done.

    Raises:
        ConflictError: the store holds something else.
        BackendError: the database failed; run it again.
    """
    source = {"as_of": format_time(AS_OF), "sha256": record.source_sha256}
    with store.read() as view:
        if view.journal.size() and view.metadata.get(SOURCE_KEY) != source:
            raise ConflictError("the store holds other records; the demonstration needs one that is empty")
        if view.metadata.exists(DONE_KEY):
            return Recorded(repeated=True, receipt=None)
    tape.wind(AS_OF if not record.units else record.units[0].at, "begin")
    store.run(lambda uow: uow.metadata.set(SOURCE_KEY, source), operation_id="demo/peps/begin")
    scribe = Scribe(store, tape, record)
    for done, unit in enumerate(record.units):
        scribe.write(unit)
        advance(done + 1, len(record.units) + 1)
    return Recorded(repeated=False, receipt=scribe.finish())


class Scribe:
    """Writes the record. What it needs to know of what it wrote before, it reads from the store."""

    def __init__(self, store: Store, tape: Tape, record: Record) -> None:
        self._store = store
        self._tape = tape
        self._record = record
        self._charter = Charter(store)
        self._areas = Areas(self._charter, tape, record)

    def write(self, unit: Unit) -> None:
        """Record all changes of one commit, then decide what they decided."""
        for change in unit.changes:
            self._areas.found(self._record.proposals[change.number], unit.at)
        self._tape.wind(unit.at, unit.commit)
        self._store.run(partial(self._note, unit=unit), operation_id=f"demo/peps/{unit.commit}")
        accepted = [change for change in unit.changes if change == self._record.proposals[change.number].acceptance]
        for change in accepted:
            self._accept(self._record.proposals[change.number], change)
        if GOVERNANCE_CHANGE in {change.number for change in accepted}:
            self._areas.change_authority()

    def finish(self) -> Receipt | None:
        """Record what never changed, which replacements came to nothing, and how much there was."""
        for proposal in self._record.unchanging():
            self._areas.found(proposal, AS_OF)
        self._tape.wind(AS_OF, "end")
        return self._store.run(self._end, operation_id="demo/peps/end").receipt

    def _end(self, uow: UnitOfWork) -> None:
        for proposal in self._record.unchanging():
            uow.objects.put("proposal", proposal.content)
        for number, proposal in sorted(self._record.proposals.items()):
            if proposal.acceptance is None:
                self._note_edges(uow, number)
        counts = {
            "commits": len(self._record.units),
            "proposals": len(self._record.proposals),
            "resolutions": len(self._record.accepted),
            "status_changes": sum(len(unit.changes) for unit in self._record.units),
        }
        uow.metadata.set(DONE_KEY, counts)

    def _note(self, uow: UnitOfWork, unit: Unit) -> None:
        for change in unit.changes:
            proposal = self._record.proposals[change.number]
            if change.ordinal == 1:
                uow.objects.put("proposal", proposal.content)
            accepted = change == proposal.acceptance
            uow.audit.append(
                STATUS_CHANGED,
                scope=area_scope(proposal.area_id),
                subject=("proposal", proposal.proposal_id),
                actor=", ".join(self._record.deciders(change)) if accepted else None,
                details={"commit": change.commit, "from": change.before, "to": change.status},
                context=_context(uow, proposal),
                event_id=change.event_id,
                occurred_at=change.at,
            )

    def _accept(self, proposal: Proposal, change: StatusChange) -> None:
        """Hold the session of a proposal; who is in force accepts, on the advice of the delegates where there are."""
        edges = self._record.edges(proposal.number)
        known = {edge: self._charter.outcome(proposal_id(edge.target))[0] for edge in edges if edge.target_accepted}
        areas = {self._record.proposals[edge.target].area_id for edge in known}
        delegates = list(proposal.facts["delegate"])
        decision = Decision(
            session_id=proposal.proposal_id,
            area_id=proposal.area_id,
            at=change.at,
            actor=self._areas.in_force(proposal.area_id),
            problem_statement=f"Shall {proposal.proposal_id} be accepted?",
            content=self._content(proposal, edges),
            rationale=f"On the advice of {', '.join(delegates)}, to whom it was delegated" if delegates else None,
            supersedes=tuple(name for edge, name in known.items() if edge.obstacle is None),
            referenced_areas=tuple(areas - {proposal.area_id}),
            referenced_resolutions=tuple(name for edge, name in known.items() if edge.obstacle is not None),
        )
        decide(self._charter, self._tape, decision)
        if any(edge.obstacle for edge in edges):
            self._tape.wind(change.at, f"{proposal.proposal_id}/edges")
            operation = f"demo/peps/edges/{proposal.proposal_id}"
            self._store.run(partial(self._note_edges, number=proposal.number), operation_id=operation)

    @staticmethod
    def _content(proposal: Proposal, edges: tuple[Edge, ...]) -> dict[str, Any]:
        """What is accepted; the edges that supersede nothing are references in it."""
        return {
            "text": f"PEP {proposal.number}: {proposal.facts['title']}",
            "proposal": proposal.digest,
            "decided_by": list(proposal.facts["delegate"]),
            "references": {
                "decision": proposal.facts["resolution"],
                "replaces": [proposal_id(edge.target) for edge in edges if edge.obstacle is not None],
            },
        }

    def _note_edges(self, uow: UnitOfWork, number: int) -> None:
        """Append one event for each edge that supersedes nothing, with the rule that stands against it."""
        proposal = self._record.proposals[number]
        for edge in self._record.edges(number):
            if edge.obstacle is not None:
                uow.audit.append(
                    NOT_APPLIED,
                    scope=area_scope(proposal.area_id),
                    subject=("proposal", proposal.proposal_id),
                    details={
                        "rule": str(edge.obstacle),
                        "requirement": edge.obstacle.requirement,
                        "target": proposal_id(edge.target),
                    },
                    context=_context(uow, proposal),
                    event_id=f"{proposal.proposal_id}/replaces/{proposal_id(edge.target)}",
                )


def _context(uow: UnitOfWork, proposal: Proposal) -> dict[str, str | None]:
    """What was in force in the area of a proposal, and its session where it has one."""
    authority, scope = (uow.refs.require(name(proposal.area_id)) for name in (authority_ref, scope_ref))
    return {
        "authority_resolution_id": authority.digest,
        "scope_resolution_id": scope.digest,
        "session_id": proposal.proposal_id if proposal.acceptance is not None else None,
    }
