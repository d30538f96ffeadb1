"""Building the index from storage, and what it is compared by.

The steps are those of IDX-9: the objects are loaded, then indexed by type, then the graph of supersession is built, then
the states of the lifecycle; refs come last, and only to be compared. Nobody sees an index before all of it is done.

Cost: one scan of the objects by type, one hash and one parse for each. The collector of the process rests meanwhile.

Imports ``backends.contract``, ``model`` and the modules of ``index``. Source: IDX-2, IDX-8, IDX-9, IDX-11, GOV-8.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from charter_persist.backends.contract import Reader
from charter_persist.index import findings
from charter_persist.index.index import Index
from charter_persist.index.lookups import Lookups
from charter_persist.index.stored import last_position, read_objects
from charter_persist.model.area import authority_ref, scope_ref
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.resolution import ResolutionState, ResolutionType


def rebuild(reader: Reader) -> Index:
    """Build the index of what a reader sees; it is complete when it is returned, and the same for any order of rows.

    Args:
        reader: of a view, of an open transaction, or of a past revision.

    Returns:
        A new index at the reader's last journal position.

    Raises:
        BackendError: the database could not be read. What is wrong with objects is a finding instead.

    Spec: IDX-2, IDX-9
    """
    index = Index()
    with _without_collection():
        index.apply(read_objects(reader))
    index.position = last_position(reader)
    return index


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python's collector from going through a growing index again and again: nothing here is garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def digest_of(index: Index) -> str:
    """Compute the digest of an index: equal for equal sets of objects, whatever way they came in.

    Cost: one rendering of everything that the index answers, sorted; nothing is kept.

    Returns:
        64 lower-case hexadecimal characters.

    Spec: IDX-9, IDX-11
    """
    hashed = sha256()
    for row in index.answers():
        hashed.update(canonical_bytes(row) + b"\n")
    return hashed.hexdigest()


def ref_findings(lookups: Lookups, refs: Iterable[tuple[str, Digest | None]]) -> list[Finding]:
    """Compare the refs to authorities and scopes with the resolutions in force; nothing else depends on refs.

    Args:
        lookups: what is in force.
        refs: names and digests of all refs, or of those under ``area/``; others are passed over.

    Returns:
        A finding for each that is missing, or that names another resolution than the one in force. The ref may go on
        naming a scope that is under review.

    Spec: IDX-8, GOV-8
    """
    named = {name: digest for name, digest in refs if digest is not None}
    found: list[Finding] = []
    for area in lookups.areas():
        for name, kind in (
            (authority_ref(area.area_id), ResolutionType.AUTHORITY),
            (scope_ref(area.area_id), ResolutionType.SCOPE),
        ):
            found += _compared(lookups, area.area_id, kind, name, named.pop(name, None))
    for name in named:
        if name.startswith("area/") and name.endswith(("/authority", "/scope")):
            found.append(findings.ref_mismatch(name, "there is no such area"))
    return findings.in_order(found)


def _compared(
    lookups: Lookups, area_id: str, kind: ResolutionType, name: str, target: Digest | None
) -> Iterator[Finding]:
    """What is wrong with the ref of one area, given what it names."""
    active = lookups.in_state(area_id, ResolutionState.ACTIVE, kind)
    if target is None:
        if active:
            yield findings.ref_mismatch(name, f"there is no ref, {', '.join(active)} is in force")
        return
    entry = lookups.resolution(target)
    suspended = lookups.in_state(area_id, ResolutionState.UNDER_REVIEW, kind)
    fits = entry is not None and not entry.imported and entry.digest in (active or suspended)
    if not fits:
        yield findings.ref_mismatch(name, f"it names {target}, in force is {', '.join(active) or 'nothing'}")
