"""Deliberations: mutable while open, logged after each change, sealed to an object at their end.

A unit of work logs each session that it changed once, at its end, with the net effect; `snapshot` and `seal` log at
once. Cost of a change: one look-up of the session and one of its newest log row; at the end of the unit one log row,
one journal entry and the rows of the projection that changed.

Source: STO-3.5, GOV-3, GOV-4, NEIGHBOURS 2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from charter_persist.backends.contract import (
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    CandidateRow,
    Key,
    Relation,
    SessionLogRow,
    SessionRow,
    StanceRow,
)
from charter_persist.errors import (
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    SealedError,
)
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.digest import Digest, digest
from charter_persist.model.records import Page
from charter_persist.model.session import FINAL_STATES, Candidate, Session, SessionState, Stance, StanceKind
from charter_persist.model.text import check_position, check_text
from charter_persist.model.time import format_micros
from charter_persist.repositories.base import ReadContext, WriteContext
from charter_persist.repositories.objects import ObjectRepository
from charter_persist.repositories.paging import behind, page_by_name

BY_VERSION = ("session_id", "version")


class SessionReader:
    """Reads of sessions."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, session_id: str) -> Session | None:
        """Return the session of that id as it stands now, or None."""
        newest = self._logged(check_text(session_id, field="session_id"))
        return None if newest is None else _session(newest)

    def require(self, session_id: str) -> Session:
        """Return the session of that id as it stands now.

        Raises:
            NotFoundError: there is no such session.
        """
        session = self.get(session_id)
        if session is None:
            raise NotFoundError(f"there is no session {session_id}", session_id=session_id)
        return session

    def exists(self, session_id: str) -> bool:
        """Whether there is a session of that id."""
        return self.get(session_id) is not None

    def sealed_digest(self, session_id: str) -> Digest | None:
        """Return the digest of the object that a session was sealed to, or None while it is open."""
        row = self._context.reader.get(SESSION, (check_text(session_id, field="session_id"),))
        return None if row is None or row.digest is None else Digest(row.digest.hex())

    def iter(self, *, area_id: str | None = None, state: SessionState | str | None = None) -> Iterator[Session]:
        """Yield sessions as they stand now, by id; by area, state and id where an area is given.

        Args:
            area_id: only sessions of this area.
            state: only sessions in this state.

        Raises:
            InvalidInputError: there is no such state.
        """
        wanted = None if state is None else _state(state)
        if area_id is None:
            rows = self._context.reader.scan(SESSION, ("session_id",))
        else:
            area = check_text(area_id, field="area_id")
            prefix = (area,) if wanted is None else (area, str(wanted))
            rows = self._context.reader.scan(SESSION, ("area_id", "state", "session_id"), prefix=prefix)
        for row in rows:
            if wanted is None or row.state == wanted:
                yield self.require(row.session_id)

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[Session]:
        """Return one page of sessions, by id.

        Args:
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """

        def rows(after: str | None, count: int) -> Iterator[SessionRow]:
            return self._context.reader.scan(SESSION, ("session_id",), after=behind(after), limit=count)

        name = attrgetter("session_id")
        return page_by_name(
            self._context, limit, cursor, rows, name=name, item=lambda row: self.require(row.session_id)
        )

    def history(self, session_id: str) -> Iterator[Session]:
        """Yield the session as it was after each logged change, oldest first."""
        name = check_text(session_id, field="session_id")
        return map(_session, self._context.reader.scan(SESSION_LOG, BY_VERSION, prefix=(name,)))

    def _logged(self, session_id: str) -> SessionLogRow | None:
        rows = self._context.reader.scan(SESSION_LOG, BY_VERSION, prefix=(session_id,), reverse=True, limit=1)
        return next(rows, None)


class SessionRepository(SessionReader):
    """Sessions of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self._drafts: dict[str, tuple[Session | None, Session]] = {}  # as logged, as it is now
        context.before_end.append(self._log_all)

    def get(self, session_id: str) -> Session | None:
        """Return the session of that id as this unit has it, or None."""
        draft = self._drafts.get(session_id)
        return draft[1] if draft else super().get(session_id)

    def iter(self, *, area_id: str | None = None, state: SessionState | str | None = None) -> Iterator[Session]:
        """As `SessionReader.iter`, with the changes of this unit, which are logged first."""
        self._log_all()
        return super().iter(area_id=area_id, state=state)

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[Session]:
        """As `SessionReader.list`, with the changes of this unit, which are logged first."""
        self._log_all()
        return super().list(limit=limit, cursor=cursor)

    def create(
        self,
        *,
        area_id: str,
        problem_statement: str,
        session_id: str | None = None,
        authority_resolution_id: str | None = None,
        scope_resolution_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
        references: Mapping[str, Any] | None = None,
    ) -> Session:
        """Open a deliberation in state CREATED.

        Args:
            area_id: of the area it belongs to.
            problem_statement: what is to be decided.
            session_id: unique in the store; a new one by default.
            authority_resolution_id: of the authority in force, captured for good.
            scope_resolution_id: of the scope in force, captured for good.
            constraints: a JSON object.
            references: a JSON object.

        Raises:
            AlreadyExistsError: there is a session of that id.
            InvalidInputError: a field does not follow its grammar.
            NotCanonicalError: constraints or references have no canonical form.
        """
        identity = check_text(self._context.sources.new_id() if session_id is None else session_id, field="session_id")
        if self.get(identity) is not None:
            raise AlreadyExistsError(f"there is a session {identity} already", session_id=identity)
        session = Session(
            session_id=identity,
            area_id=check_text(area_id, field="area_id"),
            problem_statement=problem_statement,
            created_at=self._now(),
            authority_resolution_id=authority_resolution_id,
            scope_resolution_id=scope_resolution_id,
            constraints=dict(constraints or {}),
            references=dict(references or {}),
        )
        return self._keep(None, session)

    def add_candidate(
        self, session_id: str, content: Any, *, rationale: str | None = None, candidate_id: str | None = None
    ) -> Candidate:
        """Add a candidate while no stance was recorded.

        Raises:
            NotFoundError: there is no such session.
            SealedError: the session has ended.
            FrozenError: a stance was recorded already (GOV-3).
            InvalidTransitionError: the session is PAUSED or BLOCKED.
            InvalidInputError: the session has a candidate of that id.
        """
        identity = self._context.sources.new_id() if candidate_id is None else candidate_id
        candidate = Candidate(identity, content, rationale, self._now())
        session = self.require(session_id)
        self._keep(session, session.with_candidate(candidate))
        return candidate

    def record_stance(self, session_id: str, *, actor_id: str, candidate_id: str, stance: StanceKind | str) -> Stance:
        """Record what an actor says of a candidate; an earlier stance of the same actor on it is replaced.

        Raises:
            NotFoundError: there is no such session or candidate.
            SealedError: the session has ended.
            InvalidTransitionError: the session is not ACTIVE.
            InvalidInputError: the stance is not ACCEPT, REJECT or ABSTAIN.
        """
        if stance not in StanceKind.__members__:
            raise InvalidInputError(f"a stance is ACCEPT, REJECT or ABSTAIN, not {stance!r}")
        recorded = Stance(actor_id, candidate_id, StanceKind(stance), self._now())
        session = self.require(session_id)
        self._keep(session, session.with_stance(recorded))
        return recorded

    def set_state(self, session_id: str, state: SessionState | str) -> Session:
        """Move an open session to another open state.

        Raises:
            NotFoundError: there is no such session.
            SealedError: the session has ended.
            InvalidTransitionError: the present state does not lead there.
            InvalidInputError: the state is a final one: use `seal`.
        """
        wanted = _state(state)
        if wanted in FINAL_STATES:
            raise InvalidInputError(f"{wanted} ends a session; use seal")
        session = self.require(session_id)
        return self._keep(session, session.moved_to(wanted, self._now()))

    def snapshot(self, session_id: str) -> int:
        """Return the version of the session as it stands now, to which `rollback` can come back.

        Raises:
            NotFoundError: there is no such session.
        """
        self._log(session_id)
        return self.require(session_id).version

    def rollback(self, session_id: str, *, to: int) -> Session:
        """Bring state, candidates and stances of an open session back to an earlier version, as a new version.

        Args:
            session_id: of an open session.
            to: a version that `snapshot` returned.

        Raises:
            NotFoundError: there is no such session or version.
            SealedError: the session has ended.
        """
        self._log(session_id)
        session = self.require(session_id)
        if session.sealed:
            raise SealedError(f"session {session_id} is {session.state} and sealed; start a new one")
        wanted = check_position(max(to, 0), field="to")
        row = next(
            self._context.reader.scan(SESSION_LOG, BY_VERSION, prefix=(session_id,), start=(wanted,), limit=1), None
        )
        if row is None or row.version != to:
            raise NotFoundError(f"session {session_id} has no version {to}", session_id=session_id)
        return self._keep(session, replace(_session(row), version=session.version))

    def seal(self, session_id: str, state: SessionState | str, *, accepted: Iterable[str] = ()) -> Digest:
        """End a session for good and store it as an object of type ``session``.

        Args:
            session_id: of an open session.
            state: ACCEPTED or CLOSED.
            accepted: ids of the accepted candidates; only for ACCEPTED.

        Returns:
            The digest of the object.

        Raises:
            NotFoundError: there is no such session or candidate.
            SealedError: the session has ended already.
            InvalidTransitionError: the present state does not lead there.
            InvalidInputError: the state is not a final one.

        Spec: STO-3.5
        """
        session = self.require(session_id)
        ended = session.with_outcome(_state(state), tuple(accepted), self._now())
        digest = ObjectRepository(self._context).put("session", sealed_content(ended))
        self._keep(session, ended)
        self._log(session_id, sealed=bytes.fromhex(digest))
        return digest

    def _now(self) -> str:
        return format_micros(self._context.now)

    def _keep(self, before: Session | None, session: Session) -> Session:
        """Remember a change until the unit ends; checks its form now, while it can still be refused."""
        canonical_bytes(session.to_json(), options=self._context.options)
        first = self._drafts[session.session_id][0] if session.session_id in self._drafts else before
        self._drafts[session.session_id] = (first, session)
        return session

    def _log_all(self) -> None:
        for session_id in list(self._drafts):
            self._log(session_id)

    def _log(self, session_id: str, *, sealed: bytes | None = None) -> None:
        """Write the draft of a session, if there is one, to the log and the projection."""
        draft = self._drafts.pop(session_id, None)
        if draft is not None:
            with self._context.whole():
                self._log_draft(*draft, sealed)

    def _log_draft(self, before: Session | None, session: Session, sealed: bytes | None) -> None:
        work = self._context
        session = replace(session, version=(before.version if before else 0) + 1)
        data = canonical_bytes(session.to_json(), options=work.options)
        nonce = work.sources.nonce()
        operation = "create" if before is None else "seal" if session.sealed else "update"
        position = work.record_value("session", session.session_id, operation, data, nonce)
        log = SessionLogRow(position, session.session_id, session.version, work.journal.revision, nonce, data)
        work.write.put(SESSION_LOG, log, size=len(data))
        self._project(before, session, position, sealed)

    def _project(self, before: Session | None, session: Session, position: int, sealed: bytes | None) -> None:
        """Write the rows of the projection that differ."""
        write = self._context.write
        old = projection(before, 0, None) if before else {}
        new = projection(session, position, sealed)
        for (relation, key), row in new.items():
            if old.get((relation, key)) != row:
                write.put(relation, row)
        for relation, key in old.keys() - new.keys():
            write.delete(relation, key)


def projection(session: Session, position: int, sealed: bytes | None) -> dict[tuple[Relation[Any], Key], Any]:
    """The rows of the current-state tables that a session stands in, by relation and key.

    Args:
        session: as logged.
        position: of its newest row in the log.
        sealed: digest of the object it was sealed to, or None.
    """
    name = session.session_id
    row = SessionRow(name, session.area_id, str(session.state), session.version, sealed, position)
    rows: dict[tuple[Relation[Any], Key], Any] = {(SESSION, (name,)): row}
    for ordinal, candidate in enumerate(session.candidates.values(), 1):
        key = (name, candidate.candidate_id)
        rows[SESSION_CANDIDATE, key] = CandidateRow(*key, ordinal, canonical_bytes(candidate.to_json()))
    for stance in session.stances.values():
        key3 = (name, stance.actor_id, stance.candidate_id)
        rows[SESSION_STANCE, key3] = StanceRow(*key3, str(stance.type), canonical_bytes(stance.to_json()))
    return rows


def projection_of(row: SessionLogRow) -> dict[tuple[Relation[Any], Key], Any]:
    """As `projection`, from a row of the log alone; the digest of a sealed session is computed from its content."""
    session = _session(row)
    sealed = bytes.fromhex(digest("session", sealed_content(session))) if session.sealed else None
    return projection(session, row.position, sealed)


def sealed_content(session: Session) -> dict[str, Any]:
    """The content of the object that a session is sealed to; how often it was logged is no part of it."""
    content = session.to_json()
    del content["version"]
    return content


def _state(state: SessionState | str) -> SessionState:
    if state not in SessionState.__members__:
        raise InvalidInputError(f"a session has no state {state!r}; there are {', '.join(SessionState)}")
    return SessionState(state)


def _session(row: SessionLogRow) -> Session:
    return Session.from_json(load_canonical(row.data))
