"""`repositories.sessions` for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from charter_persist.aio.facet import Facet
from charter_persist.model.digest import Digest
from charter_persist.model.records import Page
from charter_persist.model.session import Candidate, Session, SessionState, Stance, StanceKind
from charter_persist.repositories.sessions import SessionReader, SessionRepository


class AsyncSessionReader(Facet):
    """Async form of `SessionReader`."""

    async def get(self, session_id: str) -> Session | None:
        """Async form of `SessionReader.get`."""
        return await self._do(SessionReader, lambda it: it.get(session_id))

    async def require(self, session_id: str) -> Session:
        """Async form of `SessionReader.require`."""
        return await self._do(SessionReader, lambda it: it.require(session_id))

    async def exists(self, session_id: str) -> bool:
        """Async form of `SessionReader.exists`."""
        return await self._do(SessionReader, lambda it: it.exists(session_id))

    async def sealed_digest(self, session_id: str) -> Digest | None:
        """Async form of `SessionReader.sealed_digest`."""
        return await self._do(SessionReader, lambda it: it.sealed_digest(session_id))

    def iter(self, *, area_id: str | None = None, state: SessionState | str | None = None) -> AsyncIterator[Session]:
        """Async form of `SessionReader.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(SessionReader, lambda it: it.iter(area_id=area_id, state=state))

    async def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[Session]:
        """Async form of `SessionReader.list`."""
        return await self._do(SessionReader, lambda it: it.list(limit=limit, cursor=cursor))

    def history(self, session_id: str) -> AsyncIterator[Session]:
        """Async form of `SessionReader.history`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(SessionReader, lambda it: it.history(session_id))


class AsyncSessionRepository(AsyncSessionReader):
    """Async form of `SessionRepository`."""

    async def get(self, session_id: str) -> Session | None:
        """Async form of `SessionRepository.get`."""
        return await self._do(SessionRepository, lambda it: it.get(session_id))

    def iter(self, *, area_id: str | None = None, state: SessionState | str | None = None) -> AsyncIterator[Session]:
        """Async form of `SessionRepository.iter`; differences: it is begun by its first item, and reads ahead a little."""
        return self._each(SessionRepository, lambda it: it.iter(area_id=area_id, state=state))

    async def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[Session]:
        """Async form of `SessionRepository.list`."""
        return await self._do(SessionRepository, lambda it: it.list(limit=limit, cursor=cursor))

    async def create(
        self,
        *,
        area_id: str,
        problem_statement: str,
        session_id: str | None = None,
        authority_resolution_id: str | None = None,
        scope_resolution_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
        references: Mapping[str, Any] | None = None,
    ) -> Session:
        """Async form of `SessionRepository.create`."""
        return await self._do(
            SessionRepository,
            lambda it: it.create(
                area_id=area_id,
                problem_statement=problem_statement,
                session_id=session_id,
                authority_resolution_id=authority_resolution_id,
                scope_resolution_id=scope_resolution_id,
                constraints=constraints,
                references=references,
            ),
        )

    async def add_candidate(
        self, session_id: str, content: Any, *, rationale: str | None = None, candidate_id: str | None = None
    ) -> Candidate:
        """Async form of `SessionRepository.add_candidate`."""
        return await self._do(
            SessionRepository,
            lambda it: it.add_candidate(session_id, content, rationale=rationale, candidate_id=candidate_id),
        )

    async def record_stance(
        self, session_id: str, *, actor_id: str, candidate_id: str, stance: StanceKind | str
    ) -> Stance:
        """Async form of `SessionRepository.record_stance`."""
        return await self._do(
            SessionRepository,
            lambda it: it.record_stance(session_id, actor_id=actor_id, candidate_id=candidate_id, stance=stance),
        )

    async def set_state(self, session_id: str, state: SessionState | str) -> Session:
        """Async form of `SessionRepository.set_state`."""
        return await self._do(SessionRepository, lambda it: it.set_state(session_id, state))

    async def snapshot(self, session_id: str) -> int:
        """Async form of `SessionRepository.snapshot`."""
        return await self._do(SessionRepository, lambda it: it.snapshot(session_id))

    async def rollback(self, session_id: str, *, to: int) -> Session:
        """Async form of `SessionRepository.rollback`."""
        return await self._do(SessionRepository, lambda it: it.rollback(session_id, to=to))

    async def seal(self, session_id: str, state: SessionState | str, *, accepted: Iterable[str] = ()) -> Digest:
        """Async form of `SessionRepository.seal`."""
        return await self._do(SessionRepository, lambda it: it.seal(session_id, state, accepted=accepted))
