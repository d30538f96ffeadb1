"""Resolutions: what each says, where it stands, and what is wrong with it among the others.

The state of a resolution is computed from what replaces it, from its transitions, and from whether it was imported; see
GOV-2 and GOV-14. Cost: one access for each edge, and one step for each of its transitions.

Imports ``model`` and the parts of the index. Source: IDX-4 to IDX-7, GOV-2, GOV-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sys import intern
from typing import cast

from charter_persist.index import findings
from charter_persist.index.adoption import Adoption
from charter_persist.index.areas import Areas
from charter_persist.index.lifecycle import Lifecycle
from charter_persist.index.outcomes import Outcomes
from charter_persist.index.supersession import Supersession
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.resolution import Context, Resolution, ResolutionState


class Decision:
    """What is kept of a resolution; there may be millions, so texts that repeat are one object."""

    __slots__ = ("area_id", "context", "digest", "session_digest", "session_id", "state", "supersedes", "type")

    def __init__(
        self, digest: Digest, resolution: Resolution, context: Context, supersedes: tuple[Digest, ...]
    ) -> None:
        self.digest = digest
        self.area_id = intern(resolution.area_id)
        self.session_id = intern(resolution.accepted_in_session)
        self.session_digest = cast(Digest, intern(resolution.session_digest))
        self.type = resolution.type
        self.context = context
        self.supersedes = supersedes
        self.state: ResolutionState | None = None


class Resolutions:
    """Resolutions, and what follows for each from the other parts.

    Attributes:
        decisions: what is kept of each resolution, aliases too.
    """

    def __init__(
        self,
        adoption: Adoption,
        supersession: Supersession,
        lifecycle: Lifecycle,
        areas: Areas,
        outcomes: Outcomes,
    ) -> None:
        self.decisions: dict[Digest, Decision] = {}
        self._contexts: dict[Context, Context] = {}
        self._adoption = adoption
        self._supersession = supersession
        self._lifecycle = lifecycle
        self._areas = areas
        self._outcomes = outcomes

    def clear(self) -> None:
        """Forget every state; all resolutions are placed again."""
        for decision in self.decisions.values():
            decision.state = None

    def take(self, digest: Digest, resolution: Resolution) -> None:
        """Keep a resolution; `place` makes it count."""
        decisions, supersedes = self.decisions, resolution.supersedes
        if supersedes:
            supersedes = tuple([decisions[item].digest if item in decisions else item for item in supersedes])
        context = self._contexts.setdefault(resolution.context, resolution.context)
        decisions[digest] = Decision(digest, resolution, context, supersedes)

    def place(self, digest: Digest) -> Iterable[Digest]:
        """Make a resolution count; it touches itself and those that it replaces."""
        decision = self.decisions[digest]
        self._areas.place_member(digest, decision.area_id)
        self._outcomes.place_accepted(digest, decision.session_id)
        if not decision.supersedes:
            return (digest,)
        touched = self.touched_by(digest)
        self._supersession.add(digest, touched[1:])
        return touched

    def touched_by(self, digest: Digest) -> Sequence[Digest]:
        """A resolution, then those that it replaces."""
        return (digest, *map(self._adoption.first, self.decisions[digest].supersedes))

    def placed(self) -> Iterator[Decision]:
        """Every resolution that is no alias."""
        return (decision for decision in self.decisions.values() if decision.state is not None)

    def settle(self, digest: Digest) -> None:
        """Compute the state of what may be a resolution, by its first digest, from what is known now."""
        decision = self.decisions.get(digest)
        if decision is not None:
            state = self._state(decision)
            if state is not decision.state:
                self._lifecycle.move(digest, decision.area_id, decision.type, decision.state, state)
                decision.state = state

    def _state(self, decision: Decision) -> ResolutionState:
        digest = decision.digest
        if digest in self._adoption.imported:
            reviewed = self._adoption.reviewed(digest)
            return ResolutionState.RETIRED if reviewed else ResolutionState.UNDER_REVIEW
        if self._successors(digest):
            return ResolutionState.SUPERSEDED
        return self._lifecycle.end(digest, decision.area_id, decision.type)[0]

    def _successors(self, digest: Digest) -> list[Digest]:
        """What replaces a resolution and is in force."""
        imported = self._adoption.imported
        return [source for source in self._supersession.superseded_by(digest) if source not in imported]

    def forks(self) -> Iterator[Finding]:
        """Resolutions that several in force replace."""
        for target in self._supersession.targets():
            successors = self._successors(target)
            if len(successors) > 1 and target in self.decisions:
                yield findings.fork(target, successors)

    def findings(self, decision: Decision) -> Iterator[Finding]:
        """What is wrong with one resolution."""
        digest, area_id, first = decision.digest, decision.area_id, self._adoption.first
        for target in self._supersession.supersedes(digest):
            found = self.decisions.get(target)
            if found is None:
                yield findings.dangling_edge(digest, target)
            elif found.area_id != area_id:
                yield findings.foreign_edge(digest, target)
        if not self._outcomes.accepted_in(decision.session_digest, decision.session_id, area_id):
            yield findings.missing_session(digest, decision.session_id)
        context = decision.context
        for name in (area_id, *context.referenced_area_ids):
            if not self._areas.known(name):
                yield findings.dangling(digest, "area", name)
        governing = (context.authority_resolution_id, context.scope_resolution_id)
        for reference in (*governing, *context.referenced_resolution_ids):
            if reference is not None and first(reference) not in self.decisions:
                yield findings.dangling(digest, "resolution", reference)
        yield from self._lifecycle.findings(digest, area_id, decision.type)
