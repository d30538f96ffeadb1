"""What fsck sees while the journal is read: each object by its form, each decision beside its session, each event.

The index is built of the same reading. Cost of an object of an application: one parse and one look at its digest; of one
of governance: two parses and the look at each field. A resolution whose session was not read just before it costs one
look-up. Memory: the index, `SESSIONS_KEPT` sessions, and what is damaged.

Imports ``index``, ``engine``, ``backends.contract``, ``model`` and ``errors``. Source: GOV-11, NEIGHBOURS 2.10.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Final

from charter_persist.backends.contract import OBJECT, AuditRow, ObjectRow, Reader, RefLogRow, SessionLogRow
from charter_persist.errors import CorruptStoreError, IntegrityError, InvalidInputError
from charter_persist.index import findings as wording
from charter_persist.index.index import Index
from charter_persist.index.stored import TYPES, StoredObject, read_object
from charter_persist.integrity.census import Census
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.journal_pass import Watcher
from charter_persist.integrity.legitimacy import is_governed, resolution_faults, transition_fault
from charter_persist.integrity.trail import Trail
from charter_persist.model.area import Area, authority_ref, scope_ref
from charter_persist.model.canonical import is_canonical, load_canonical
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.forms import FORMS
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution
from charter_persist.model.session import Session, SessionState

SESSIONS_KEPT: Final = 256
INDEXED_TOGETHER: Final = 4_096


class Inspection(Watcher):
    """Is told of every value once; `finish` reports what only the whole shows.

    Args:
        reader: of the snapshot.
        findings: takes what is wrong.
        pointed: raw digests that refs point to.

    Attributes:
        index: of the objects that were read; complete after `finish`.
        census: counts them by class.
        dangling: digests that refs point to and that were not read.
        broken: digests of objects of governance that a hard finding names.
    """

    def __init__(self, reader: Reader, findings: Findings, pointed: Collection[bytes]) -> None:
        self.index = Index()
        self.census = Census(pointed)
        self.dangling = set(pointed)
        self.broken: set[str] = set()
        self._reader = reader
        self._findings = findings
        self._trail = Trail(findings)
        self._batch: list[StoredObject] = []
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # sealed ones, by digest and by id
        self._undecided: list[tuple[Digest, Transition]] = []
        self._arealess: dict[str, str] = {}  # areas not known when a session named them, with its digest
        self._areas: set[str] = set()
        self._in_force: dict[str, str | None] = {}  # targets of the governing refs as of the present entry
        self._captured: dict[tuple[str, str], str] = {}  # what a session captured, what the ref named, and the session

    def object(self, row: ObjectRow, sound: bool) -> None:
        """Check layer A; what is of governance goes to the index and is put beside its session."""
        self.dangling.discard(row.digest)
        if row.type in FORMS:
            self._governed(row, sound)
            return
        whole = sound and is_canonical(row.data)
        if sound and not whole:
            self._findings.add("CORRUPT_OBJECT", f"object/{row.position}", "the bytes are not canonical JSON")
        self.census.take(row, whole=whole)

    def _governed(self, row: ObjectRow, sound: bool) -> None:
        self.census.take_governed()
        if not sound:
            self.broken.add(row.digest.hex())
            if row.type in TYPES:
                self._to_index(read_object(row)._replace(problems=()))
            return
        digest = Digest(row.digest.hex())
        try:
            if not is_canonical(row.data):
                raise InvalidInputError("the bytes are not canonical JSON")
            value = FORMS[row.type](load_canonical(row.data))
        except (InvalidInputError, IntegrityError) as exc:
            self._add(wording.corrupt(digest, row.type, exc.message))
            if row.type in TYPES:
                self._to_index(StoredObject(digest, row.type, None))
            return
        if row.type in TYPES:
            self._to_index(StoredObject(digest, row.type, value))
            self._decided(digest, value)

    def _decided(self, digest: Digest, value: Any) -> None:
        if isinstance(value, Session):
            self._sealed(digest, value)
        elif isinstance(value, Resolution):
            self.census.claim(value.accepted_in_session)
            self._trail.resolution(digest, value.area_id)
            session = self._session_object(value.session_digest)
            if session is not None and session.state is SessionState.ACCEPTED:
                for fault in resolution_faults(value, session):
                    self._add(Finding("ILLEGITIMATE_RESOLUTION", f"object/{digest}", fault))
        elif isinstance(value, Transition):
            if value.session_id is not None:
                self.census.claim(value.session_id)
            if transition_fault(value, self._sessions.get(value.session_id or "")) is not None:
                self._undecided.append((digest, value))
        elif isinstance(value, Area):
            self._areas.add(value.area_id)

    def _sealed(self, digest: Digest, session: Session) -> None:
        self.census.take_session(session.session_id, digest)
        for key in (digest, session.session_id):
            self._sessions[key] = session
        while len(self._sessions) > 2 * SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        if is_governed(session) and session.area_id not in self._areas:
            self._arealess.setdefault(session.area_id, digest)

    def _session_object(self, digest: str) -> Session | None:
        """A sealed session by the digest of its object; what is wrong with it is reported where it stands."""
        kept = self._sessions.get(digest)
        if kept is not None:
            return kept
        try:
            row = self._reader.get(OBJECT, (bytes.fromhex(digest),))
        except CorruptStoreError:
            return None
        value = None if row is None or row.type != "session" else read_object(row).value
        return value if isinstance(value, Session) else None

    def ref(self, row: RefLogRow) -> None:
        """Follow what governs each area."""
        if row.name.endswith(("/authority", "/scope")):
            self._in_force[row.name] = None if row.digest is None else row.digest.hex()

    def audit(self, row: AuditRow) -> None:
        """Follow the trail."""
        self._trail.event(row)

    def session(self, row: SessionLogRow, session: Session) -> None:
        """A session that was accepted here was accepted under what the refs named at that moment."""
        if session.state is not SessionState.ACCEPTED or not is_governed(session):
            return
        for name, captured in (
            (authority_ref(session.area_id), session.authority_resolution_id),
            (scope_ref(session.area_id), session.scope_resolution_id),
        ):
            named = self._in_force.get(name)
            if named is not None and named != captured:
                self._captured.setdefault((captured or "", named), f"session_log/{row.position}")

    def finish(self) -> None:
        """Complete the index, and report what only the whole shows."""
        self._flush()
        for finding in self.index.findings():
            self._add(finding)
        for (captured, named), subject in self._captured.items():
            if self._first(captured) != self._first(named):
                self._findings.add(
                    "SESSION_INVALID_CONTEXT", subject, f"it was accepted under {captured or 'nothing'}, not {named}"
                )
        for digest, transition in self._undecided:
            self._check_transition(digest, transition)
        for area_id, sealed in self._arealess.items():
            if area_id not in self._areas:
                self._add(Finding("MISSING_AREA", f"object/{sealed}", f"there is no area {area_id}"))
        self._trail.finish(self.index)

    def _check_transition(self, digest: Digest, transition: Transition) -> None:
        """A transition whose session was not at hand when it was read."""
        sealed = None if transition.session_id is None else self.index.session(transition.session_id)
        fault = transition_fault(transition, None if sealed is None else self._session_object(sealed.digest))
        if fault is not None:
            self._add(wording.illegal_transition(digest, fault))

    def _first(self, resolution_id: str) -> str:
        entry = self.index.resolution(resolution_id)
        return resolution_id if entry is None else entry.digest

    def _to_index(self, stored: StoredObject) -> None:
        self._batch.append(stored)
        if len(self._batch) >= INDEXED_TOGETHER:
            self._flush()

    def _flush(self) -> None:
        self.index.apply(self._batch)
        self._batch.clear()

    def _add(self, finding: Finding) -> None:
        """Report what is wrong with an object of governance."""
        table, _, digest = finding.subject.partition("/")
        if table == "object":
            self.broken.add(digest)
        self._findings.take(finding)
