"""Whether the decisions of a bundle could have been made: what a session accepted is derived from it, to the byte.

A resolution is a function of its session: from the candidates that a sealed session accepted follow the digests of its
resolutions. So the resolutions of a bundle must be exactly those that follow from its sessions, and a session must have
been held as the engine holds one: under the authority that it captured, by its rule, with stances that suffice. Graph
and lifecycle are judged by the index over the same objects.

What no content can tell is not checked: whether an authority was still in force when a session captured it.

Cost: one look at each object, and for each session the digests of what it accepted; about 300 bytes are kept of a
resolution. Imports ``index``, ``model`` and ``errors``. Source: GOV-2, GOV-5 to GOV-7, GOV-14, HASH-6, P41.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from charter_persist.index.index import Index
from charter_persist.index.stored import StoredObject
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.authority import Authority, AuthorityRule, Constraints, Verdict, weigh
from charter_persist.model.digest import HASH_VERSION, HASH_VERSIONS, Digest, digest
from charter_persist.model.finding import Finding
from charter_persist.model.lifecycle import Transition
from charter_persist.model.outcome import accepted_resolution, captured_context
from charter_persist.model.resolution import Proposal, Resolution, ResolutionState, ResolutionType
from charter_persist.model.session import Session, SessionState
from charter_persist.model.shape import moment

_GENERAL: Final = ResolutionType.GENERAL


class Capture(NamedTuple):
    """What a session was held to; many sessions of an area share one."""

    area_id: str
    kind: ResolutionType
    authority: str | None
    scope: str | None
    rule: AuthorityRule
    participants: tuple[str, ...]


class Change(NamedTuple):
    """A change of state that a session decided."""

    session_id: str
    resolution_id: str
    after: ResolutionState
    at: str


class Decisions:
    """The domain objects of a bundle, taken one by one in any order; judged when all were taken.

    Args:
        index: that the same objects are applied to.
        stored: whether the bundle holds an object of a digest.

    Attributes:
        area_ids: the areas that the bundle holds.
        references: what sessions refer to beyond their own area, as (what, id).
        brought: digests of what import records list.
    """

    def __init__(self, index: Index, stored: Callable[[str], bool]) -> None:
        self._index = index
        self._stored = stored
        self._take: Mapping[str, Callable[[Digest, Any], None]] = {
            Area.object_type: self._take_area,
            AreaRetirement.object_type: self._take_end,
            "session": self._take_session,
            Resolution.object_type: self._take_resolution,
            Transition.object_type: self._take_transition,
            ImportRecord.object_type: self._take_import,
            ImportReview.object_type: self._take_review,
            Rehash.object_type: self._take_rehash,
        }
        self.area_ids: set[str] = set()
        self.references: set[tuple[str, str]] = set()
        self.brought: set[str] = set()
        self._area_of: dict[Digest, str] = {}  # of what is no resolution
        self._ends: defaultdict[str, list[Digest]] = defaultdict(list)
        self._sessions: defaultdict[str, list[Digest]] = defaultdict(list)
        self._captures: dict[Capture, str] = {}  # with the id of one session
        self._authorities: dict[Digest, Authority] = {}
        self._resolutions: set[Digest] = set()
        self._founded: dict[Digest, str] = {}  # what follows from a session, with its id
        self._transitions: list[tuple[Digest, Transition]] = []
        self._changes: set[Change] = set()
        self._imports: list[tuple[Digest, ImportRecord]] = []
        self._reviews: list[tuple[Digest, ImportReview]] = []
        self._pairs: dict[Digest, Digest] = {}  # old digest by new one, as rehash records say
        self._second: dict[Digest, tuple[Digest, bool]] = {}  # first digest, whether it is a domain object
        self._findings: list[Finding] = []

    def take(self, stored: StoredObject) -> None:
        """Take a domain object under its first digest."""
        self._take[stored.type](stored.digest, stored.value)

    def take_second(self, second: Digest, first: Digest, *, domain: bool) -> None:
        """Take an object of another hash version, with the digest that its bytes have in the first one."""
        self._second[second] = (first, domain)

    def findings(self) -> list[Finding]:
        """What could not have been decided so; complete when all objects were taken."""
        return [
            *self._findings,
            *self._unfounded(),
            *self._targets(),
            *(found for capture, session_id in self._captures.items() for found in _judge(self, capture, session_id)),
            *self._unfounded_transitions(),
            *self._adopted(),
            *self._rehashed(),
        ]

    def is_second(self, name: str) -> bool:
        """Whether a digest was given by a rehash."""
        return name in self._pairs

    def authority(self, name: str) -> Authority | None:
        """The content of an AUTHORITY resolution of the bundle."""
        entry = self._index.resolution(name)
        return None if entry is None else self._authorities.get(entry.digest)

    def is_of(self, name: str, area_id: str, kind: ResolutionType) -> bool:
        """Whether a digest is that of a resolution of this area and type."""
        entry = self._index.resolution(name)
        return entry is not None and (entry.area_id, entry.type) == (area_id, kind)

    def sessions(self) -> Iterator[tuple[str, str]]:
        """Id and area of every session."""
        return ((session_id, self._area_of[names[0]]) for session_id, names in self._sessions.items())

    def area_of(self, name: str) -> str | None:
        """The area of a session, a resolution, a transition, the end of an area, an import record or a review."""
        entry = self._index.resolution(name)
        return entry.area_id if entry is not None else self._area_of.get(Digest(name))

    def _find(self, code: str, subject: str, message: str) -> None:
        self._findings.append(Finding(code, subject, message))

    def _take_area(self, _name: Digest, area: Area) -> None:
        self.area_ids.add(area.area_id)

    def _take_end(self, name: Digest, end: AreaRetirement) -> None:
        self._ends[end.area_id].append(name)
        self._area_of[name] = end.area_id

    def _take_session(self, name: Digest, session: Session) -> None:
        self._sessions[session.session_id].append(name)
        self._area_of[name] = session.area_id
        if session.state is not SessionState.ACCEPTED or session.constraints.keys() != Constraints.FIELDS:
            return
        constraints = Constraints.from_content(dict(session.constraints))
        context, closed_at = captured_context(session), moment(session.closed_at)
        proposals = {name: Proposal.from_content(session.candidates[name].content) for name in session.accepted}
        for why in _flaws(session, constraints, proposals):
            self._find("ILLEGITIMATE_SESSION", f"session/{session.session_id}", why)
        self._captures.setdefault(_capture(session, constraints), session.session_id)
        self.references.update(("area", item) for item in context.referenced_area_ids)
        self.references.update(("resolution", item) for item in context.referenced_resolution_ids)
        for candidate_id, proposal in proposals.items():
            if proposal.content is not None:
                resolution = accepted_resolution(session, name, constraints.resolution_type, candidate_id, proposal)
                self._founded[digest(Resolution.object_type, resolution.to_content())] = session.session_id
            for target, after in proposal.transitions.items():
                self._changes.add(Change(session.session_id, target, after, closed_at))

    def _take_resolution(self, name: Digest, resolution: Resolution) -> None:
        self._resolutions.add(name)
        if resolution.type is ResolutionType.AUTHORITY:
            self._authorities[name] = Authority.from_content(dict(resolution.content))

    def _take_transition(self, name: Digest, transition: Transition) -> None:
        self._transitions.append((name, transition))
        self._area_of[name] = transition.area_id

    def _take_import(self, name: Digest, record: ImportRecord) -> None:
        self._imports.append((name, record))
        self.brought.update(record.objects)
        if len(record.area_ids) == 1:
            self._area_of[name] = record.area_ids[0]
        else:
            self._find("IMPORT_MIXED", f"object/{name}", "an import record must name exactly one area")

    def _take_review(self, name: Digest, review: ImportReview) -> None:
        self._reviews.append((name, review))

    def _take_rehash(self, name: Digest, rehash: Rehash) -> None:
        if rehash.from_version != HASH_VERSION or rehash.to_version not in HASH_VERSIONS.keys() - {HASH_VERSION}:
            self._find("UNFOUNDED_REHASH", f"object/{name}", "it is not from the first hash version to a known one")
        self._pairs.update((new, old) for old, new in rehash.pairs)

    def _unfounded(self) -> Iterator[Finding]:
        """Resolutions that no session accepted so, and what sessions accepted that is not there."""
        for name in self._resolutions - self._founded.keys():
            yield Finding("UNFOUNDED_RESOLUTION", f"object/{name}", "it is not what a session of the bundle accepted")
        for name in self._founded.keys() - self._resolutions:
            why = f"session {self._founded[name]} accepted it, and it is not in the bundle"
            yield Finding("MISSING_RESOLUTION", f"object/{name}", why)

    def _targets(self) -> Iterator[Finding]:
        """Resolutions that replaced what the engine would not let them replace."""
        ends = {name: transition.after for name, transition in self._transitions}
        for name in self._resolutions:
            source = self._index.resolution(name)
            if source is None or source.imported:
                continue
            for target in map(self._index.resolution, self._index.supersedes(name)):
                if target is None:
                    continue  # the index reports it
                last = self._index.last_transition(target.digest)
                if target.type is not source.type or target.imported or (last and ends.get(last) is not _ACTIVE):
                    why = f"it supersedes {target.digest}, which is of another type, imported, or was not ACTIVE"
                    yield Finding("ILLEGAL_SUPERSESSION", f"object/{name}", why)

    def _unfounded_transitions(self) -> Iterator[Finding]:
        """Changes of state that no session decided so, and decided ones that are not there."""
        missing = set(self._changes)
        for name, transition in self._transitions:
            if transition.session_id is None:
                by_hand = transition.after is not ResolutionState.RETIRED
                sound = by_hand and self.is_of(transition.resolution_id, transition.area_id, _GENERAL)
            else:
                change = Change(
                    transition.session_id, transition.resolution_id, transition.after, transition.occurred_at
                )
                sound = change in missing
                missing.discard(change)
            if not sound:
                yield Finding("UNFOUNDED_TRANSITION", f"object/{name}", "no session of the bundle decided it so")
        for change in missing:
            why = f"it decided that {change.resolution_id} becomes {change.after}; that is not in the bundle"
            yield Finding("MISSING_TRANSITION", f"session/{change.session_id}", why)

    def _adopted(self) -> Iterator[Finding]:
        """Ends of areas, imports and reviews that reach beyond their area."""
        listed: defaultdict[str, set[str]] = defaultdict(set)
        for name, review in self._reviews:
            self._area_of[name] = self.area_of(review.resolution_id) or ""
        for name, record in self._imports:
            listed[record.import_id].update(record.objects)
            if any(self.area_of(item) not in (None, *record.area_ids) for item in record.objects):
                yield Finding("IMPORT_MIXED", f"object/{name}", "it lists what belongs to another area")
        for name, review in self._reviews:
            local = review.local_resolution_id
            if review.resolution_id not in listed[review.import_id] or (
                local is not None and self.area_of(local) != self.area_of(review.resolution_id)
            ):
                yield Finding(
                    "UNFOUNDED_REVIEW", f"object/{name}", "no import record of the bundle brought what it is about"
                )
        for kind, ends in (("session", self._sessions), ("area", self._ends)):
            for identity, names in ends.items():
                if len(set(names) - self.brought) > 1:
                    yield Finding("ENDED_TWICE", f"{kind}/{identity}", f"the {kind} ended twice in one history")
        for name, area_id in self._area_of.items():
            if area_id not in self.area_ids:
                yield Finding("UNKNOWN_AREA", f"object/{name}", f"area {area_id} is not in the bundle")

    def _rehashed(self) -> Iterator[Finding]:
        """Pairs of digests that are not of the same bytes, and objects of another version without a pair."""
        for new, old in self._pairs.items():
            if self._second.get(new, (None,))[0] != old or not self._stored(old):
                yield Finding(
                    "UNFOUNDED_REHASH", f"object/{new}", f"the bundle does not show that it is the same as {old}"
                )
        for new, (_, domain) in self._second.items():
            if domain and new not in self._pairs:
                yield Finding("UNFOUNDED_REHASH", f"object/{new}", "it is of another hash version without a rehash")


_ACTIVE: Final = ResolutionState.ACTIVE


def _capture(session: Session, constraints: Constraints) -> Capture:
    return Capture(
        session.area_id,
        constraints.resolution_type,
        session.authority_resolution_id,
        session.scope_resolution_id,
        constraints.authority_rule,
        constraints.participants,
    )


def _flaws(session: Session, constraints: Constraints, proposals: Mapping[str, Proposal]) -> Iterator[str]:
    """Why a session could not have been accepted so, by itself."""
    kind = constraints.resolution_type
    if not {actor for actor, _ in session.stances} <= set(constraints.participants):
        yield "somebody has a stance in it who takes no part"
    if not set(constraints.required_participants) <= set(constraints.participants):
        yield "somebody is required who takes no part"
    verdicts = weigh(session, constraints)
    if not session.accepted or len(set(session.accepted)) != len(session.accepted):
        yield "it accepted nothing, or one candidate twice"
    if kind is not _GENERAL and len(session.accepted) > 1:
        yield f"it accepted several candidates for the one {kind} of its area"
    captured = {
        ResolutionType.AUTHORITY: session.authority_resolution_id,
        ResolutionType.SCOPE: session.scope_resolution_id,
    }.get(kind)
    touched: set[str] = set()
    for candidate_id in session.accepted:
        if verdicts[candidate_id].verdict is not Verdict.ACCEPTABLE:
            yield f"candidate {candidate_id} was not acceptable: {'; '.join(verdicts[candidate_id].reasons)}"
        proposal = proposals[candidate_id]
        if (
            kind is not _GENERAL
            and proposal.content is not None
            and proposal.supersedes != tuple(filter(None, [captured]))
        ):
            yield f"a {kind} supersedes the one that its session captured and nothing else"
        targets = {*proposal.supersedes, *proposal.transitions}
        if touched & targets or set(proposal.supersedes) & proposal.transitions.keys():
            yield "two accepted changes are about the same resolution"
        touched |= targets


def _judge(decisions: Decisions, capture: Capture, session_id: str) -> Iterator[Finding]:
    """Whether a session may have been held under what it captured."""
    why = _wrong_capture(decisions, capture)
    if why is not None:
        yield Finding("SESSION_INVALID_CONTEXT", f"session/{session_id}", why)


def _wrong_capture(decisions: Decisions, capture: Capture) -> str | None:
    first = capture.authority is None or (capture.kind is ResolutionType.SCOPE and capture.scope is None)
    if capture.kind is _GENERAL and (capture.authority is None or capture.scope is None):
        return "it decided in an area without authority or scope"
    for name, kind in ((capture.authority, ResolutionType.AUTHORITY), (capture.scope, ResolutionType.SCOPE)):
        if name is not None and not decisions.is_of(name, capture.area_id, kind):
            return f"it captured {name}, which is no {kind} of its area"
    if first:
        declared = capture.rule is AuthorityRule.UNANIMOUS_PRESENT and capture.participants
        return None if declared else "the first authority and scope of an area are decided unanimously"
    authority = decisions.authority(capture.authority or "")
    if authority is None or (authority.rule, authority.actors) != (capture.rule, capture.participants):
        return "rule and participants are not those of the authority that it captured"
    return None
