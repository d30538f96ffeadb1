"""What can contradict itself in the objects, each kind in one sentence; whoever finds it says it with the same words.

Imports ``model`` only. Source: GOV-11, NEIGHBOURS 2.10.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.resolution import ResolutionType

NAMES_MAX: Final = 20
SEVERAL_ACTIVE: Final = {
    ResolutionType.AUTHORITY: "MULTIPLE_ACTIVE_AUTHORITIES",
    ResolutionType.SCOPE: "MULTIPLE_ACTIVE_SCOPES",
}
"""The types of which an area has one ACTIVE resolution, and the finding where it has more (GOV-7)."""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the one order in which they are reported, each once."""
    return sorted(set(findings), key=lambda finding: (finding.code, finding.subject, finding.message))


def hash_mismatch(digest: Digest) -> Finding:
    """The stored bytes are not those of the digest."""
    return _about("HASH_MISMATCH", digest, "the stored bytes do not have this digest")


def unknown_kind(digest: Digest, why: str) -> Finding:
    """This release cannot compute the digest."""
    return _about("UNKNOWN_OBJECT_KIND", digest, f"its digest cannot be computed: {why}")


def corrupt(digest: Digest, object_type: str, why: str) -> Finding:
    """The content is not of the form of its type."""
    return _about("CORRUPT_OBJECT", digest, f"the content is not that of an object of type {object_type}: {why}")


def dangling_edge(source: Digest, target: Digest) -> Finding:
    """A resolution replaces one that is not stored."""
    return _about("BROKEN_SUPERSESSION_CHAIN", source, f"it supersedes {target}, which is no stored resolution")


def foreign_edge(source: Digest, target: Digest) -> Finding:
    """A resolution replaces one of another area."""
    return _about("BROKEN_SUPERSESSION_CHAIN", source, f"it supersedes {target}, which belongs to another area")


def cycle(members: Collection[Digest]) -> Finding:
    """Resolutions replace each other in a circle."""
    return _about("BROKEN_SUPERSESSION_CHAIN", min(members), f"these supersede each other: {_names(members)}")


def fork(target: Digest, successors: Collection[Digest]) -> Finding:
    """A resolution was replaced more than once."""
    return _about("SUPERSESSION_FORK", target, f"several resolutions supersede it: {_names(successors)}")


def illegal_transition(digest: Digest, why: str) -> Finding:
    """A transition is none that the lifecycle allows there."""
    return _about("ILLEGAL_LIFECYCLE_TRANSITION", digest, why)


def missing_session(digest: Digest, session_id: str) -> Finding:
    """A resolution was not accepted by the session that it names."""
    return _about("MISSING_SESSION", digest, f"no session {session_id} of its area is stored that ended ACCEPTED")


def dangling(digest: Digest, what: str, name: str) -> Finding:
    """A resolution refers to something that is not stored."""
    return _about("DANGLING_RESOLUTION", digest, f"it refers to the {what} {name}, which is not stored")


def several_active(area_id: str, kind: ResolutionType, digests: Collection[Digest]) -> Finding:
    """An area has more than one authority or scope in force."""
    return Finding(SEVERAL_ACTIVE[kind], f"area/{area_id}", f"several {kind} resolutions are ACTIVE: {_names(digests)}")


def duplicate_area(digest: Digest, area_id: str, label: str) -> Finding:
    """Two areas share what only one may have."""
    return _about("DUPLICATE_AREA", digest, f"another area has the id {area_id} or the label {label!r} as well")


def import_without(digest: Digest, absent: Collection[Digest]) -> Finding:
    """An import record lists what is not stored."""
    return _about("IMPORT_INCOMPLETE", digest, f"it lists objects that are not stored: {_names(absent)}")


def import_in_parts(digest: Digest, import_id: str) -> Finding:
    """Not all records of an import are stored."""
    return _about(
        "IMPORT_INCOMPLETE", digest, f"import {import_id} lacks a part, or its parts disagree on their number"
    )


def ref_mismatch(name: str, why: str) -> Finding:
    """The ref to an authority or a scope does not name the one in force."""
    return Finding("REF_MISMATCH", f"ref/{name}", why)


def _about(code: str, digest: Digest, message: str) -> Finding:
    return Finding(code, f"object/{digest}", message)


def _names(digests: Collection[Digest]) -> str:
    """The first of some digests, and how many there are more."""
    more = len(digests) - NAMES_MAX
    return ", ".join(sorted(digests)[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
