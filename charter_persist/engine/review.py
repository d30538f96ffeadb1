"""Review: a mark that somebody looks into a resolution, and what becomes of imported ones.

Source: GOV-2, GOV-14, NEIGHBOURS 2.5 and 2.7.
"""

from __future__ import annotations

from charter_persist.engine.acceptance import write_transition
from charter_persist.engine.areas import require_open_area
from charter_persist.engine.work import Work
from charter_persist.errors import InvalidTransitionError, NotFoundError, RuleError
from charter_persist.index.lookups import ResolutionEntry
from charter_persist.model.adoption import ImportReview, ReviewOutcome, review_outcome
from charter_persist.model.digest import Digest
from charter_persist.model.lifecycle import check_transition
from charter_persist.model.resolution import ResolutionState, ResolutionType


def mark(work: Work, resolution_id: str, state: ResolutionState) -> Digest:
    """Mark or clear the review of a GENERAL resolution by hand."""
    entry = work.resolution(resolution_id)
    if entry.type is not ResolutionType.GENERAL:
        raise RuleError(f"a resolution of type {entry.type} is reviewed through a session, not by hand", rule="GOV-2")
    if entry.imported:
        raise RuleError(f"resolution {entry.digest} was imported; close its review instead", rule="GOV-14")
    require_open_area(work, entry.area_id)
    check_transition(entry.type, entry.state, state)
    return write_transition(work, entry.digest, state, None)


def review_import(
    work: Work, import_id: str, resolution_id: str, outcome: ReviewOutcome | str, local_resolution_id: str | None
) -> Digest:
    """Record what became of one imported resolution; see `Charter.review_import`."""
    entry = work.resolution(resolution_id)
    if entry.digest not in work.lookups.imported(import_id):
        raise InvalidTransitionError(
            f"import {import_id} has no resolution {entry.digest} that waits for review", rule="GOV-14"
        )
    local = None if local_resolution_id is None else _local(work, entry, local_resolution_id)
    review = ImportReview.from_content(
        ImportReview(import_id, entry.digest, review_outcome(outcome), local, work.now).to_content()
    )
    digest = work.uow.objects.put(ImportReview.object_type, review.to_content())
    details = {"import_id": import_id, "outcome": str(review.outcome), "local_resolution_id": local}
    work.audit_area("IMPORT_REVIEW_COMPLETED", entry.area_id, ("resolution", entry.digest), details)
    if local is not None:
        work.audit_global(
            "IMPORT_RESOLUTION_CONSOLIDATED",
            ("resolution", entry.digest),
            {"import_id": import_id, "local_resolution_id": local},
        )
    return digest


def _local(work: Work, imported: ResolutionEntry, resolution_id: str) -> Digest:
    """The resolution that was accepted here in the place of an imported one."""
    entry = work.resolution(resolution_id)
    if entry.area_id != imported.area_id:
        raise RuleError(f"resolution {entry.digest} belongs to another area, {entry.area_id}", rule="IDX-6")
    if entry.imported or entry.state is not ResolutionState.ACTIVE:
        raise RuleError(f"resolution {entry.digest} is not one that is in force here", rule="GOV-14")
    return entry.digest


def close_import(work: Work, import_id: str) -> tuple[Digest, ...]:
    """End the review of an import: what still waits becomes HISTORICAL."""
    waiting = tuple(work.lookups.imported(import_id))
    if not waiting:
        raise NotFoundError(f"no resolution of an import {import_id} waits for review", import_id=import_id)
    reviews = tuple(review_import(work, import_id, name, ReviewOutcome.HISTORICAL, None) for name in waiting)
    work.audit_global("REVIEW_CLOSED", ("import", import_id), {"historical": len(reviews)})
    return reviews
