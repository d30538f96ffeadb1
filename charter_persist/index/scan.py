"""Every answer without an index: all objects are read for each question, and nothing is kept.

Each answer is its definition, written down in the plainest way and independently of `Index`: the two are compared by
the tests, and an engine whose indexes are switched off asks this one. Cost: a scan of all objects for each question,
and some answers compare each object with each.

Imports ``backends.contract``, ``model`` and the modules of ``index`` that both share. Source: IDX-1, IDX-14, P31.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from charter_persist.backends.contract import Reader
from charter_persist.index import findings
from charter_persist.index.lifecycle import objection
from charter_persist.index.lookups import AreaEntry, ResolutionEntry, SealedSession
from charter_persist.index.stored import StoredObject, last_position, read_objects
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution, ResolutionState, ResolutionType
from charter_persist.model.session import SessionState


class Scan:
    """`Lookups` by reading."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def position(self) -> int:
        """The last journal position that the answers know of."""
        return last_position(self._reader)

    def areas(self) -> Sequence[AreaEntry]:
        """Every area, by its id."""
        objects = self._read()
        ids = sorted({area.area_id for area in objects.of("area").values()})
        return [objects.area(area_id) for area_id in ids]

    def area(self, area_id: str) -> AreaEntry | None:
        """The area of that id, or None."""
        return next((area for area in self.areas() if area.area_id == area_id), None)

    def area_labelled(self, label: str) -> AreaEntry | None:
        """The area of that label, or None."""
        return next((area for area in self.areas() if area.label == label), None)

    def resolution(self, resolution_id: str) -> ResolutionEntry | None:
        """The resolution of that digest, or of the digest it was given by a rehash; None where there is none."""
        objects = self._read()
        digest = objects.first(resolution_id)
        found: Resolution | None = objects.resolutions.get(digest)
        if found is None:
            return None
        state = objects.state(digest)
        imported = digest in objects.imported
        return ResolutionEntry(digest, found.area_id, found.accepted_in_session, found.type, state, imported)

    def resolutions(self, area_id: str) -> Sequence[Digest]:
        """Every resolution of an area, sorted."""
        return sorted(digest for digest, found in self._read().resolutions.items() if found.area_id == area_id)

    def in_state(self, area_id: str, state: ResolutionState, kind: ResolutionType | None = None) -> Sequence[Digest]:
        """The resolutions of an area in one state, of one type where that is given, sorted."""
        return self._read().in_state(area_id, state, kind)

    def supersedes(self, resolution_id: str) -> Sequence[Digest]:
        """What a resolution replaces, sorted."""
        objects = self._read()
        return objects.supersedes(objects.first(resolution_id))

    def superseded_by(self, resolution_id: str) -> Sequence[Digest]:
        """What replaces a resolution, sorted; those that a consolidation brought are among them."""
        objects = self._read()
        return objects.superseded_by(objects.first(resolution_id))

    def last_transition(self, resolution_id: str) -> Digest | None:
        """The newest transition of a resolution; None where there is none."""
        objects = self._read()
        digest = objects.first(resolution_id)
        return objects.chain(digest)[1] if digest in objects.resolutions else None

    def session(self, session_id: str) -> SealedSession | None:
        """The session of that id if it has ended, or None."""
        objects = self._read()
        found = {
            digest: session for digest, session in objects.of("session").items() if session.session_id == session_id
        }
        if not found:
            return None
        digest = objects.preferred(found)
        return SealedSession(session_id, found[digest].area_id, found[digest].state, digest)

    def outcome(self, session_id: str) -> Sequence[Digest]:
        """The resolutions that a session accepted, sorted."""
        resolutions = self._read().resolutions
        return sorted(digest for digest, found in resolutions.items() if found.accepted_in_session == session_id)

    def import_ids(self) -> Sequence[str]:
        """The id of every import that is in force, sorted."""
        return sorted({record.import_id for record in self._read().imports_in_force.values()})

    def imported(self, import_id: str) -> Sequence[Digest]:
        """The resolutions that an import brought and that were not reviewed yet, sorted."""
        objects = self._read()
        records = [record for record in objects.imports_in_force.values() if record.import_id == import_id]
        brought = {objects.first(item) for record in records for item in record.objects}
        return sorted(item for item in brought if item in objects.resolutions and not objects.reviewed(item))

    def findings(self) -> Sequence[Finding]:
        """What contradicts itself in the objects; empty where all is well."""
        objects = self._read()
        return findings.in_order(
            [
                *(problem for stored in objects.all.values() for problem in stored.problems),
                *(found for digest in objects.resolutions for found in _of_resolution(objects, digest)),
                *_of_cycles(objects),
                *(
                    found
                    for digest, step in objects.of("transition").items()
                    for found in _of_step(objects, digest, step)
                ),
                *_of_areas(objects),
                *_of_imports(objects),
            ]
        )

    def _read(self) -> _Objects:
        return _Objects(list(read_objects(self._reader)))


class _Objects:
    """All objects for the time of one question."""

    def __init__(self, stored: list[StoredObject]) -> None:
        self.all = {item.digest: item for item in stored}

    def every(self, kind: str) -> dict[Digest, Any]:
        """The objects of a type, aliases too."""
        return {digest: item.value for digest, item in self.all.items() if item.type == kind and item.value is not None}

    def of(self, kind: str) -> dict[Digest, Any]:
        """The objects of a type that are no aliases."""
        return {digest: value for digest, value in self.every(kind).items() if self.first(digest) == digest}

    @cached_property
    def resolutions(self) -> dict[Digest, Resolution]:
        """Every resolution."""
        return self.of("resolution")

    @cached_property
    def records_in_force(self) -> dict[Digest, Any]:
        """Import records that none in force lists: those that nothing lists, then round by round."""
        records = self.every("import")
        listed_by = {digest: {by for by, record in records.items() if digest in record.objects} for digest in records}
        force: set[Digest] = set()
        out: set[Digest] = set()
        while True:
            more = {digest for digest in records if digest not in force and listed_by[digest] <= out}
            if not more:
                return {digest: records[digest] for digest in force}
            force |= more
            out |= {digest for digest in records if listed_by[digest] & force}

    @cached_property
    def aliases(self) -> list[tuple[Digest, Digest]]:
        """Pairs of new and old digests that no import in force brought."""
        listed = {item for record in self.records_in_force.values() for item in record.objects}
        rehashes = [rehash for digest, rehash in self.every("rehash").items() if digest not in listed]
        return [(new, old) for rehash in rehashes for old, new in rehash.pairs if new != old]

    def first(self, digest: str) -> Digest:
        """The digest at the end of a chain of aliases; the smallest member where the chain ends in a circle."""
        chain = [Digest(digest)]
        while older := [old for new, old in self.aliases if new == chain[-1]]:
            if min(older) in chain:
                return min(chain[chain.index(min(older)) :])
            chain.append(min(older))
        return chain[-1]

    @cached_property
    def imports_in_force(self) -> dict[Digest, Any]:
        """Import records in force that are no aliases."""
        return {digest: record for digest, record in self.records_in_force.items() if self.first(digest) == digest}

    @cached_property
    def imported(self) -> set[Digest]:
        """What import records in force list."""
        return {self.first(item) for record in self.imports_in_force.values() for item in record.objects}

    def preferred(self, digests: Iterable[Digest]) -> Digest:
        """The smallest digest, of those that no import brought where there are such."""
        local = [digest for digest in digests if digest not in self.imported]
        return min(local or digests)

    def area(self, area_id: str) -> AreaEntry:
        """The area of an id that some area has."""
        found = {digest: area for digest, area in self.of("area").items() if area.area_id == area_id}
        digest = self.preferred(found)
        ends = self.of("area_retirement")
        retired = any(end.area_id == area_id for by, end in ends.items() if by not in self.imported)
        return AreaEntry(area_id, found[digest].label, digest, retired)

    def supersedes(self, digest: Digest) -> list[Digest]:
        """What a resolution replaces."""
        found = self.resolutions.get(digest)
        return [] if found is None else sorted({self.first(target) for target in found.supersedes})

    def superseded_by(self, digest: Digest) -> list[Digest]:
        """What replaces a resolution."""
        return sorted(source for source in self.resolutions if digest in self.supersedes(source))

    def reviewed(self, digest: Digest) -> bool:
        """Whether a review of an imported resolution is in force."""
        reviews = {by: review for by, review in self.of("import_review").items() if by not in self.imported}
        return any(self.first(review.resolution_id) == digest for review in reviews.values())

    def state(self, digest: Digest) -> ResolutionState:
        """Where a resolution stands."""
        if digest in self.imported:
            return ResolutionState.RETIRED if self.reviewed(digest) else ResolutionState.UNDER_REVIEW
        if set(self.superseded_by(digest)) - self.imported:
            return ResolutionState.SUPERSEDED
        return self.chain(digest)[0]

    def in_state(self, area_id: str, state: ResolutionState, kind: ResolutionType | None) -> list[Digest]:
        """The resolutions of an area in one state."""
        return sorted(
            digest
            for digest, found in self.resolutions.items()
            if found.area_id == area_id and kind in (None, found.type) and self.state(digest) is state
        )

    def steps(self, resolution_id: Digest, last: Digest | None) -> dict[Digest, Transition]:
        """The transitions of a resolution that are in force and follow a certain one."""
        return {
            digest: step
            for digest, step in self.of("transition").items()
            if digest not in self.imported
            and self.first(step.resolution_id) == resolution_id
            and (None if step.previous is None else self.first(step.previous)) == last
        }

    def chain(self, digest: Digest) -> tuple[ResolutionState, Digest | None]:
        """The state at the end of a chain of transitions, and the last one before a fork or a forged one."""
        found = self.resolutions[digest]
        state, last = ResolutionState.ACTIVE, None
        while len(steps := self.steps(digest, last)) == 1:
            ((following, step),) = steps.items()
            if objection(step, found.area_id, found.type, state):
                break
            state, last = step.after, following
        return state, last

    def reaches(self, digest: Digest) -> set[Digest]:
        """What a resolution replaces, directly or through others."""
        reached: set[Digest] = set()
        waiting = self.supersedes(digest)
        while waiting:
            target = waiting.pop()
            if target not in reached:
                reached.add(target)
                waiting += self.supersedes(target)
        return reached


def _of_resolution(objects: _Objects, digest: Digest) -> Iterator[Finding]:
    found = objects.resolutions[digest]
    for target in objects.supersedes(digest):
        if target not in objects.resolutions:
            yield findings.dangling_edge(digest, target)
        elif objects.resolutions[target].area_id != found.area_id:
            yield findings.foreign_edge(digest, target)
    successors = set(objects.superseded_by(digest)) - objects.imported
    if len(successors) > 1:
        yield findings.fork(digest, successors)
    session = objects.every("session").get(objects.first(found.session_digest))
    wanted = (SessionState.ACCEPTED, found.accepted_in_session, found.area_id)
    if session is None or (session.state, session.session_id, session.area_id) != wanted:
        yield findings.missing_session(digest, found.accepted_in_session)
    areas = {area.area_id for area in objects.of("area").values()}
    for area_id in (found.area_id, *found.context.referenced_area_ids):
        if area_id not in areas:
            yield findings.dangling(digest, "area", area_id)
    governing = (found.context.authority_resolution_id, found.context.scope_resolution_id)
    for reference in (*governing, *found.context.referenced_resolution_ids):
        if reference is not None and objects.first(reference) not in objects.resolutions:
            yield findings.dangling(digest, "resolution", reference)


def _of_cycles(objects: _Objects) -> Iterator[Finding]:
    reaches = {digest: objects.reaches(digest) for digest in objects.resolutions}
    for digest in objects.resolutions:
        circle = {other for other in reaches[digest] if other in reaches and digest in reaches[other]}
        if digest in circle and digest == min(circle):
            yield findings.cycle(circle)


def _of_step(objects: _Objects, digest: Digest, step: Transition) -> Iterator[Finding]:
    resolution_id = objects.first(step.resolution_id)
    found = objects.resolutions.get(resolution_id)
    if found is None:
        yield findings.illegal_transition(digest, f"its resolution {resolution_id} is not stored")
    elif digest in objects.imported:
        return
    elif resolution_id in objects.imported:
        yield findings.illegal_transition(digest, f"an import brought {resolution_id}; only a review ends it")
    elif not _has_beginning(objects, resolution_id, digest):
        last = objects.first(step.previous or "")
        yield findings.illegal_transition(digest, f"no chain leads to the transition {last} before it")
    else:
        last_or_none = None if step.previous is None else objects.first(step.previous)
        before = objects.every("transition").get(last_or_none) if last_or_none else None
        state = ResolutionState.ACTIVE if before is None else before.after
        siblings = objects.steps(resolution_id, last_or_none)
        why = f"{len(siblings)} transitions follow {last_or_none}" if len(siblings) > 1 else None
        why = why or objection(step, found.area_id, found.type, state)
        if why:
            yield findings.illegal_transition(digest, why)


def _has_beginning(objects: _Objects, resolution_id: Digest, digest: Digest) -> bool:
    """Whether the transitions before one lead back to the first."""
    reached: set[Digest] = set()
    waiting: list[Digest | None] = [None]
    while waiting:
        for following in objects.steps(resolution_id, waiting.pop()):
            reached.add(following)
            waiting.append(following)
    return digest in reached


def _of_areas(objects: _Objects) -> Iterator[Finding]:
    areas = {digest: area for digest, area in objects.of("area").items() if digest not in objects.imported}
    for digest, area in areas.items():
        smaller = [other for by, other in areas.items() if by < digest]
        if any(other.area_id == area.area_id or other.label == area.label for other in smaller):
            yield findings.duplicate_area(digest, area.area_id, area.label)
    for area_id in {found.area_id for found in objects.resolutions.values()}:
        for kind in findings.SEVERAL_ACTIVE:
            active = objects.in_state(area_id, ResolutionState.ACTIVE, kind)
            if len(active) > 1:
                yield findings.several_active(area_id, kind, active)


def _of_imports(objects: _Objects) -> Iterator[Finding]:
    records = objects.imports_in_force
    for digest, record in records.items():
        absent = [item for item in record.objects if item not in objects.all]
        if absent:
            yield findings.import_without(digest, absent)
    for import_id in {record.import_id for record in records.values()}:
        group = {digest: record for digest, record in records.items() if record.import_id == import_id}
        parts = {record.part for record in group.values()}
        if any(record.parts != len(parts) for record in group.values()):
            yield findings.import_in_parts(min(group), import_id)
