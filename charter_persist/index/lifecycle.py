"""Where resolutions stand: chains of transitions, and the sets of resolutions by area, state and type.

A chain begins with the transition that names none before it and goes on while exactly one names the last, and the
lifecycle allows the step. So a fork or a forged step has no force, and no chain can be walked without end. Cost: one
step for each transition of one resolution.

Imports ``model``, ``errors``, ``index.adoption`` and ``index.findings``. Source: IDX-4, GOV-2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from charter_persist.errors import InvalidTransitionError
from charter_persist.index import findings
from charter_persist.index.adoption import Adoption
from charter_persist.model.digest import Digest
from charter_persist.model.finding import Finding
from charter_persist.model.lifecycle import Transition, check_transition
from charter_persist.model.resolution import ResolutionState, ResolutionType


class Step(NamedTuple):
    """What is kept of a transition."""

    resolution_id: Digest
    area_id: str
    before: ResolutionState
    after: ResolutionState
    previous: Digest | None


class Lifecycle:
    """Transitions and the states that resolutions are in.

    Attributes:
        steps: what is kept of each transition.
    """

    def __init__(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self.steps: dict[Digest, Step] = {}
        self._steps_of: defaultdict[Digest, list[Digest]] = defaultdict(list)
        self._in_state: defaultdict[tuple[str, ResolutionState, ResolutionType], set[Digest]] = defaultdict(set)

    def take(self, digest: Digest, transition: Transition) -> None:
        """Keep a transition; `place` makes it count."""
        self.steps[digest] = Step(
            transition.resolution_id, transition.area_id, transition.before, transition.after, transition.previous
        )

    def place(self, digest: Digest) -> Iterable[Digest]:
        """Make a transition count; the resolution that it is about."""
        self._steps_of[self._adoption.first(self.steps[digest].resolution_id)].append(digest)
        return self.touched_by(digest)

    def touched_by(self, digest: Digest) -> Iterable[Digest]:
        """The resolution that a transition is about."""
        return (self._adoption.first(self.steps[digest].resolution_id),)

    def clear(self) -> None:
        """Forget what counts; everything is placed again."""
        self._steps_of.clear()
        self._in_state.clear()

    def move(
        self, digest: Digest, area_id: str, kind: ResolutionType, before: ResolutionState | None, after: ResolutionState
    ) -> None:
        """Bring a resolution from one state to another; None where it had none."""
        if before is not None:
            self._in_state[area_id, before, kind].discard(digest)
        self._in_state[area_id, after, kind].add(digest)

    def in_state(self, area_id: str, state: ResolutionState, kind: ResolutionType | None) -> list[Digest]:
        """The resolutions of an area in one state, of one type or of all, sorted."""
        kinds = ResolutionType if kind is None else (kind,)
        return sorted([digest for one in kinds for digest in self._in_state.get((area_id, state, one), ())])

    def end(self, resolution_id: Digest, area_id: str, kind: ResolutionType) -> tuple[ResolutionState, Digest | None]:
        """The state at the end of a chain, and the last transition of it."""
        state, last = ResolutionState.ACTIVE, None
        if resolution_id not in self._steps_of:
            return state, last
        following = self._following(resolution_id)
        while len(following.get(last, ())) == 1:
            (digest,) = following[last]
            step = self.steps[digest]
            if objection(step, area_id, kind, state):
                break
            state, last = step.after, digest
        return state, last

    def several_active(self) -> Iterator[Finding]:
        """Areas that have more than one authority or scope in force."""
        for (area_id, state, kind), digests in self._in_state.items():
            if state is ResolutionState.ACTIVE and kind in findings.SEVERAL_ACTIVE and len(digests) > 1:
                yield findings.several_active(area_id, kind, digests)

    def unplaced(self, known: Callable[[Digest], bool]) -> Iterator[Finding]:
        """Transitions of resolutions that are not stored."""
        for resolution_id, digests in self._steps_of.items():
            if not known(resolution_id):
                for digest in digests:
                    yield findings.illegal_transition(digest, f"its resolution {resolution_id} is not stored")

    def findings(self, resolution_id: Digest, area_id: str, kind: ResolutionType) -> Iterator[Finding]:
        """Transitions of one resolution that the lifecycle does not allow where they stand."""
        following = self._following(resolution_id)
        if not following:
            return
        if resolution_id in self._adoption.imported:
            for digest in (digest for digests in following.values() for digest in digests):
                yield findings.illegal_transition(digest, f"an import brought {resolution_id}; only a review ends it")
            return
        ends: list[tuple[Digest | None, ResolutionState]] = [(None, ResolutionState.ACTIVE)]
        while ends:
            last, state = ends.pop()
            digests = following.pop(last, [])
            for digest in digests:
                step = self.steps[digest]
                why = f"{len(digests)} transitions follow {last}" if len(digests) > 1 else None
                why = why or objection(step, area_id, kind, state)
                if why:
                    yield findings.illegal_transition(digest, why)
                ends.append((digest, step.after))
        for last, digests in following.items():
            for digest in digests:
                yield findings.illegal_transition(digest, f"no chain leads to the transition {last} before it")

    def _following(self, resolution_id: Digest) -> dict[Digest | None, list[Digest]]:
        """The transitions of a resolution that are in force, by the one that each follows."""
        following: dict[Digest | None, list[Digest]] = {}
        for digest in self._steps_of.get(resolution_id, ()):
            if digest not in self._adoption.imported:
                previous = self.steps[digest].previous
                last = None if previous is None else self._adoption.first(previous)
                following.setdefault(last, []).append(digest)
        return following


def objection(step: Step | Transition, area_id: str, kind: ResolutionType, state: ResolutionState) -> str | None:
    """Why a transition cannot follow that state in the life of a resolution; None where it can."""
    if step.area_id != area_id:
        return f"it names area {step.area_id}, its resolution belongs to {area_id}"
    if step.before != state:
        return f"it leads from {step.before}, the resolution was {state}"
    try:
        check_transition(kind, step.before, step.after)
    except InvalidTransitionError as exc:
        return exc.message
    return None
