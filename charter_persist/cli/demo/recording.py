"""Recording: each commit of the record becomes one unit of work, with the time, ids and nonces of the record.

Nothing comes from the machine it runs on, so every ledger backend ends with the same root. Each unit is a named
operation: a recording that was interrupted goes on where it stopped, and nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final

from charter_persist.cli.demo.peps import AS_OF, GOVERNANCE_CHANGE, Proposal, Record, StatusChange, Unit, proposal_id
from charter_persist.errors import ConflictError
from charter_persist.journal.entry import NONCE_BYTES
from charter_persist.model.digest import Digest
from charter_persist.model.time import format_time
from charter_persist.store import Store, connect
from charter_persist.unit_of_work import Receipt, UnitOfWork

DONE_KEY: Final = "demo/peps/counts"
SOURCE_KEY: Final = "demo/peps/source"


class Tape:
    """Time, identifiers and nonces as the record has them; it is wound to each unit as that begins."""

    def __init__(self) -> None:
        self._at = AS_OF
        self._seed = ""
        self._count = 0

    def wind(self, at: datetime, seed: str) -> None:
        """Go to the beginning of a unit."""
        self._at, self._seed, self._count = at, seed, 0

    def clock(self) -> datetime:
        """The time of the unit."""
        return self._at

    def new_id(self) -> str:
        """The next identifier of the unit."""
        return self._next().hex()

    def nonce(self) -> bytes:
        """The next nonce of the unit. It is no secret, and neither is what it covers."""
        return self._next()

    def _next(self) -> bytes:
        self._count += 1
        return sha256(f"{self._seed}/{self._count}".encode()).digest()[:NONCE_BYTES]


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
    with store.read() as view:
        if view.metadata.exists(DONE_KEY):
            return Recorded(repeated=True, receipt=None)
        is_empty = view.journal.size() == 0
    if not is_empty and store.resolve(_operation(record.units[0])) is None:
        raise ConflictError("the store holds other records; the demonstration needs one that is empty")
    scribe = Scribe(record, tape)
    for done, unit in enumerate(record.units):
        store.run(partial(scribe.write, unit=unit), operation_id=_operation(unit))
        advance(done + 1, len(record.units) + 1)
    outcome = store.run(scribe.finish, operation_id="demo/peps/end")
    return Recorded(repeated=False, receipt=outcome.receipt)


def _operation(unit: Unit) -> str:
    return f"demo/peps/{unit.commit}"


class Scribe:
    """Writes units. It keeps nothing between them: what it needs is in the record and in the store."""

    def __init__(self, record: Record, tape: Tape) -> None:
        self._record = record
        self._tape = tape

    def write(self, uow: UnitOfWork, unit: Unit) -> None:
        """Record all changes of one commit."""
        self._tape.wind(unit.at, unit.commit)
        for change in unit.changes:
            proposal = self._record.proposals[change.number]
            authority = self._area(uow, proposal, change.at)
            if change.ordinal == 1:
                uow.objects.put("proposal", proposal.content)
                if proposal.acceptance is not None:
                    self._open_session(uow, proposal, authority)
            if change == proposal.acceptance:
                self._accept(uow, proposal, change)
            self._append_event(uow, proposal, change, authority)
            if change == self._record.proposals[GOVERNANCE_CHANGE].acceptance:
                self._change_authority(uow)

    def finish(self, uow: UnitOfWork) -> None:
        """Record what never changed, where the record comes from, and how much there was."""
        self._tape.wind(AS_OF, "end")
        for proposal in self._record.unchanging():
            self._area(uow, proposal, AS_OF)
            uow.objects.put("proposal", proposal.content)
        uow.metadata.set(SOURCE_KEY, {"as_of": format_time(AS_OF), "sha256": self._record.source_sha256})
        counts = {
            "commits": len(self._record.units),
            "proposals": len(self._record.proposals),
            "resolutions": len(self._record.resolutions),
            "status_changes": sum(len(unit.changes) for unit in self._record.units),
        }
        uow.metadata.set(DONE_KEY, counts)

    def _area(self, uow: UnitOfWork, proposal: Proposal, at: datetime) -> Digest:
        """Make the area of a proposal where it is not there yet; returns the authority in force."""
        ref = uow.refs.get(f"area/{proposal.area_id}/authority")
        if ref is not None and ref.digest is not None:
            return ref.digest
        area = {"area_id": proposal.area_id, "name": proposal.facts["type"], "created_at": format_time(at)}
        uow.objects.put("area", area)
        return self._set_authority(uow, proposal.area_id, at, self._record.authority(at), [])

    def _change_authority(self, uow: UnitOfWork) -> None:
        """Give every area the later authority, which supersedes the earlier one."""
        for area in list(uow.objects.iter("area")):
            area_id = area.object["area_id"]
            former = uow.refs.require(f"area/{area_id}/authority").digest
            later = self._record.authority(AS_OF)
            self._set_authority(uow, area_id, self._record.governance_changed_at, later, [former])

    def _set_authority(self, uow: UnitOfWork, area_id: str, at: datetime, who: str, supersedes: list[Any]) -> Digest:
        content = {
            "kind": "authority",
            "area_id": area_id,
            "title": f"{who} decides",
            "decided_at": format_time(at),
            "supersedes": supersedes,
        }
        authority = uow.objects.put("resolution", content)
        _point(uow, f"area/{area_id}/authority", authority)
        return authority

    @staticmethod
    def _open_session(uow: UnitOfWork, proposal: Proposal, authority: Digest) -> None:
        name = proposal_id(proposal.number)
        uow.sessions.create(
            session_id=name,
            area_id=proposal.area_id,
            problem_statement=f"Shall {name} be accepted?",
            authority_resolution_id=authority,
        )
        uow.sessions.add_candidate(name, {"proposal": proposal.digest}, candidate_id=name)
        uow.sessions.set_state(name, "ACTIVE")

    def _accept(self, uow: UnitOfWork, proposal: Proposal, change: StatusChange) -> None:
        name = proposal_id(proposal.number)
        for who in self._record.deciders(change):
            uow.sessions.record_stance(name, actor_id=who, candidate_id=name, stance="ACCEPT")
        uow.sessions.seal(name, "ACCEPTED", accepted=[name])
        resolution = uow.objects.put("resolution", self._record.resolutions[proposal.number])
        _point(uow, f"area/{proposal.area_id}/head", resolution)

    def _append_event(self, uow: UnitOfWork, proposal: Proposal, change: StatusChange, authority: Digest) -> None:
        name = proposal_id(proposal.number)
        accepted = change == proposal.acceptance
        uow.audit.append(
            "STATUS_CHANGED",
            scope=f"AREA:{proposal.area_id}",
            subject=("proposal", name),
            actor=", ".join(self._record.deciders(change)) if accepted else None,
            details={"commit": change.commit, "from": change.before, "to": change.status},
            context={
                "authority_resolution_id": authority,
                "session_id": name if proposal.acceptance is not None else None,
            },
            event_id=change.event_id,
            occurred_at=change.at,
        )


def _point(uow: UnitOfWork, name: str, digest: Digest) -> None:
    """Point a ref to an object, whatever it pointed to."""
    ref = uow.refs.get(name)
    uow.refs.set(name, digest, expected=0 if ref is None else ref.version)
