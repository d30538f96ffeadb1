"""Starting on a store: the phases that show it may be worked with, and the modes that say what to do where it may not.

Boot reads and never writes: it does not migrate, repair, import or change a session. It asks whether decisions can be
made here; whether anything was altered is for ``charter fsck`` to say.

Cost: one scan of all objects with a hash each, one of the objects of governance, one of refs and one of sessions.
Memory: the index. Imports ``index``, ``unit_of_work`` and below. Source: GOV-10, NEIGHBOURS 2.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from charter_persist.backends.contract import OBJECT, SESSION, ObjectRow
from charter_persist.engine.areas import GOVERNING
from charter_persist.engine.work import require_in_force, standing
from charter_persist.errors import CharterError, IntegrityError, InvalidInputError, RuleError
from charter_persist.index.index import Index
from charter_persist.index.rebuild import rebuild, ref_findings
from charter_persist.model.authority import Constraints
from charter_persist.model.digest import check_object_type, hash_version
from charter_persist.model.finding import Finding, Severity
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.model.session import Session, SessionState
from charter_persist.model.text import check_ref_name
from charter_persist.repositories.contents import BESIDE, MISSING, WholeObjects
from charter_persist.unit_of_work import ReadView, Views

FINDINGS_MAX: Final = 1_000
_LAST_OF_INTEGRITY: Final = 5
_LAST_OF_RECOVERY: Final = 6


class BootMode(StrEnum):
    """What to do with a store.

    Attributes:
        NORMAL: work with it; the first phase that fails ends the boot.
        READ_ONLY: run every phase and report; nothing may be decided.
        VERIFY_ONLY: the phases of integrity alone; no session is looked at.
        RECOVERY: load what loads and report all; nothing is said of legitimacy.
    """

    NORMAL = "NORMAL"
    READ_ONLY = "READ_ONLY"
    VERIFY_ONLY = "VERIFY_ONLY"
    RECOVERY = "RECOVERY"


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase showed.

    Attributes:
        number: 0 to 7.
        name: of the phase.
        ok: True where nothing in it failed.
        findings: the first `FINDINGS_MAX`.
    """

    number: int
    name: str
    ok: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class BootReport:
    """What a boot showed.

    Attributes:
        mode: that was asked for.
        phases: those that ran, in order.
        initialised: ids of the areas with an authority and a scope, sorted.
        uninitialised: ids of the others, in which only those two can be decided, sorted.
        ready: True where every phase ran and none failed.
    """

    mode: BootMode
    phases: tuple[Phase, ...]
    initialised: tuple[str, ...]
    uninitialised: tuple[str, ...]
    ready: bool


def boot(units: Views, mode: BootMode = BootMode.NORMAL) -> BootReport:
    """Run the phases of a boot in one snapshot; nothing is written, whatever is found.

    Args:
        units: the store.
        mode: what to do with it.

    Returns:
        The report.

    Raises:
        IntegrityError: in mode NORMAL a phase failed; ``report`` is what was shown until then.
        BackendError: in mode NORMAL the database could not be read.

    Spec: GOV-10
    """
    with units.read() as view:
        starting = _Boot(view)
        last = {BootMode.VERIFY_ONLY: _LAST_OF_INTEGRITY, BootMode.RECOVERY: _LAST_OF_RECOVERY}.get(mode)
        phases: list[Phase] = []
        for number, (name, run) in enumerate(starting.phases()):
            if last is not None and number > last:
                break
            phases.append(_phase(number, name, run, tolerant=mode is not BootMode.NORMAL))
            if mode is BootMode.NORMAL and not phases[-1].ok:
                raise _refusal(phases[-1], starting.report(mode, phases))
        return starting.report(mode, phases)


def _phase(number: int, name: str, run: Callable[[], Iterator[Finding]], *, tolerant: bool) -> Phase:
    """Run one phase; a tolerant one that cannot go on says so in a finding."""
    found: list[Finding] = []
    try:
        for finding in islice(run(), FINDINGS_MAX):
            found.append(finding)  # one by one, so that what came before a failure is kept
    except CharterError as exc:
        if not tolerant:
            raise
        found.append(Finding("VALUE_UNREADABLE", f"boot/{number}", exc.message))
    return Phase(number, name, not any(item.kind.severity is Severity.HARD for item in found), tuple(found))


def _refusal(phase: Phase, report: BootReport) -> IntegrityError:
    first = phase.findings[0]
    return IntegrityError(
        f"boot ended in phase {phase.number}, {phase.name}: {first.code} {first.subject}, {first.message}; "
        "run `charter fsck`, or boot in mode READ_ONLY",
        report=report,
    )


class _Boot:
    """The phases over one view; each builds on those before it."""

    def __init__(self, view: ReadView) -> None:
        self._view = view
        self._index = Index()
        self._mismatches: list[Finding] = []
        self._active: list[Session] = []

    def phases(self) -> tuple[tuple[str, Callable[[], Iterator[Finding]]], ...]:
        """Name and work of each phase, in order."""
        return (
            ("attach", self._attach),
            ("objects", self._objects),
            ("integrity", self._integrity),
            ("refs", self._refs),
            ("ref consistency", self._ref_consistency),
            ("liveness", self._liveness),
            ("sessions", self._sessions),
            ("readiness", self._readiness),
        )

    def report(self, mode: BootMode, phases: list[Phase]) -> BootReport:
        """What was shown so far."""
        areas = [area.area_id for area in self._index.areas()]
        initialised = tuple(area_id for area_id in areas if self._is_initialised(area_id))
        uninitialised = tuple(area_id for area_id in areas if area_id not in initialised)
        ready = len(phases) == len(self.phases()) and all(phase.ok for phase in phases)
        return BootReport(mode, tuple(phases), initialised, uninitialised, ready)

    def _is_initialised(self, area_id: str) -> bool:
        try:
            return all(standing(self._index, area_id, kind) is not None for kind in GOVERNING)
        except IntegrityError:  # several are in force, which is a finding of its own
            return False

    def _attach(self) -> Iterator[Finding]:
        """The store can be read at all."""
        self._view.journal.last()
        yield from ()

    def _objects(self) -> Iterator[Finding]:
        """Every envelope is whole; the hashes are computed on the way, and told in the next phase."""
        for row in WholeObjects(self._view.rows, self._view.contents, lenient=True).scan(OBJECT, ("position",)):
            fault = _envelope_fault(row)
            if row.data == BESIDE:
                yield Finding("CONTENT_MISSING", f"object/{row.position}", MISSING)
            elif fault is not None:
                yield Finding("UNKNOWN_OBJECT_KIND", f"object/{row.position}", fault)
            elif not _has_its_digest(row) and len(self._mismatches) < FINDINGS_MAX:
                self._mismatches.append(
                    Finding("HASH_MISMATCH", f"object/{row.position}", "the bytes do not have the digest of the object")
                )

    def _integrity(self) -> Iterator[Finding]:
        yield from self._mismatches

    def _refs(self) -> Iterator[Finding]:
        """Every ref has a proper name and a target."""
        for ref in self._view.refs.iter():
            fault = ref_name_fault(ref.name)
            if fault is not None:
                yield fault
            if ref.digest is None or not self._view.objects.exists(ref.digest):
                yield Finding("DANGLING_REF", f"ref/{ref.name}", f"no object has the digest {ref.digest}")

    def _ref_consistency(self) -> Iterator[Finding]:
        """Authority and scope of each area are what its refs name."""
        self._index = rebuild(self._view.reader)
        refs = ((ref.name, ref.digest) for ref in self._view.refs.iter("area/"))
        yield from ref_findings(self._index, refs)

    def _liveness(self) -> Iterator[Finding]:
        """What is in force follows from whole objects."""
        yield from self._index.findings()

    def _sessions(self) -> Iterator[Finding]:
        """Every session comes back in the state it was left in."""
        for row in self._view.reader.scan(SESSION, ("session_id",)):
            try:
                session = self._view.sessions.get(row.session_id)
            except (KeyError, TypeError, ValueError) as exc:
                yield Finding("VALUE_UNREADABLE", f"session/{row.session_id}", f"the session cannot be read: {exc}")
                continue
            if session is None or (session.area_id, session.state, session.version) != row[1:4]:
                yield Finding(
                    "PROJECTION_MISMATCH", f"session/{row.session_id}", "the session is not in the state it was left in"
                )
            elif session.state is SessionState.ACTIVE and session.constraints.keys() == Constraints.FIELDS:
                self._active.append(session)

    def _readiness(self) -> Iterator[Finding]:
        """No session goes on under an authority or a scope that is not in force."""
        for session in self._active:
            try:
                require_in_force(self._index, session)
            except RuleError as exc:
                yield Finding("SESSION_INVALID_CONTEXT", f"session/{session.session_id}", exc.message)


def ref_name_fault(name: str) -> Finding | None:
    """What is wrong with the name of a stored ref, or None."""
    try:
        check_ref_name(name, maximum=DEFAULT_OPTIONS.ref_name_bytes_max)
    except InvalidInputError as exc:
        return Finding("MALFORMED_REF", f"ref/{name}", exc.message)
    return None


def _envelope_fault(row: ObjectRow) -> str | None:
    """What is wrong with the envelope of an object, or None."""
    try:
        hash_version(row.hash_version)
        check_object_type(row.type)
    except CharterError as exc:
        return exc.message
    return None if row.size == len(row.data) else f"its size is given as {row.size}, it has {len(row.data)} bytes"


def _has_its_digest(row: ObjectRow) -> bool:
    return hash_version(row.hash_version).digest_bytes(row.type, row.data) == row.digest
