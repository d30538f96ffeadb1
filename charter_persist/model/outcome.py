"""What follows from an accepted session: its resolutions are a function of it, to the byte.

The engine writes by it, fsck and import check by it, so there is one place that says what a decision became.

Source: GOV-6, P41.
"""

from __future__ import annotations

from charter_persist.model.digest import Digest
from charter_persist.model.resolution import Context, Proposal, Resolution, ResolutionType
from charter_persist.model.session import Session


def captured_context(session: Session) -> Context:
    """What a resolution says of the authority, the scope and the references of its session.

    Raises:
        InvalidInputError: the references are not those of a session of the engine.
    """
    return Context.from_content(
        {
            "authority_resolution_id": session.authority_resolution_id,
            "scope_resolution_id": session.scope_resolution_id,
            "referenced_area_ids": session.references.get("area_ids"),
            "referenced_resolution_ids": session.references.get("resolution_ids"),
        }
    )


def accepted_resolution(
    session: Session, sealed: Digest, kind: ResolutionType, candidate_id: str, proposal: Proposal
) -> Resolution:
    """The resolution that an accepted candidate became.

    Args:
        session: as it was sealed.
        sealed: digest of the object that it was sealed to.
        kind: what its candidates would become.
        candidate_id: of the candidate.
        proposal: of the candidate, with a content.

    Raises:
        InvalidInputError: the references are not those of a session of the engine.
    """
    return Resolution(
        area_id=session.area_id,
        type=kind,
        content=proposal.content or {},
        accepted_at=session.closed_at or "",
        accepted_in_session=session.session_id,
        session_digest=sealed,
        candidate_id=candidate_id,
        context=captured_context(session),
        supersedes=proposal.supersedes,
    )
