"""Import: a bundle is verified in full, then brought into a store in one unit of work, and the attempt is recorded.

Cost: two passes over the bundle and one index of the store, built under the writer lock; other writers wait from then
until the commit. Memory as `checking` says, and the index of the store.

Imports ``engine``, ``index``, ``unit_of_work`` and what they stand on.

Source: GOV-9, GOV-12, NEIGHBOURS 2.3 and 2.7, RELIABILITY P38 to P41.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from charter_persist.engine.work import Work
from charter_persist.errors import BackendError, BundleError, CharterError, ForkedHandleError, StoreClosedError
from charter_persist.index.rebuild import rebuild
from charter_persist.model.area import GLOBAL
from charter_persist.transfer.bundle import OVERHEAD_BYTES
from charter_persist.transfer.checking import Checked, check_bundle
from charter_persist.transfer.consolidating import consolidate
from charter_persist.transfer.report import ImportReport, Mode, import_mode
from charter_persist.transfer.source import Source
from charter_persist.transfer.verbatim import restore
from charter_persist.transfer.writing import Import
from charter_persist.unit_of_work import Units

UNIT_S: Final = 600.0
UNIT_S_PER_RECORD: Final = 0.001
"""How long an import may hold the writer lock: ten minutes, and a millisecond more for each line."""

_SHOWN: Final = 20
_UNRECORDABLE: Final = (BackendError, StoreClosedError, ForkedHandleError)


def import_bundle(
    units: Units,
    origin: Path | str | IO[bytes],
    *,
    mode: Mode | str,
    actor: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Bring a bundle into a store: all of it in one unit of work, or nothing but the event that says why.

    Nothing is written before every byte was verified. Importing twice is importing once; each attempt leaves its own
    GLOBAL events.

    Args:
        units: the store.
        origin: path of the bundle, or a binary stream; a stream that cannot be read twice is copied to a private
            temporary file.
        mode: ``restore`` or ``consolidate``.
        actor: who does it, informational.
        progress: called now and then with the lines done and the lines in all, once through for each pass.

    Returns:
        What came, what was known, and what diverges.

    Raises:
        BundleError: the bundle contradicts itself, or leads to what is neither in it nor here; ``findings`` says all.
        DigestMismatchError: an object or the whole does not have its digest.
        IntegrityError: the file was changed while it was read.
        ConflictError: an area, a label, a ref or a session of the bundle is another one here.
        NotSupportedError: the bundle is of an unknown version.
        InvalidInputError: a line of it is not what it must be, or is too large; or there is no such mode.
        BackendError: the bundle or the store cannot be used; then there is no event.

    Spec: GOV-12, GOV-14, P38, P39, P40, P41
    """
    wanted = import_mode(mode)
    tell = progress or (lambda _done, _total: None)
    with Source(origin, line_bytes_max=units.options.object_bytes_max + OVERHEAD_BYTES) as source:
        checked: Checked | None = None
        try:
            checked = check_bundle(source, units.options, tell)
            return _write(units, source, checked, wanted, actor, tell)
        except _UNRECORDABLE:
            raise
        except CharterError as exc:
            _record_rejection(units, checked.fingerprint if checked else source.fingerprint, wanted, actor, exc)
            raise


def _write(
    units: Units,
    source: Source,
    checked: Checked,
    mode: Mode,
    actor: str | None,
    progress: Callable[[int, int], None],
) -> ImportReport:
    """The second pass, in one unit of work."""
    digest, fingerprint = checked.header.content_digest, checked.fingerprint
    with units.begin(timeout_s=UNIT_S + UNIT_S_PER_RECORD * checked.header.records) as uow:
        work = Work(uow, rebuild(uow.reader), actor)
        started = {"mode": str(mode), "source": fingerprint, "bundle_digest": digest}
        work.audit_global("IMPORT_STARTED", ("bundle", digest), started)
        run = Import(work, source, checked, progress)
        areas = restore(run) if mode is Mode.RESTORE else consolidate(run)
        report = ImportReport(mode, digest, fingerprint, run.totals, areas)
        _record(work, report)
    return report


def _record(work: Work, report: ImportReport) -> None:
    """The events of an import that succeeded."""
    bundle = ("bundle", report.bundle_digest)
    counted: dict[str, Any] = {
        "mode": str(report.mode),
        "source": report.fingerprint,
        "objects_new": report.totals.objects_new,
        "objects_known": report.totals.objects_known,
        "refs_new": report.totals.refs_new,
        "events_new": report.totals.events_new,
        "hash_mismatches": 0,
    }
    if report.mode is Mode.RESTORE:
        work.audit_global("IMPORT_ACCEPTED", bundle, counted)
    for area in report.areas if report.mode is Mode.CONSOLIDATE else ():
        details = {
            "bundle_digest": report.bundle_digest,
            "case": str(area.case),
            "import_id": area.import_id,
            "under_review": area.under_review,
            "sessions_paused": area.sessions_paused,
            "divergences": [{"ref": found.ref, "here": found.here, "there": found.there} for found in area.divergences],
        }
        work.audit_global("IMPORT_CONSOLIDATED", ("area", area.area_id), details)
    work.audit_global("IMPORT_CLOSED", bundle, {**counted, "result": "imported", "changed": report.changed})


def _record_rejection(units: Units, fingerprint: str, mode: Mode, actor: str | None, error: CharterError) -> None:
    """The one event of an import that failed."""
    findings = error.findings if isinstance(error, BundleError) else ()
    details = {
        "mode": str(mode),
        "source": fingerprint,
        "result": "rejected",
        "code": error.code,
        "message": error.message[:1000].encode(errors="replace").decode(),
        "findings": [f"{found.code} {found.subject}"[:200] for found in findings[:_SHOWN]],
        "areas": getattr(error, "areas", [])[:_SHOWN],
    }
    with units.begin() as uow:
        uow.audit.append("IMPORT_REJECTED", scope=GLOBAL, subject=("bundle", fingerprint), actor=actor, details=details)
