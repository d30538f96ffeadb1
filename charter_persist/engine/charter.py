"""`Charter`: the verbs of governance. Each is one unit of work, each names who does it.

A verb takes the writer lock first, then brings the index to the head, and decides by that; so two processes that accept
against one target have one winner. A verb that raises has written nothing. Cost of a verb: one commit.

Source: GOV-3 to GOV-9, DESIGN 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from charter_persist.engine import acceptance, areas, deliberation, review
from charter_persist.engine.acceptance import Acceptance
from charter_persist.engine.boot import BootMode, BootReport, boot
from charter_persist.engine.queries import Queries
from charter_persist.engine.source import IndexSource
from charter_persist.engine.work import Work
from charter_persist.errors import CharterError, InvalidInputError, ReadOnlyError
from charter_persist.model.adoption import ReviewOutcome
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.authority import Evaluation
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import Candidate, Session, Stance, StanceKind
from charter_persist.unit_of_work import Receipt, Units

T = TypeVar("T")


class Charter(Queries):
    """The governance engine over a store. It reads nothing until it is asked; safe for use by several threads.

    Args:
        store: what `connect` gave, or anything that offers units of work and views.
        indexed: False answers every question by reading the objects; slower, and never different.
        mode: in every mode but NORMAL nothing can be decided; in VERIFY_ONLY and RECOVERY nothing is evaluated either.
    """

    def __init__(self, store: Units, *, indexed: bool = True, mode: BootMode = BootMode.NORMAL) -> None:
        super().__init__(store.read, IndexSource(indexed=indexed))
        self._store = store
        self._indexed = indexed
        self._mode = mode

    def boot(self) -> BootReport:
        """Run the phases of a boot in the mode of this engine; nothing is written, whatever is found.

        A `Charter` works without it. Run it where a store that is damaged must not be worked with at all.

        Raises:
            IntegrityError: in mode NORMAL a phase failed; ``report`` is what was shown until then.
            BackendError: in mode NORMAL the database could not be read.

        Spec: GOV-10
        """
        return boot(self._store, self._mode)

    def evaluate(self, session_id: str) -> Evaluation:
        """As `Queries.evaluate`.

        Raises:
            ReadOnlyError: the mode of this engine evaluates nothing.
        """
        if self._mode in (BootMode.VERIFY_ONLY, BootMode.RECOVERY):
            raise ReadOnlyError(f"an engine in mode {self._mode} evaluates nothing; start one in mode NORMAL")
        return super().evaluate(session_id)

    def as_of(self, revision: int) -> Queries:
        """Return the same questions, answered as of a past revision.

        Args:
            revision: 0 to the newest.

        Raises:
            NotFoundError: there is no such revision yet.
            CompactedError: what is asked then was compacted since.

        Spec: GOV-15
        """
        self._store.read(as_of=revision).close()
        return Queries(lambda: self._store.read(as_of=revision), IndexSource(indexed=self._indexed))

    def _do(self, actor: str | None, verb: Callable[[Work], T]) -> tuple[T, Receipt]:
        """One verb, one unit of work."""
        if self._mode is not BootMode.NORMAL:
            raise ReadOnlyError(f"an engine in mode {self._mode} decides nothing; start one in mode NORMAL")
        with self._store.begin() as uow, self._source.writing(uow.reader) as lookups:
            value = verb(Work(uow, lookups, actor))
        if uow.receipt is None:
            raise CharterError("a verb of the engine wrote nothing; please report this")
        return value, uow.receipt

    def create_area(
        self,
        *,
        label: str,
        long_name: str | None = None,
        annotations: Mapping[str, Any] | None = None,
        area_id: str | None = None,
        actor: str | None = None,
    ) -> Area:
        """Create an area; it takes only AUTHORITY and SCOPE sessions until it has both.

        Args:
            label: its short name, unique in the store.
            long_name: its full name.
            annotations: any JSON object.
            area_id: unique in the store; a new one by default.
            actor: who does it.

        Raises:
            AlreadyExistsError: the label or the id is taken.
            InvalidInputError: a field does not follow its grammar.

        Spec: GOV-7
        """
        return self._do(actor, lambda work: areas.create_area(work, label, long_name, annotations, area_id))[0]

    def retire_area(self, area_id: str, *, reason: str | None = None, actor: str | None = None) -> AreaRetirement:
        """Retire an area: no session is started in it any more; all it decided stays.

        Raises:
            NotFoundError: there is no such area.
            RuleError: it is retired already, or has open sessions.
        """
        return self._do(actor, lambda work: areas.retire_area(work, area_id, reason))[0]

    def set_label(self, area_id: str, label: str, resolution_id: str, *, actor: str | None = None) -> None:
        """Point a free label of an area to one of its resolutions; labels have no influence on anything.

        Raises:
            NotFoundError: there is no such area or resolution.
            RuleError: the resolution belongs to another area, or the area is retired.

        Spec: GOV-8
        """
        self._do(actor, lambda work: areas.set_label(work, area_id, label, resolution_id))

    def delete_label(self, area_id: str, label: str, *, actor: str | None = None) -> None:
        """Delete a free label of an area.

        Raises:
            NotFoundError: there is no such area or label.
            RuleError: the area is retired.

        Spec: GOV-8
        """
        self._do(actor, lambda work: areas.delete_label(work, area_id, label))

    def start_session(
        self,
        area_id: str,
        *,
        problem_statement: str,
        type: ResolutionType | str = ResolutionType.GENERAL,
        participants: Iterable[str] | None = None,
        required_participants: Iterable[str] = (),
        referenced_areas: Iterable[str] = (),
        referenced_resolutions: Iterable[str] = (),
        session_id: str | None = None,
        actor: str | None = None,
    ) -> Session:
        """Create a session in state CREATED; it captures authority and scope, and is held to them for good.

        Args:
            area_id: of the area.
            problem_statement: what is to be decided.
            type: what its candidates would become.
            participants: who may record a stance; only for the first AUTHORITY and SCOPE of an area, which are decided
                unanimously by them. Later ones are said by the authority in force.
            required_participants: who must have a stance on a candidate before it may be accepted.
            referenced_areas: ids of other areas that are looked at.
            referenced_resolutions: digests of resolutions that are looked at.
            session_id: unique in the store; a new one by default.
            actor: who does it.

        Raises:
            NotFoundError: there is no such area or resolution.
            NotInitialisedError: the area has no authority or scope yet, and the type is GENERAL.
            RuleError: the area is retired or under review, or the participants are not those of the authority.
            AlreadyExistsError: there is a session of that id.
            InvalidInputError: a field does not follow its grammar.

        Spec: GOV-3, GOV-5, GOV-7
        """
        return self._do(
            actor,
            lambda work: deliberation.start_session(
                work,
                area_id,
                problem_statement=problem_statement,
                type=type,
                participants=participants,
                required_participants=required_participants,
                referenced_areas=referenced_areas,
                referenced_resolutions=referenced_resolutions,
                session_id=session_id,
            ),
        )[0]

    def start(self, session_id: str, *, actor: str | None = None) -> Session:
        """Activate a CREATED session.

        Raises:
            NotFoundError: there is no such session.
            RuleError: its authority or scope is not in force any more, or what it builds on is under review.
            InvalidTransitionError: it is not CREATED.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.start(work, session_id))[0]

    def add_candidate(
        self,
        session_id: str,
        *,
        content: Mapping[str, Any] | None = None,
        supersedes: Iterable[str] = (),
        transitions: Mapping[str, ResolutionState | str] | None = None,
        rationale: str | None = None,
        candidate_id: str | None = None,
        actor: str | None = None,
    ) -> Candidate:
        """Add a candidate while no stance was recorded.

        Args:
            session_id: of a CREATED or ACTIVE session.
            content: a JSON object with ``text``; for an AUTHORITY also ``rule`` and ``actors`` (a sorted list). None
                where the candidate only changes the state of other resolutions.
            supersedes: digests of the ACTIVE resolutions of this area and type that it would replace; an AUTHORITY
                or SCOPE replaces the one in force without being told.
            transitions: states that it would bring resolutions to, by digest.
            rationale: why.
            candidate_id: unique in the session; a new one by default.
            actor: who does it.

        Raises:
            NotFoundError: there is no such session or resolution.
            FrozenError: a stance was recorded already.
            RuleError: a target is of another area or type, is not ACTIVE, or was imported.
            InvalidTransitionError: the session is in no state for it, or the lifecycle has no such change.
            SealedError: the session has ended.
            InvalidInputError: a field does not follow its grammar.

        Spec: GOV-3, GOV-5
        """
        return self._do(
            actor,
            lambda work: deliberation.add_candidate(
                work,
                session_id,
                content=content,
                supersedes=supersedes,
                transitions=transitions,
                rationale=rationale,
                candidate_id=candidate_id,
            ),
        )[0]

    def record_stance(self, session_id: str, *, candidate_id: str, stance: StanceKind | str, actor: str) -> Stance:
        """Record what the actor says of a candidate; until the session ends it may be changed, and that is audited.

        Raises:
            NotFoundError: there is no such session or candidate.
            RuleError: the actor takes no part in the session.
            InvalidTransitionError: the session is not ACTIVE.
            SealedError: it has ended.
            InvalidInputError: the stance is not ACCEPT, REJECT or ABSTAIN.

        Spec: GOV-4
        """
        return self._do(actor, lambda work: deliberation.record_stance(work, session_id, candidate_id, stance))[0]

    def pause(self, session_id: str, *, actor: str | None = None) -> Session:
        """Pause an ACTIVE session.

        Raises:
            NotFoundError: there is no such session.
            InvalidTransitionError: it is not ACTIVE.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.pause(work, session_id))[0]

    def resume(self, session_id: str, *, actor: str | None = None) -> Session:
        """Resume a PAUSED session, if authority and scope are in force and nothing it builds on is under review.

        Raises:
            NotFoundError: there is no such session.
            RuleError: its authority or scope is not in force any more, or what it builds on is under review.
            InvalidTransitionError: it is not PAUSED.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.resume(work, session_id))[0]

    def block(self, session_id: str, *, reason: str, actor: str | None = None) -> Session:
        """Block an ACTIVE or PAUSED session.

        Raises:
            NotFoundError: there is no such session.
            InvalidTransitionError: it is neither ACTIVE nor PAUSED.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.block(work, work.session(session_id), reason))[0]

    def unblock(self, session_id: str, *, actor: str | None = None) -> Session:
        """Bring a BLOCKED session to PAUSED; `resume` then looks at what it depends on.

        Raises:
            NotFoundError: there is no such session.
            InvalidTransitionError: it is not BLOCKED.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.unblock(work, session_id))[0]

    def accept(
        self, session_id: str, *, candidate_ids: Iterable[str] | None = None, actor: str | None = None
    ) -> Acceptance:
        """End an ACTIVE session well: it is sealed, and what it decided takes force, all in one unit of work.

        Resolutions and transitions are written; the ref of the area moves where the type is AUTHORITY or SCOPE, and
        open sessions that captured the former one are BLOCKED; every fact has its audit event.

        Args:
            session_id: of the session.
            candidate_ids: which candidates; by default every one that is ACCEPTABLE.
            actor: who does it.

        Raises:
            NotFoundError: there is no such session or candidate.
            RuleError: a candidate is not ACCEPTABLE (the message says why), authority or scope were changed, or what
                it would supersede is not ACTIVE any more.
            InvalidTransitionError: the session is not ACTIVE.
            SealedError: it has ended.

        Spec: GOV-6
        """
        if isinstance(candidate_ids, str):
            raise InvalidInputError("candidate_ids must be a list of ids, not one text")
        accepted, receipt = self._do(actor, lambda work: acceptance.accept(work, session_id, candidate_ids))
        return accepted.with_receipt(receipt)

    def close(self, session_id: str, *, reason: str | None = None, actor: str | None = None) -> Digest:
        """Discard a CREATED, ACTIVE or PAUSED session: sealed as it stands, with no effect; returns its digest.

        Raises:
            NotFoundError: there is no such session.
            InvalidTransitionError: it is BLOCKED; unblock it first.
            SealedError: it has ended.

        Spec: GOV-3
        """
        return self._do(actor, lambda work: deliberation.close(work, session_id, reason))[0]

    def retire(
        self,
        resolution_id: str,
        *,
        problem_statement: str | None = None,
        rationale: str | None = None,
        actor: str,
    ) -> Acceptance:
        """Retire a resolution by a whole session in one unit of work, in which the actor alone takes a stance.

        Where that is not enough, hold a session with a candidate whose ``transitions`` say RETIRED.

        Raises:
            NotFoundError: there is no such resolution.
            RuleError: the stance of the actor alone does not satisfy the rule of the area, or the resolution was
                imported.
            InvalidTransitionError: it is neither ACTIVE nor UNDER_REVIEW, or is an AUTHORITY or SCOPE.

        Spec: GOV-2
        """
        accepted, receipt = self._do(
            actor, lambda work: acceptance.retire(work, resolution_id, problem_statement, rationale)
        )
        return accepted.with_receipt(receipt)

    def mark_under_review(self, resolution_id: str, *, actor: str | None = None) -> Digest:
        """Mark a GENERAL resolution as UNDER_REVIEW and block the sessions that depend on it; returns the transition.

        Raises:
            NotFoundError: there is no such resolution.
            RuleError: it is an AUTHORITY or SCOPE, was imported, or its area is retired.
            InvalidTransitionError: it is not ACTIVE.

        Spec: GOV-2
        """
        return self._do(actor, lambda work: review.mark(work, resolution_id, ResolutionState.UNDER_REVIEW))[0]

    def clear_under_review(self, resolution_id: str, *, actor: str | None = None) -> Digest:
        """Bring a GENERAL resolution that is UNDER_REVIEW back to ACTIVE; returns the transition.

        Raises:
            NotFoundError: there is no such resolution.
            RuleError: it is an AUTHORITY or SCOPE, was imported, or its area is retired.
            InvalidTransitionError: it is not UNDER_REVIEW.

        Spec: GOV-2
        """
        return self._do(actor, lambda work: review.mark(work, resolution_id, ResolutionState.ACTIVE))[0]

    def review_import(
        self,
        import_id: str,
        resolution_id: str,
        *,
        outcome: ReviewOutcome | str,
        local_resolution_id: str | None = None,
        actor: str | None = None,
    ) -> Digest:
        """Record what became of an imported resolution; it never takes force itself. Returns the review.

        Args:
            import_id: of the import that brought it.
            resolution_id: digest of the imported resolution.
            outcome: CONSOLIDATED where a session here accepted one in its place, REJECTED, or HISTORICAL.
            local_resolution_id: digest of that resolution; for CONSOLIDATED only.
            actor: who does it.

        Raises:
            NotFoundError: there is no such resolution.
            InvalidTransitionError: it does not wait for review in this import.
            RuleError: the local resolution is of another area, or not in force.
            InvalidInputError: outcome and local resolution do not go together.

        Spec: GOV-14
        """
        return self._do(
            actor, lambda work: review.review_import(work, import_id, resolution_id, outcome, local_resolution_id)
        )[0]

    def close_import(self, import_id: str, *, actor: str | None = None) -> tuple[Digest, ...]:
        """End the review of an import: what still waits becomes HISTORICAL; returns the reviews.

        Raises:
            NotFoundError: nothing of such an import waits for review.

        Spec: GOV-14
        """
        return self._do(actor, lambda work: review.close_import(work, import_id))[0]
