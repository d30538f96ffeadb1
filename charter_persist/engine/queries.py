"""What can be asked of decisions: pure reads, each of one revision.

An unknown entity is an error, a known one with nothing to show gives an empty answer. `authority`, `scope`, `get` and
`log` answer from refs, objects and audit alone; every other question brings the index to the head first, and gives the
same answer without one.

Source: GOV-13, IDX-13, IDX-14, NEIGHBOURS 2.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from charter_persist.engine.areas import label_ref
from charter_persist.engine.source import IndexSource
from charter_persist.engine.work import known_area, known_resolution, standing
from charter_persist.errors import NotFoundError
from charter_persist.index.lookups import AreaEntry, Lookups
from charter_persist.model.area import Area, area_scope, authority_ref, scope_ref
from charter_persist.model.authority import Constraints, Evaluation, evaluate
from charter_persist.model.digest import Digest, Envelope
from charter_persist.model.finding import Finding
from charter_persist.model.forms import read_sealed_session
from charter_persist.model.records import AuditEvent, Page
from charter_persist.model.resolution import (
    Resolution,
    ResolutionState,
    ResolutionType,
    resolution_state,
    resolution_type,
)
from charter_persist.model.session import Session, SessionState
from charter_persist.unit_of_work import ReadView


@dataclass(frozen=True, slots=True)
class AreaView:
    """An area and who governs it now.

    Attributes:
        area: as it was created.
        digest: of its object.
        retired: True where nothing is decided in it any more.
        authority, scope: digests of the resolutions that stand; None where there is none yet.
    """

    area: Area
    digest: Digest
    retired: bool
    authority: Digest | None
    scope: Digest | None

    @property
    def initialised(self) -> bool:
        """True where it has both an authority and a scope."""
        return self.authority is not None and self.scope is not None


@dataclass(frozen=True, slots=True)
class ResolutionView:
    """A resolution with what became of it.

    Attributes:
        digest: its identity.
        resolution: as it was accepted.
        state: where it stands now.
        superseded_by: digests of what replaced it, sorted.
        imported: True where a consolidation brought it, so that it has no force here.
    """

    digest: Digest
    resolution: Resolution
    state: ResolutionState
    superseded_by: tuple[Digest, ...]
    imported: bool

    def to_json(self) -> dict[str, Any]:
        """The export form: the stored object, with what was derived (NEIGHBOURS 2.6)."""
        return {
            "resolution_id": self.digest,
            "object_hash": self.digest,
            **self.resolution.to_content(),
            "state": str(self.state),
            "superseded_by": list(self.superseded_by),
        }


class Queries:
    """Questions about decisions; safe for use by several threads.

    `Charter` asks them of the present; `Charter.as_of` gives them for a past revision.
    """

    def __init__(self, open_view: Callable[[], ReadView], source: IndexSource) -> None:
        self._open_view = open_view
        self._source = source

    @contextmanager
    def _looking(self) -> Iterator[tuple[ReadView, Lookups]]:
        with self._source.reading(self._open_view) as (view, lookups):
            yield view, lookups

    def get(self, digest: str) -> Envelope:
        """Return any object, verified against its digest.

        Raises:
            NotFoundError: there is none.
        """
        with self._open_view() as view:
            return view.objects.require(digest)

    def authority(self, area_id: str) -> Envelope | None:
        """Return the AUTHORITY in force in an area, or None where it has none yet.

        Raises:
            NotFoundError: there is no such area.
        """
        return self._governing(area_id, authority_ref(area_id))

    def scope(self, area_id: str) -> Envelope | None:
        """Return the SCOPE in force in an area, or None where it has none yet.

        Raises:
            NotFoundError: there is no such area.
        """
        return self._governing(area_id, scope_ref(area_id))

    def _governing(self, area_id: str, name: str) -> Envelope | None:
        with self._open_view() as view:
            ref = view.refs.get(name)
            if ref is not None and ref.digest is not None:
                return view.objects.require(ref.digest)
        with self._looking() as (_, lookups):
            known_area(lookups, area_id)
            return None

    def label(self, area_id: str, label: str) -> Digest | None:
        """Return the resolution that a free label of an area points to, or None.

        Raises:
            NotFoundError: there is no such area.
        """
        with self._open_view() as view:
            ref = view.refs.get(label_ref(area_id, label))
        if ref is not None:
            return ref.digest
        with self._looking() as (_, lookups):
            known_area(lookups, area_id)
            return None

    def log(
        self, area_id: str | None = None, *, limit: int = 100, cursor: str | None = None, **filters: Any
    ) -> Page[AuditEvent]:
        """Return one page of audit events in their order: of an area, or of every scope.

        Args:
            area_id: only events in the scope of this area.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.
            **filters: ``event_type``, ``subject``, ``reverse``, as `AuditReader.iter` takes them.

        Raises:
            NotFoundError: there is no such area.
            InvalidInputError: limit, cursor or a filter are not valid.
        """
        scope = {} if area_id is None else {"scope": area_scope(area_id)}
        with self._open_view() as view:
            page = view.audit.list(limit=limit, cursor=cursor, **scope, **filters)
        if area_id is not None and not page.items and cursor is None:
            with self._looking() as (_, lookups):
                known_area(lookups, area_id)
        return page

    def areas(self) -> tuple[AreaEntry, ...]:
        """Return every area, by its id."""
        with self._looking() as (_, lookups):
            return tuple(lookups.areas())

    def area(self, area_id: str) -> AreaView:
        """Return an area and who governs it.

        Raises:
            NotFoundError: there is none.
        """
        with self._looking() as (view, lookups):
            entry = known_area(lookups, area_id)
            area = Area.from_content(view.objects.require(entry.digest).object)
            authority = standing(lookups, area_id, ResolutionType.AUTHORITY)
            scope = standing(lookups, area_id, ResolutionType.SCOPE)
            return AreaView(
                area=area,
                digest=entry.digest,
                retired=entry.retired,
                authority=None if authority is None else authority.digest,
                scope=None if scope is None else scope.digest,
            )

    def area_labelled(self, label: str) -> AreaEntry:
        """Return the area of that label.

        Raises:
            NotFoundError: there is none.
        """
        with self._looking() as (_, lookups):
            entry = lookups.area_labelled(label)
        if entry is None:
            raise NotFoundError(f"there is no area labelled {label}", label=label)
        return entry

    def resolution(self, resolution_id: str) -> ResolutionView:
        """Return a resolution with what became of it.

        Args:
            resolution_id: its digest, or one that a rehash gave it.

        Raises:
            NotFoundError: there is none.
        """
        with self._looking() as (view, lookups):
            entry = known_resolution(lookups, resolution_id)
            resolution = Resolution.from_content(view.objects.require(entry.digest).object)
            successors = tuple(lookups.superseded_by(entry.digest))
            return ResolutionView(entry.digest, resolution, entry.state, successors, entry.imported)

    def resolutions(
        self, area_id: str, *, state: ResolutionState | str | None = None, type: ResolutionType | str | None = None
    ) -> tuple[Digest, ...]:
        """Return the digests of the resolutions of an area, sorted; every filter that is given must fit.

        Cost: that of the answer, never that of the history.

        Args:
            area_id: of the area.
            state: only those in this state.
            type: only those of this type.

        Raises:
            NotFoundError: there is no such area.
            InvalidInputError: there is no such state or type.
        """
        kind = None if type is None else resolution_type(type)
        wanted = None if state is None else resolution_state(state)
        with self._looking() as (_, lookups):
            known_area(lookups, area_id)
            if wanted is None and kind is None:
                return tuple(lookups.resolutions(area_id))
            states = ResolutionState if wanted is None else (wanted,)
            return tuple(sorted(name for of in states for name in lookups.in_state(area_id, of, kind)))

    def supersedes(self, resolution_id: str) -> tuple[Digest, ...]:
        """Return what a resolution replaced, sorted.

        Raises:
            NotFoundError: there is no such resolution.
        """
        with self._looking() as (_, lookups):
            return tuple(lookups.supersedes(known_resolution(lookups, resolution_id).digest))

    def superseded_by(self, resolution_id: str) -> tuple[Digest, ...]:
        """Return what replaced a resolution, sorted.

        Raises:
            NotFoundError: there is no such resolution.
        """
        with self._looking() as (_, lookups):
            return tuple(lookups.superseded_by(known_resolution(lookups, resolution_id).digest))

    def supersessions(self, area_id: str) -> Mapping[Digest, tuple[Digest, ...]]:
        """Return every resolution of an area that replaced others, with what it replaced.

        Raises:
            NotFoundError: there is no such area.
        """
        with self._looking() as (_, lookups):
            known_area(lookups, area_id)
            pairs = ((name, tuple(lookups.supersedes(name))) for name in lookups.resolutions(area_id))
            return {name: replaced for name, replaced in pairs if replaced}

    def session(self, session_id: str) -> Session:
        """Return a session, held here or brought by a bundle.

        Raises:
            NotFoundError: there is none.
        """
        with self._looking() as (view, lookups):
            return _session(view, lookups, session_id)

    def sessions(self, area_id: str, *, state: SessionState | str | None = None) -> tuple[Session, ...]:
        """Return the sessions that were held here in an area, by state and id.

        Raises:
            NotFoundError: there is no such area.
            InvalidInputError: there is no such state.
        """
        with self._looking() as (view, lookups):
            known_area(lookups, area_id)
            return tuple(view.sessions.iter(area_id=area_id, state=state))

    def outcome(self, session_id: str) -> tuple[Digest, ...]:
        """Return the resolutions that a session accepted, sorted; empty where it accepted none.

        Raises:
            NotFoundError: there is no such session.
        """
        with self._looking() as (view, lookups):
            _session(view, lookups, session_id)
            return tuple(lookups.outcome(session_id))

    def evaluate(self, session_id: str) -> Evaluation:
        """Say of each candidate of a session whether it may be accepted now, and why.

        Raises:
            NotFoundError: there is no such session.
            InvalidInputError: the session was not started by `Charter.start_session`.

        Spec: GOV-5
        """
        session = self.session(session_id)
        return evaluate(session, Constraints.from_content(dict(session.constraints)))

    def imported(self, import_id: str) -> tuple[Digest, ...]:
        """Return the resolutions of an import that wait for review, sorted.

        Raises:
            NotFoundError: nothing was listed by such an import.
        """
        with self._looking() as (_, lookups):
            if import_id not in lookups.import_ids():
                raise NotFoundError(f"there is no import {import_id}", import_id=import_id)
            return tuple(lookups.imported(import_id))

    def findings(self) -> tuple[Finding, ...]:
        """Return what contradicts itself in the objects; `charter fsck` looks at more than that."""
        with self._looking() as (_, lookups):
            return tuple(lookups.findings())


def _session(view: ReadView, lookups: Lookups, session_id: str) -> Session:
    session = view.sessions.get(session_id)
    if session is not None:
        return session
    sealed = lookups.session(session_id)
    if sealed is None:
        raise NotFoundError(f"there is no session {session_id}", session_id=session_id)
    return read_sealed_session(view.objects.require(sealed.digest).object)
