"""The index: every answer about decisions, kept in memory and computed from objects alone.

There is one way in, `Index.apply`, which a rebuild uses for all objects and following the journal for a few. What is
kept of an object never depends on the others; what follows from several is computed for the resolutions that a batch
touches. So the answers are a function of the set of objects: neither order nor division into batches shows.

Cost of `apply`: a few accesses for each object and each of its edges, and one step for each transition of a resolution
that was touched. An import record costs all that imports list; a rehash costs as much as a rebuild. Answers cost one
access and the sorting of what they list. `findings` looks at everything.

Imports ``model`` and the modules of ``index``. Source: IDX-2 to IDX-10, IDX-13, GOV-2, GOV-14, HASH-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from charter_persist.errors import DanglingReferenceError
from charter_persist.index import findings
from charter_persist.index.adoption import Adoption
from charter_persist.index.areas import Areas
from charter_persist.index.lifecycle import Lifecycle
from charter_persist.index.lookups import AreaEntry, ResolutionEntry, SealedSession
from charter_persist.index.outcomes import Outcomes
from charter_persist.index.resolutions import Resolutions
from charter_persist.index.stored import SESSION, StoredObject
from charter_persist.index.supersession import Supersession
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution, ResolutionState, ResolutionType

_SETTLING: Final = frozenset({Rehash.object_type, ImportRecord.object_type})


class _Kind(NamedTuple):
    """How objects of one type are taken in.

    Attributes:
        kept: what is kept of each, by digest.
        take: keeps what one says.
        place: makes one count among the others; the resolutions whose state it may change.
        touched_by: those resolutions again, when it begins or ceases to be imported.
    """

    kept: Mapping[Digest, Any]
    take: Callable[[Digest, Any], None]
    place: Callable[[Digest], Iterable[Digest]] = lambda _digest: ()
    touched_by: Callable[[Digest], Iterable[Digest]] = lambda _digest: ()


class Index:
    """`Lookups` from memory, as of one position; a batch that failed half-way leaves an index that must be dropped.

    Attributes:
        position: the last journal position that the answers know of; whoever applies objects moves it.
    """

    def __init__(self) -> None:
        self.position = 0
        self._broken: set[Digest] = set()
        self._problems: list[Finding] = []
        self._adoption = Adoption()
        self._supersession = Supersession()
        self._lifecycle = Lifecycle(self._adoption)
        self._areas = Areas(self._adoption)
        self._outcomes = Outcomes(self._adoption)
        self._resolutions = Resolutions(
            self._adoption, self._supersession, self._lifecycle, self._areas, self._outcomes
        )
        adoption, areas, outcomes, lifecycle = self._adoption, self._areas, self._outcomes, self._lifecycle
        resolutions = self._resolutions
        self._kinds = {
            Rehash.object_type: _Kind(adoption.rehashes, adoption.take_rehash),
            ImportRecord.object_type: _Kind(adoption.imports, adoption.take_import),
            ImportReview.object_type: _Kind(
                adoption.reviews, adoption.take_review, adoption.place_review, adoption.touched_by_review
            ),
            Area.object_type: _Kind(areas.areas, areas.take_area, areas.place_area),
            AreaRetirement.object_type: _Kind(areas.ends, areas.take_end, areas.place_end),
            SESSION: _Kind(outcomes.sessions, outcomes.take, outcomes.place),
            Resolution.object_type: _Kind(
                resolutions.decisions, resolutions.take, resolutions.place, resolutions.touched_by
            ),
            Transition.object_type: _Kind(lifecycle.steps, lifecycle.take, lifecycle.place, lifecycle.touched_by),
        }

    def apply(self, objects: Iterable[StoredObject]) -> None:
        """Take objects in; the answers are then those of all objects that were ever applied, in whatever order.

        Args:
            objects: of the types of `stored.TYPES`; one that is known already changes nothing.

        Spec: IDX-9, IDX-10
        """
        new: dict[str, list[Digest]] = {kind: [] for kind in self._kinds}
        for stored in objects:
            if stored.digest not in self._kinds[stored.type].kept and stored.digest not in self._broken:
                self._keep(stored, new[stored.type])
        touched: set[Digest] = set()
        if any(new[kind] for kind in _SETTLING):
            renamed, flipped = self._adoption.settle()
            if renamed:
                new, flipped = self._start_over(), set()
            for kind in self._kinds.values():
                for digest in flipped & kind.kept.keys():
                    touched.update(kind.touched_by(digest))
        for name, kind in self._kinds.items():
            for digest in new[name]:
                if not self._adoption.is_alias(digest):
                    touched.update(kind.place(digest))
        for digest in touched:
            self._resolutions.settle(digest)

    def areas(self) -> Sequence[AreaEntry]:
        """Every area, by its id."""
        return self._areas.entries()

    def area(self, area_id: str) -> AreaEntry | None:
        """The area of that id, or None."""
        return self._areas.entry(area_id)

    def area_labelled(self, label: str) -> AreaEntry | None:
        """The area of that label, or None."""
        return self._areas.labelled(label)

    def resolution(self, resolution_id: str) -> ResolutionEntry | None:
        """The resolution of that digest, or of the digest it was given by a rehash; None where there is none."""
        decision = self._resolutions.decisions.get(self._adoption.first(resolution_id))
        if decision is None or decision.state is None:
            return None
        return ResolutionEntry(
            decision.digest,
            decision.area_id,
            decision.session_id,
            decision.type,
            decision.state,
            decision.digest in self._adoption.imported,
        )

    def resolutions(self, area_id: str) -> Sequence[Digest]:
        """Every resolution of an area, sorted."""
        return self._areas.members(area_id)

    def in_state(self, area_id: str, state: ResolutionState, kind: ResolutionType | None = None) -> Sequence[Digest]:
        """The resolutions of an area in one state, of one type where that is given, sorted."""
        return self._lifecycle.in_state(area_id, state, kind)

    def supersedes(self, resolution_id: str) -> Sequence[Digest]:
        """What a resolution replaces, sorted."""
        return self._supersession.supersedes(self._adoption.first(resolution_id))

    def superseded_by(self, resolution_id: str) -> Sequence[Digest]:
        """What replaces a resolution, sorted; those that a consolidation brought are among them."""
        return sorted(self._supersession.superseded_by(self._adoption.first(resolution_id)))

    def last_transition(self, resolution_id: str) -> Digest | None:
        """The newest transition of a resolution; None where there is none."""
        decision = self._resolutions.decisions.get(self._adoption.first(resolution_id))
        if decision is None:
            return None
        return self._lifecycle.end(decision.digest, decision.area_id, decision.type)[1]

    def session(self, session_id: str) -> SealedSession | None:
        """The session of that id if it has ended, or None."""
        return self._outcomes.session(session_id)

    def outcome(self, session_id: str) -> Sequence[Digest]:
        """The resolutions that a session accepted, sorted."""
        return self._outcomes.accepted(session_id)

    def import_ids(self) -> Sequence[str]:
        """The id of every import that is in force, sorted."""
        return self._adoption.import_ids()

    def imported(self, import_id: str) -> Sequence[Digest]:
        """The resolutions that an import brought and that were not reviewed yet, sorted."""
        brought = self._adoption.brought(import_id)
        return sorted(
            item for item in brought if item in self._resolutions.decisions and not self._adoption.reviewed(item)
        )

    def check_supersession(self, digest: Digest, targets: Sequence[Digest]) -> None:
        """Refuse edges that point nowhere or would close a circle; the cost is what the targets can reach.

        Args:
            digest: of the resolution that would get these edges.
            targets: digests of what it would replace.

        Raises:
            DanglingReferenceError: one of them is no stored resolution; ``digest`` names it.
            CycleError: one of them supersedes it already, directly or through others.

        Spec: IDX-5, IDX-13
        """
        firsts = [self._adoption.first(target) for target in targets]
        for target in firsts:
            if target not in self._resolutions.decisions:
                raise DanglingReferenceError(f"{target} is no stored resolution", digest=target)
        self._supersession.check(self._adoption.first(digest), firsts)

    def findings(self) -> Sequence[Finding]:
        """What contradicts itself in the objects; empty where all is well."""
        return findings.in_order(
            [
                *self._problems,
                *(found for decision in self._resolutions.placed() for found in self._resolutions.findings(decision)),
                *self._resolutions.forks(),
                *map(findings.cycle, self._supersession.cycles()),
                *self._lifecycle.unplaced(self._resolutions.decisions.__contains__),
                *self._lifecycle.several_active(),
                *self._areas.findings(),
                *self._adoption.findings(self._stored),
            ]
        )

    def answers(self) -> Iterator[list[Any]]:
        """What the maps hold, as JSON rows in one order: equal for equal sets of objects."""
        for area in self.areas():
            yield ["area", area.area_id, area.label, area.digest, area.retired]
        for area_id in self._areas.with_members():
            yield ["resolutions", area_id, self.resolutions(area_id)]
            for state in ResolutionState:
                yield [str(state), area_id, *(self.in_state(area_id, state, kind) for kind in ResolutionType)]
        for digest in sorted(decision.digest for decision in self._resolutions.placed()):
            decision = self._resolutions.decisions[digest]
            yield [digest, decision.area_id, decision.session_id, str(decision.type), str(decision.state)]
            yield [self.supersedes(digest), self.superseded_by(digest), self.last_transition(digest)]
        for session_id in self._outcomes.session_ids():
            session = self._outcomes.session(session_id)
            ended = None if session is None else [session.area_id, str(session.state), session.digest]
            yield ["session", session_id, ended, self.outcome(session_id)]
        for import_id in self._adoption.import_ids():
            yield ["import", import_id, self.imported(import_id)]

    def _stored(self, digest: Digest) -> bool:
        return digest in self._broken or any(digest in kind.kept for kind in self._kinds.values())

    def _keep(self, stored: StoredObject, new: list[Digest]) -> None:
        """Keep what an object says, whatever other objects say."""
        self._problems += stored.problems
        if stored.value is None:
            self._broken.add(stored.digest)
        else:
            self._kinds[stored.type].take(stored.digest, stored.value)
            new.append(stored.digest)

    def _start_over(self) -> dict[str, list[Digest]]:
        """Forget all that follows from several objects; every object, to be placed again."""
        parts = (self._adoption, self._supersession, self._lifecycle, self._areas, self._outcomes, self._resolutions)
        for part in parts:
            part.clear()
        return {name: list(kind.kept) for name, kind in self._kinds.items()}
