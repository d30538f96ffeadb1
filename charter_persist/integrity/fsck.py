"""fsck: everything that can be wrong with a store, layer by layer, in one snapshot, writing nothing.

The journal pass reads every row once and recomputes all of it; what it reads is shown to the inspection, which builds
the index and looks at forms, decisions and events; then the tables of present values, operations, the head row, the
guards and, where there is one, the live index are compared.

Memory: the index, the newest version of each ref and session, and what is damaged. Imports everything below
``transfer``. Source: GOV-11, IDX-11, NEIGHBOURS 2.10, RELIABILITY P23, P29, P30.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from charter_persist.backends.contract import REF, Diagnosis
from charter_persist.engine.boot import ref_name_fault
from charter_persist.errors import CharterError
from charter_persist.index.live import LiveIndex
from charter_persist.index.rebuild import digest_of, ref_findings
from charter_persist.integrity.beside import check_beside
from charter_persist.integrity.census import ObjectClasses
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.inspection import Inspection
from charter_persist.integrity.journal_pass import JournalPass, Progress
from charter_persist.integrity.operations import check_operations
from charter_persist.integrity.reading import damaged, is_well_typed, rows_by_key
from charter_persist.integrity.standing import Note, check_open_sessions
from charter_persist.integrity.verify import Level, level_of, verify_view
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.unit_of_work import ReadView, Views


class Checkable(Views, Protocol):
    """What fsck needs of a store."""

    @property
    def store_id(self) -> str:
        """Its identity, which a checkpoint must name."""
        ...

    def diagnose(self) -> Diagnosis:
        """What its backend knows of its own condition."""
        ...


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What fsck saw.

    Attributes:
        level: how much was shown, see `verify.Level`.
        size: number of journal entries.
        revision: of the newest unit of work.
        root: Merkle root over all entries, recomputed; 32 bytes.
        objects: how many objects are of which class.
        findings: the first `collected.FINDINGS_MAX`; empty where all is well.
        counts: of all findings, by code.
        notes: what is not wrong and may want attention.
    """

    level: Level
    size: int
    revision: int
    root: bytes
    objects: ObjectClasses
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    notes: tuple[Note, ...]


def fsck(
    store: Checkable,
    *,
    checkpoint: Checkpoint | None = None,
    live: LiveIndex | None = None,
    progress: Progress | None = None,
) -> FsckReport:
    """Check a whole store in one snapshot: reads every stored value, writes none, and says nothing of a sound store.

    Args:
        store: what `connect` gave.
        checkpoint: an earlier checkpoint, kept elsewhere, that the store must continue.
        live: an index in use, to be compared with one that is built anew.
        progress: called now and then with the entries done and the entries in all.

    Returns:
        The report. Damage is a finding, never an exception.

    Raises:
        BackendError: the database could not be read at all.

    Spec: GOV-11, IDX-11, P23, P29, P30
    """
    findings = Findings()
    view, live_digest = _open(store, live)
    with view:
        return _check(store, view, findings, checkpoint, live_digest, progress)


def _open(store: Checkable, live: LiveIndex | None) -> tuple[ReadView, str | None]:
    """A view, and the digest of the live index as of it, or what kept the index from getting there."""
    if live is None:
        return store.read(), None
    with live.lock:  # so the index is not ahead of the view
        view = store.read()
        try:
            with live.at(view.reader) as index:
                return view, digest_of(index)
        except CharterError as exc:
            return view, exc.message
        except BaseException:
            view.close()
            raise


def _check(
    store: Checkable,
    view: ReadView,
    findings: Findings,
    checkpoint: Checkpoint | None,
    live_digest: str | None,
    progress: Progress | None,
) -> FsckReport:
    # What cannot be read among the refs is reported when they are compared with their log.
    inspection = Inspection(damaged(view), findings, {ref.digest for ref in rows_by_key(view.reader, REF, Findings())})
    passed = verify_view(
        view, findings, store_id=store.store_id, checkpoint=checkpoint, progress=progress, watcher=inspection
    )
    inspection.finish()
    inspection.index.position = passed.tree.size
    _check_refs(view, inspection, findings)
    notes = check_open_sessions(view, inspection.index, findings)
    check_operations(view.reader, findings)
    check_beside(view, findings)
    if live_digest not in (None, digest_of(inspection.index)):
        findings.add(
            "INDEX_MISMATCH", "index", f"the live index is not the one that follows from the objects: {live_digest}"
        )
    head = view.head()
    if head is not None and head != (passed.tree.size, passed.revision, passed.tree.root()):
        findings.add(
            "HEAD_MISMATCH",
            "journal_head/1",
            f"the head row says position {head.position}, revision {head.revision}, root {head.root.hex()}",
        )
    for name in store.diagnose().missing_guards:
        findings.add("GUARD_MISSING", f"guard/{name}", "the guard is absent, altered or switched off")
    return _report(passed, inspection, findings, level_of(passed, findings, checkpoint), notes)


def _check_refs(view: ReadView, inspection: Inspection, findings: Findings) -> None:
    """Each ref has a target, and those that govern name what is in force."""
    named: list[tuple[str, Digest | None]] = []
    for ref in filter(is_well_typed, rows_by_key(view.reader, REF, Findings())):
        if ref.digest in inspection.dangling:
            findings.add("DANGLING_REF", f"ref/{ref.name}", f"no object has the digest {ref.digest.hex()}")
        fault = ref_name_fault(ref.name)
        if fault is not None:
            findings.take(fault)
        if ref.name.startswith("area/"):
            named.append((ref.name, Digest(ref.digest.hex())))
    for finding in ref_findings(inspection.index, named):
        findings.take(finding)


def _report(
    passed: JournalPass, inspection: Inspection, findings: Findings, level: Level, notes: tuple[Note, ...]
) -> FsckReport:
    return FsckReport(
        level=level,
        size=passed.tree.size,
        revision=passed.revision,
        root=passed.tree.root(),
        objects=inspection.census.result(inspection.broken),
        findings=tuple(findings.kept),
        counts=dict(sorted(findings.counts.items())),
        notes=notes,
    )
