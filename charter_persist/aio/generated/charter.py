"""The verbs of governance for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.aio.governing import Governing
from charter_persist.engine.acceptance import Acceptance
from charter_persist.engine.boot import BootReport
from charter_persist.engine.charter import Charter
from charter_persist.engine.queries import AreaView, Queries, ResolutionView
from charter_persist.index.lookups import AreaEntry
from charter_persist.model.adoption import ReviewOutcome
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.authority import Evaluation
from charter_persist.model.digest import Digest, Envelope
from charter_persist.model.finding import Finding
from charter_persist.model.records import AuditEvent, Page
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import Candidate, Session, SessionState, Stance, StanceKind


class AsyncQueries(Facet):
    """Async form of `Queries`."""

    async def get(self, digest: str) -> Envelope:
        """Async form of `Queries.get`."""
        return await self._do(Queries, lambda it: it.get(digest))

    async def authority(self, area_id: str) -> Envelope | None:
        """Async form of `Queries.authority`."""
        return await self._do(Queries, lambda it: it.authority(area_id))

    async def scope(self, area_id: str) -> Envelope | None:
        """Async form of `Queries.scope`."""
        return await self._do(Queries, lambda it: it.scope(area_id))

    async def label(self, area_id: str, label: str) -> Digest | None:
        """Async form of `Queries.label`."""
        return await self._do(Queries, lambda it: it.label(area_id, label))

    async def log(
        self, area_id: str | None = None, *, limit: int = 100, cursor: str | None = None, **filters: Any
    ) -> Page[AuditEvent]:
        """Async form of `Queries.log`."""
        return await self._do(Queries, lambda it: it.log(area_id, limit=limit, cursor=cursor, **filters))

    async def areas(self) -> tuple[AreaEntry, ...]:
        """Async form of `Queries.areas`."""
        return await self._do(Queries, lambda it: it.areas())

    async def area(self, area_id: str) -> AreaView:
        """Async form of `Queries.area`."""
        return await self._do(Queries, lambda it: it.area(area_id))

    async def area_labelled(self, label: str) -> AreaEntry:
        """Async form of `Queries.area_labelled`."""
        return await self._do(Queries, lambda it: it.area_labelled(label))

    async def resolution(self, resolution_id: str) -> ResolutionView:
        """Async form of `Queries.resolution`."""
        return await self._do(Queries, lambda it: it.resolution(resolution_id))

    async def resolutions(
        self, area_id: str, *, state: ResolutionState | str | None = None, type: ResolutionType | str | None = None
    ) -> tuple[Digest, ...]:
        """Async form of `Queries.resolutions`."""
        return await self._do(Queries, lambda it: it.resolutions(area_id, state=state, type=type))

    async def supersedes(self, resolution_id: str) -> tuple[Digest, ...]:
        """Async form of `Queries.supersedes`."""
        return await self._do(Queries, lambda it: it.supersedes(resolution_id))

    async def superseded_by(self, resolution_id: str) -> tuple[Digest, ...]:
        """Async form of `Queries.superseded_by`."""
        return await self._do(Queries, lambda it: it.superseded_by(resolution_id))

    async def supersessions(self, area_id: str) -> Mapping[Digest, tuple[Digest, ...]]:
        """Async form of `Queries.supersessions`."""
        return await self._do(Queries, lambda it: it.supersessions(area_id))

    async def session(self, session_id: str) -> Session:
        """Async form of `Queries.session`."""
        return await self._do(Queries, lambda it: it.session(session_id))

    async def sessions(self, area_id: str, *, state: SessionState | str | None = None) -> tuple[Session, ...]:
        """Async form of `Queries.sessions`."""
        return await self._do(Queries, lambda it: it.sessions(area_id, state=state))

    async def outcome(self, session_id: str) -> tuple[Digest, ...]:
        """Async form of `Queries.outcome`."""
        return await self._do(Queries, lambda it: it.outcome(session_id))

    async def evaluate(self, session_id: str) -> Evaluation:
        """Async form of `Queries.evaluate`."""
        return await self._do(Queries, lambda it: it.evaluate(session_id))

    async def imported(self, import_id: str) -> tuple[Digest, ...]:
        """Async form of `Queries.imported`."""
        return await self._do(Queries, lambda it: it.imported(import_id))

    async def findings(self) -> tuple[Finding, ...]:
        """Async form of `Queries.findings`."""
        return await self._do(Queries, lambda it: it.findings())


class AsyncCharter(Governing, AsyncQueries):
    """Async form of `Charter`."""

    async def boot(self) -> BootReport:
        """Async form of `Charter.boot`."""
        return await self._do(Charter, lambda it: it.boot())

    async def evaluate(self, session_id: str) -> Evaluation:
        """Async form of `Charter.evaluate`."""
        return await self._do(Charter, lambda it: it.evaluate(session_id))

    def as_of(self, revision: int) -> AsyncQueries:
        """Async form of `Charter.as_of`; differences: what is wrong with it, its first use says."""
        return AsyncQueries(self._hop, self._part(Charter, lambda it: it.as_of(revision)))

    async def create_area(
        self,
        *,
        label: str,
        long_name: str | None = None,
        annotations: Mapping[str, Any] | None = None,
        area_id: str | None = None,
        actor: str | None = None,
    ) -> Area:
        """Async form of `Charter.create_area`."""
        return await self._write(
            Charter,
            lambda it: it.create_area(
                label=label, long_name=long_name, annotations=annotations, area_id=area_id, actor=actor
            ),
        )

    async def retire_area(self, area_id: str, *, reason: str | None = None, actor: str | None = None) -> AreaRetirement:
        """Async form of `Charter.retire_area`."""
        return await self._write(Charter, lambda it: it.retire_area(area_id, reason=reason, actor=actor))

    async def set_label(self, area_id: str, label: str, resolution_id: str, *, actor: str | None = None) -> None:
        """Async form of `Charter.set_label`."""
        await self._write(Charter, lambda it: it.set_label(area_id, label, resolution_id, actor=actor))

    async def delete_label(self, area_id: str, label: str, *, actor: str | None = None) -> None:
        """Async form of `Charter.delete_label`."""
        await self._write(Charter, lambda it: it.delete_label(area_id, label, actor=actor))

    async def start_session(
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
        """Async form of `Charter.start_session`."""
        return await self._write(
            Charter,
            lambda it: it.start_session(
                area_id,
                problem_statement=problem_statement,
                type=type,
                participants=participants,
                required_participants=required_participants,
                referenced_areas=referenced_areas,
                referenced_resolutions=referenced_resolutions,
                session_id=session_id,
                actor=actor,
            ),
        )

    async def start(self, session_id: str, *, actor: str | None = None) -> Session:
        """Async form of `Charter.start`."""
        return await self._write(Charter, lambda it: it.start(session_id, actor=actor))

    async def add_candidate(
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
        """Async form of `Charter.add_candidate`."""
        return await self._write(
            Charter,
            lambda it: it.add_candidate(
                session_id,
                content=content,
                supersedes=supersedes,
                transitions=transitions,
                rationale=rationale,
                candidate_id=candidate_id,
                actor=actor,
            ),
        )

    async def record_stance(
        self, session_id: str, *, candidate_id: str, stance: StanceKind | str, actor: str
    ) -> Stance:
        """Async form of `Charter.record_stance`."""
        return await self._write(
            Charter, lambda it: it.record_stance(session_id, candidate_id=candidate_id, stance=stance, actor=actor)
        )

    async def pause(self, session_id: str, *, actor: str | None = None) -> Session:
        """Async form of `Charter.pause`."""
        return await self._write(Charter, lambda it: it.pause(session_id, actor=actor))

    async def resume(self, session_id: str, *, actor: str | None = None) -> Session:
        """Async form of `Charter.resume`."""
        return await self._write(Charter, lambda it: it.resume(session_id, actor=actor))

    async def block(self, session_id: str, *, reason: str, actor: str | None = None) -> Session:
        """Async form of `Charter.block`."""
        return await self._write(Charter, lambda it: it.block(session_id, reason=reason, actor=actor))

    async def unblock(self, session_id: str, *, actor: str | None = None) -> Session:
        """Async form of `Charter.unblock`."""
        return await self._write(Charter, lambda it: it.unblock(session_id, actor=actor))

    async def accept(
        self, session_id: str, *, candidate_ids: Iterable[str] | None = None, actor: str | None = None
    ) -> Acceptance:
        """Async form of `Charter.accept`."""
        return await self._write(Charter, lambda it: it.accept(session_id, candidate_ids=candidate_ids, actor=actor))

    async def close(self, session_id: str, *, reason: str | None = None, actor: str | None = None) -> Digest:
        """Async form of `Charter.close`."""
        return await self._write(Charter, lambda it: it.close(session_id, reason=reason, actor=actor))

    async def retire(
        self, resolution_id: str, *, problem_statement: str | None = None, rationale: str | None = None, actor: str
    ) -> Acceptance:
        """Async form of `Charter.retire`."""
        return await self._write(
            Charter,
            lambda it: it.retire(resolution_id, problem_statement=problem_statement, rationale=rationale, actor=actor),
        )

    async def mark_under_review(self, resolution_id: str, *, actor: str | None = None) -> Digest:
        """Async form of `Charter.mark_under_review`."""
        return await self._write(Charter, lambda it: it.mark_under_review(resolution_id, actor=actor))

    async def clear_under_review(self, resolution_id: str, *, actor: str | None = None) -> Digest:
        """Async form of `Charter.clear_under_review`."""
        return await self._write(Charter, lambda it: it.clear_under_review(resolution_id, actor=actor))

    async def review_import(
        self,
        import_id: str,
        resolution_id: str,
        *,
        outcome: ReviewOutcome | str,
        local_resolution_id: str | None = None,
        actor: str | None = None,
    ) -> Digest:
        """Async form of `Charter.review_import`."""
        return await self._write(
            Charter,
            lambda it: it.review_import(
                import_id, resolution_id, outcome=outcome, local_resolution_id=local_resolution_id, actor=actor
            ),
        )

    async def close_import(self, import_id: str, *, actor: str | None = None) -> tuple[Digest, ...]:
        """Async form of `Charter.close_import`."""
        return await self._write(Charter, lambda it: it.close_import(import_id, actor=actor))
