"""A state machine that calls every verb of the engine, rightly and wrongly, and checks after each step what must hold.

What is checked does not come from the engine: fsck recomputes the store, indexes are built anew, the audit log alone
must tell the state of everything, and a call that was refused must have left every row as it was.

Imports ``engine``, ``integrity`` and what stands under them. Source: DESIGN 1, GOV-2 to GOV-9, RELIABILITY P10.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from charter_persist.engine.acceptance import accept
from charter_persist.engine.charter import Charter
from charter_persist.engine.queries import Queries
from charter_persist.engine.work import Work
from charter_persist.errors import (
    CharterError,
    ConflictError,
    ImmutabilityError,
    InvalidInputError,
    NotFoundError,
    RuleError,
)
from charter_persist.index.live import LiveIndex
from charter_persist.index.scan import Scan
from charter_persist.integrity.fsck import fsck
from charter_persist.model.digest import Digest
from charter_persist.model.lifecycle import LIFECYCLE
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import StanceKind
from charter_persist.testing.assertions import contents
from charter_persist.testing.audit_replay import AuditReplay
from charter_persist.testing.crash import crash_inside_a_unit
from charter_persist.testing.deciding import CANDIDATE, authority_content, decide, initialise, propose, vote
from charter_persist.testing.fixtures import Requirement
from charter_persist.testing.places import Places
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import UnitOfWork

T = TypeVar("T")

AREAS: Final = ("north", "south", "east")
ACTORS: Final = ("ana", "ben", "eva")
TYPES: Final = tuple(ResolutionType)
RULES: Final = ("SOLE_ACTOR", "UNANIMOUS_PRESENT", "MAJORITY_PRESENT")
REFUSALS: Final = (NotFoundError, ConflictError, ImmutabilityError, RuleError, InvalidInputError)
"""What a call may be refused with; anything else is a fault of the engine."""

CHANGES: Final = ("RESOLUTION_SUPERSEDED", "RESOLUTION_RETIRED", "RESOLUTION_UNDER_REVIEW")
"""Events of a resolution on which nothing goes on without a look at it."""

CRASHES_MAX: Final = 2
"""In one run: a process costs as much as many verbs."""

UNKNOWN: Final = "0" * 64
TYPE: Final = st.sampled_from([*TYPES, *TYPES[:1] * 3])
SOME_ACTORS: Final = st.lists(st.sampled_from([*ACTORS, *ACTORS, "zoe"]), max_size=3, unique=True)
HANDLE: Final = st.sampled_from([0, 1])
SELDOM: Final = st.sampled_from([False] * 7 + [True])
THEN: Final = st.sampled_from(["wait", "vote", "vote", "accept", "accept", "accept"])
MOVES: Final = {
    "CREATED": ("start", "start", "close"),
    "ACTIVE": ("pause", "pause", "block", "close"),
    "PAUSED": ("resume", "resume", "block", "close"),
    "BLOCKED": ("unblock",),
}
"""Verbs that fit a session in each state in which it is open."""


class AcceptHalfway:
    """Accepts a session inside a unit of work, which somebody else ends or does not."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id

    def __call__(self, uow: UnitOfWork) -> None:
        """All the writes of the acceptance."""
        accept(Work(uow, Scan(uow.reader), "ana"), self.session_id, None)


def answers(queries: Queries) -> dict[str, Any]:
    """All that can be asked."""
    told: dict[str, Any] = {"areas": queries.areas(), "findings": queries.findings()}
    for area in queries.areas():
        name = area.area_id
        members = queries.resolutions(name)
        sessions = queries.sessions(name)
        told[name] = {
            "area": queries.area(name),
            "authority": queries.authority(name),
            "scope": queries.scope(name),
            "label": queries.label(name, "best"),
            "log": queries.log(name, limit=1_000).items,
            "states": [queries.resolutions(name, state=state) for state in ResolutionState],
            "types": [queries.resolutions(name, type=kind) for kind in ResolutionType],
            "resolutions": [(queries.resolution(item), queries.supersedes(item)) for item in members],
            "supersessions": queries.supersessions(name),
            "sessions": [(session, queries.outcome(session.session_id)) for session in sessions],
        }
    return told


class CharterMachine(RuleBasedStateMachine):
    """Rules are the verbs of the engine, on two handles of one store; `governance_machine` gives it places.

    Attributes:
        seen: how often each event was recorded and each refusal was given, over all runs.
    """

    places: Places
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.place = self.places.new()
        self.sources = CountingSources()
        self.live = LiveIndex()
        self.replay = AuditReplay()
        self.sessions: list[str] = []
        self.resolutions: list[str] = []
        self.changed: defaultdict[str, set[str]] = defaultdict(set)
        self.answered: dict[int, dict[str, Any]] = {}
        self.crashes = 0
        self.open()

    def open(self) -> None:
        """Two handles on the store, each with an engine and an index of its own."""
        self.stores = [self.place.open_store(**self.sources.arguments()) for _ in range(2)]
        self.engines = [Charter(store) for store in self.stores]

    def close(self) -> None:
        """Drop both, with all that their indexes knew."""
        for store in self.stores:
            store.close()

    def attempt(self, handle: int, call: Callable[[Charter], T]) -> T | None:
        """Call a verb: it does its work as one revision, or is refused with a typed error and has changed no row."""
        before, revision = contents(self.place.backdoor), self.revision()
        try:
            value = call(self.engines[handle])
        except REFUSALS as exc:
            refusal: CharterError = exc
        else:
            assert self.revision() == revision + 1
            return value
        assert refusal.applied == "no"
        assert contents(self.place.backdoor) == before
        self.seen[type(refusal).__name__] += 1
        return None

    def revision(self) -> int:
        """Of the newest unit of work."""
        with self.stores[0].read() as view:
            return view.revision

    def any_area(self, data: st.DataObject) -> str:
        """An area, or one that is not there."""
        return data.draw(st.sampled_from([*list(self.replay.areas) * 4, "nowhere"]), "area")

    def any_session(self, data: st.DataObject, *states: str) -> str:
        """A session, those in these states more often, or one that is not there."""
        fitting = [name for name, state in self.replay.sessions.items() if state in states]
        return data.draw(st.sampled_from([*fitting * 8, *self.sessions, "nobody"]), "session")

    def any_resolution(self, data: st.DataObject) -> str:
        """A resolution, or one that is not there."""
        return data.draw(st.sampled_from([*self.resolutions, UNKNOWN]), "resolution")

    def content(self, data: st.DataObject, kind: ResolutionType) -> Any:
        """Content that fits the type; now and then some that does not."""
        if data.draw(SELDOM, "unfit"):
            return data.draw(st.sampled_from([None, {"text": ""}, {"text": 1}, authority_content("NONE", ["ana"])]))
        if kind is not ResolutionType.AUTHORITY:
            return {"text": data.draw(st.sampled_from(["this", "that"]), "text")}
        actors = data.draw(st.sampled_from([ACTORS[:1], ACTORS[:1], ACTORS, ACTORS[1:]]), "actors")
        rules = RULES if len(actors) == 1 else RULES[1:]
        return authority_content(data.draw(st.sampled_from(rules), "rule"), actors)

    @initialize(rules=st.tuples(st.sampled_from(RULES), st.sampled_from([None, *RULES])))
    def begin(self, rules: tuple[str, str | None]) -> None:
        """One area or two are initialised from the beginning, and something is decided in each."""
        for name, decides_by in zip(AREAS, rules, strict=False):
            if decides_by is not None:
                actors = ACTORS[:1] if decides_by == "SOLE_ACTOR" else ACTORS
                initialise(self.engines[0], name, rule=decides_by, actors=actors)
                decide(self.engines[1], name, actors=actors)

    @rule(handle=HANDLE, data=st.data(), verb=st.sampled_from(["create", "retire", "label", "label", "unlabel"]))
    def area(self, handle: int, data: st.DataObject, verb: str) -> None:
        """An area is created or retired, or a label of it set or deleted."""
        area_id, label = self.any_area(data), data.draw(st.sampled_from([*AREAS, ""]), "label")
        new_id = data.draw(st.sampled_from(AREAS), "new id")
        resolution_id = self.any_resolution(data)
        calls: dict[str, Callable[[Charter], Any]] = {
            "create": lambda charter: charter.create_area(label=label, area_id=new_id),
            "retire": lambda charter: charter.retire_area(area_id, reason="done"),
            "label": lambda charter: charter.set_label(area_id, "best", resolution_id),
            "unlabel": lambda charter: charter.delete_label(area_id, "best"),
        }
        self.attempt(handle, calls[verb])

    @rule(handle=HANDLE, data=st.data(), kind=TYPE)
    def start_session(self, handle: int, data: st.DataObject, kind: ResolutionType) -> None:
        """A session with any participants and references."""
        area_id = self.any_area(data)
        facts: dict[str, Any] = {
            "participants": data.draw(st.none() | SOME_ACTORS, "participants"),
            "required_participants": data.draw(st.sampled_from([(), (), ("ana",), ("zoe",)])),
            "referenced_areas": [self.any_area(data)],
            "referenced_resolutions": [self.any_resolution(data)] if data.draw(st.booleans()) else [],
        }
        self.attempt(handle, lambda charter: charter.start_session(area_id, problem_statement="?", type=kind, **facts))

    @rule(handle=HANDLE, data=st.data(), kind=TYPE, name=st.sampled_from([CANDIDATE, "d"]))
    def add_candidate(self, handle: int, data: st.DataObject, kind: ResolutionType, name: str) -> None:
        """A candidate that may replace or change anything."""
        session_id, content = self.any_session(data, "CREATED", "ACTIVE"), self.content(data, kind)
        states = st.sampled_from(list(ResolutionState))
        pool = st.sampled_from([*self.resolutions, UNKNOWN])
        supersedes = data.draw(st.just([]) | st.lists(pool, max_size=2), "supersedes")
        transitions = data.draw(st.just({}) | st.dictionaries(pool, states, max_size=1), "transitions")
        self.attempt(
            handle,
            lambda charter: charter.add_candidate(
                session_id, content=content, supersedes=supersedes, transitions=transitions, candidate_id=name
            ),
        )

    @rule(handle=HANDLE, data=st.data())
    def move(self, handle: int, data: st.DataObject) -> None:
        """A session goes, or does not go, to another state."""
        session_id = self.any_session(data, *MOVES)
        fitting = MOVES.get(self.replay.sessions.get(session_id, ""), ())
        verb = data.draw(st.sampled_from([*fitting * 4, *{verb: 0 for verbs in MOVES.values() for verb in verbs}]))
        facts = {"reason": "wait"} if verb == "block" else {}
        self.attempt(handle, lambda charter: getattr(charter, verb)(session_id, **facts))

    @rule(
        handle=HANDLE,
        data=st.data(),
        actor=st.sampled_from([*ACTORS, "zoe"]),
        name=st.sampled_from([CANDIDATE, CANDIDATE, "d"]),
        stance=st.sampled_from([*StanceKind, StanceKind.ACCEPT, "MAYBE"]),
    )
    def record_stance(self, handle: int, data: st.DataObject, actor: str, name: str, stance: str) -> None:
        """Somebody says something, perhaps late, perhaps without a part in it."""
        session_id = self.any_session(data, "ACTIVE")
        self.attempt(
            handle,
            lambda charter: charter.record_stance(session_id, candidate_id=name, stance=stance, actor=actor),
        )

    @rule(handle=HANDLE, data=st.data(), names=st.sampled_from([None, None, [CANDIDATE], [CANDIDATE, "d"], []]))
    def accept(self, handle: int, data: st.DataObject, names: list[str] | None) -> None:
        """A session is accepted, if it can be."""
        session_id = self.any_session(data, "ACTIVE")
        self.attempt(handle, lambda charter: charter.accept(session_id, candidate_ids=names))

    @rule(handle=HANDLE, data=st.data(), kind=TYPE, then=THEN)
    def propose_something_new(self, handle: int, data: st.DataObject, kind: ResolutionType, then: str) -> None:
        """A session with a candidate of its own, which may refer to what is there."""
        proposal: dict[str, Any] = {"content": self.content(data, kind)}
        if data.draw(st.booleans(), "refers"):
            proposal["referenced_resolutions"] = [self.any_resolution(data)]
        self.deliberate(handle, self.any_area(data), kind, then, proposal)

    @rule(handle=HANDLE, data=st.data(), then=THEN)
    def propose_a_replacement(self, handle: int, data: st.DataObject, then: str) -> None:
        """A session about something in the place of resolutions, which may not be there to be replaced."""
        area_id, kind, chosen = self.some_of_one_kind(data)
        proposal = {"content": self.content(data, kind), "supersedes": chosen}
        self.deliberate(handle, area_id, kind, then, proposal)

    @rule(handle=HANDLE, data=st.data(), then=THEN)
    def propose_a_change(self, handle: int, data: st.DataObject, then: str) -> None:
        """A session about the state of resolutions."""
        area_id, kind, chosen = self.some_of_one_kind(data)
        following = [state for name in chosen for state in sorted(LIFECYCLE[self.engines[0].resolution(name).state])]
        state = data.draw(st.sampled_from([*following * 4, *ResolutionState]), "state")
        self.deliberate(handle, area_id, kind, then, {"transitions": dict.fromkeys(chosen, state)})

    def some_of_one_kind(self, data: st.DataObject) -> tuple[str, ResolutionType, list[Digest]]:
        """An area, and some resolutions in it of one type, those in force more often."""
        area_id = data.draw(st.sampled_from(sorted(self.replay.areas)), "area")
        kind = data.draw(TYPE, "kind")
        engine = self.engines[0]
        found = [*engine.resolutions(area_id, type=kind), *engine.resolutions(area_id, type=kind, state="ACTIVE") * 3]
        chosen = data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=2, unique=True)) if found else []
        return area_id, kind, chosen

    def deliberate(self, handle: int, area_id: str, kind: ResolutionType, then: str, proposal: dict[str, Any]) -> None:
        """Hold a session, as far as it is taken; the other handle accepts what this one proposed."""
        engine = self.engines[handle]
        try:
            session_id = propose(engine, area_id, type=kind, **proposal)
        except REFUSALS:
            return
        if then != "wait":
            vote(engine, session_id, *engine.session(session_id).constraints["participants"])
        if then == "accept":
            accepted = self.attempt(1 - handle, lambda charter: charter.accept(session_id, actor="ana"))
            assert accepted is not None, "what could be proposed and all accept must be accepted"

    @rule(handle=HANDLE, data=st.data(), verb=st.sampled_from(["mark", "clear", "retire", "review", "close"]))
    def resolution(self, handle: int, data: st.DataObject, verb: str) -> None:
        """A resolution is marked, cleared or retired; nothing was imported, so no import is reviewed."""
        resolution_id, actor = self.any_resolution(data), data.draw(st.sampled_from([*ACTORS, "zoe"]), "actor")
        calls: dict[str, Callable[[Charter], Any]] = {
            "mark": lambda charter: charter.mark_under_review(resolution_id),
            "clear": lambda charter: charter.clear_under_review(resolution_id),
            "retire": lambda charter: charter.retire(resolution_id, actor=actor),
            "review": lambda charter: charter.review_import("none", resolution_id, outcome="REJECTED"),
            "close": lambda charter: charter.close_import("none"),
        }
        done = self.attempt(handle, calls[verb])
        assert done is None or verb not in ("review", "close")

    @precondition(lambda self: Requirement.REOPEN not in self.places.lacks)
    @rule()
    def reopen(self) -> None:
        """Every handle is dropped, with its index, and the store opened again."""
        self.close()
        self.open()

    @precondition(lambda self: self.place.url is not None and self.crashes < CRASHES_MAX and self.sessions)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Another process dies after all the writes of an acceptance, before its commit."""
        url = self.place.url
        assert url is not None
        self.crashes += 1
        before = contents(self.place.backdoor)
        crash_inside_a_unit(url, [AcceptHalfway(self.any_session(data, "ACTIVE"))], self.sources.count)
        assert contents(self.place.backdoor) == before

    @rule()
    def ask_everything(self) -> None:
        """Both handles answer the same; what they answered is kept for later."""
        told = answers(self.engines[0])
        assert answers(self.engines[1]) == told
        self.answered[self.revision()] = told

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        """As of a past revision everything is answered as it was then."""
        past = data.draw(st.sampled_from(sorted(self.answered)), "revision")
        assert answers(self.engines[1].as_of(past)) == self.answered[past]

    @invariant()
    def everything_holds(self) -> None:
        """What is checked after each step, in this order: the events are read first."""
        self.look_around()
        self.everything_recomputed_agrees()
        self.the_audit_log_tells_it_all()
        self.nothing_goes_on_over_what_has_just_changed()
        self.what_is_in_force_is_what_the_events_say()

    def everything_recomputed_agrees(self) -> None:
        """The store is sound, and an index that follows the journal is the one that is built anew."""
        assert fsck(self.stores[0], live=self.live).findings == ()

    def the_audit_log_tells_it_all(self) -> None:
        """Each fact is recorded once: the events alone give the state of sessions, resolutions and refs."""
        with self.stores[0].read() as view:
            open_or_sealed = {session.session_id: session for session in view.sessions.iter()}
            refs = {ref.name: ref.digest for ref in view.refs.iter()}
        assert refs == self.replay.refs
        assert {name: str(session.state) for name, session in open_or_sealed.items()} == self.replay.sessions
        for name, session in open_or_sealed.items():
            assert list(session.candidates) == self.replay.candidates[name]
        stances = {
            (name, *key): str(stance.type)
            for name, session in open_or_sealed.items()
            for key, stance in session.stances.items()
        }
        assert stances == self.replay.stances

    def nothing_goes_on_over_what_has_just_changed(self) -> None:
        """A session waits as soon as a resolution of its area is changed that it builds on or would change itself."""
        for area_id, changed in self.changed.items():
            for session in self.engines[1].sessions(area_id):
                built_on = set(session.references["resolution_ids"])
                for candidate in session.candidates.values():
                    built_on.update(candidate.content["supersedes"], candidate.content["transitions"])
                assert not (built_on & changed and session.state in ("ACTIVE", "PAUSED"))

    def what_is_in_force_is_what_the_events_say(self) -> None:
        """States of resolutions, at most one authority and one scope in each area, and no session under another one."""
        engine = self.engines[1]
        assert {entry.area_id: entry.retired for entry in engine.areas()} == self.replay.areas
        for area_id in self.replay.areas:
            standing = {kind: self._standing(engine, area_id, kind) for kind in TYPES[1:]}
            for session in engine.sessions(area_id, state="ACTIVE"):
                captured = (session.authority_resolution_id, session.scope_resolution_id)
                assert captured == (standing[ResolutionType.AUTHORITY], standing[ResolutionType.SCOPE])
            told = {name: state for name, state in self.replay.resolutions.items() if name in self.resolutions}
            for state in ResolutionState:
                found = set(engine.resolutions(area_id, state=state))
                assert {told[name] for name in found} <= {state}

    def _standing(self, engine: Charter, area_id: str, kind: ResolutionType) -> str | None:
        found = [
            name
            for state in (ResolutionState.ACTIVE, ResolutionState.UNDER_REVIEW)
            for name in engine.resolutions(area_id, state=state, type=kind)
        ]
        assert len(found) <= 1
        assert found == [
            digest for name, digest in self.replay.refs.items() if name == f"area/{area_id}/{kind.lower()}"
        ]
        return found[0] if found else None

    def look_around(self) -> None:
        """Learn from the events what there is to work with now."""
        with self.stores[0].read() as view:
            events = list(view.audit.iter(after=self.replay.position))
        self.seen.update(event.event_type for event in events)
        self.changed = defaultdict(set)
        for event in events:
            if event.event_type in CHANGES:
                self.changed[event.scope.removeprefix("AREA:")].add(event.subject[1])
        self.replay.follow(events)
        self.sessions = list(self.replay.sessions)
        self.resolutions = list(self.replay.resolutions)

    def teardown(self) -> None:
        """Without an index everything is answered the same, now and as of the past."""
        try:
            self.ask_everything()
            scanned = Charter(self.stores[0], indexed=False)
            assert answers(scanned) == answers(self.engines[0])
            first = min(self.answered)
            assert answers(scanned.as_of(first)) == self.answered[first]
        finally:
            self.close()
            self.place.remove()


def governance_machine(stores: Places) -> type[CharterMachine]:
    """Make the machine that works on stores of one kind.

    Args:
        stores: where each run gets an empty one.

    Returns:
        A state machine for `hypothesis.stateful.run_state_machine_as_test`; its ``seen`` says what came about.
    """

    class Machine(CharterMachine):
        places = stores
        seen: ClassVar[Counter[str]] = Counter()

    return Machine
