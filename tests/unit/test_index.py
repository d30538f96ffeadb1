"""What an index says of sound objects and of planted ones, case by case."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any, cast

import pytest

from charter_persist.backends.contract import OBJECT
from charter_persist.errors import CycleError, DanglingReferenceError
from charter_persist.index.adoption import first_digests
from charter_persist.index.index import Index
from charter_persist.index.rebuild import digest_of, rebuild, ref_findings
from charter_persist.index.scan import Scan
from charter_persist.index.stored import read_object
from charter_persist.model.digest import Digest
from charter_persist.model.finding import KINDS, Finding
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import SessionState
from tests.index_rows import (
    KINDS as TYPES,
)
from tests.index_rows import (
    Planted,
    Rows,
    area,
    every_answer,
    general,
    import_record,
    name,
    planted,
    rehash,
    resolution,
    retirement,
    review,
    row,
    session,
    transition,
)

ACTIVE, REVIEW, SUPERSEDED, RETIRED = (
    ResolutionState.ACTIVE,
    ResolutionState.UNDER_REVIEW,
    ResolutionState.SUPERSEDED,
    ResolutionState.RETIRED,
)
GROUND = [planted("a", 0, area()), planted("c", 0, session())]
"""An area and the session that accepted all of its resolutions."""


def index_of(*items: Planted) -> Index:
    """The index of the ground and these, after reading gave the same answers, and so did they one by one, either way."""
    rows = Rows()
    rows.commit([*GROUND, *items])
    snapshot = rows.backend.snapshot()
    index = rebuild(snapshot)
    assert every_answer(index) == every_answer(Scan(snapshot))
    for order in ((*GROUND, *items), (*reversed(items), *GROUND)):
        grown = Index()
        for item in order:
            grown.apply([read_object(row(1, item))])
        assert digest_of(grown) == digest_of(index)
        assert grown.findings() == index.findings()
    return index


def found(index: Index) -> list[tuple[str, str]]:
    """What is wrong but for the digests, which are planted: codes and subjects."""
    return [(f.code, f.subject.removeprefix("object/")) for f in index.findings() if f.code != "HASH_MISMATCH"]


def state(index: Index, number: int) -> ResolutionState:
    """Where a resolution stands."""
    entry = index.resolution(name("d", number))
    assert entry is not None
    assert name("d", number) in index.in_state(entry.area_id, entry.state)
    return entry.state


def step(number: int, of: int, before: str, after: str, previous: int | None = None, **fields: Any) -> Planted:
    """A transition of a resolution."""
    last = None if previous is None else name("e", previous)
    return planted("e", number, transition(name("d", of), before, after, last, **fields))


@pytest.mark.spec("IDX-4", "IDX-6", "IDX-7", "GOV-2")
def test_a_sound_history_has_its_states_and_no_findings() -> None:
    index = index_of(
        general(0, type="AUTHORITY"),
        general(1, type="SCOPE", authority=name("d", 0)),
        general(2, authority=name("d", 0), scope=name("d", 1)),
        general(3, 2, referenced=[name("d", 0)], referenced_areas=["x"]),
        general(4),
        step(0, 4, "ACTIVE", "UNDER_REVIEW"),
        step(1, 4, "UNDER_REVIEW", "ACTIVE", 0),
        step(2, 4, "ACTIVE", "RETIRED", 1),
        general(5),
        step(3, 5, "ACTIVE", "UNDER_REVIEW"),
    )
    assert found(index) == []
    assert [state(index, n) for n in range(6)] == [ACTIVE, ACTIVE, SUPERSEDED, ACTIVE, RETIRED, REVIEW]
    assert index.in_state("x", ACTIVE, ResolutionType.AUTHORITY) == [name("d", 0)]
    assert index.last_transition(name("d", 4)) == name("e", 2)
    assert index.resolutions("x") == index.outcome("s") == [name("d", n) for n in range(6)]


@pytest.mark.spec("IDX-5")
def test_supersession_comes_from_content_alone_whatever_the_times_say() -> None:
    index = index_of(general(0, accepted_at="2030-01-01T00:00:00Z"), general(1, 0, accepted_at="2020-01-01T00:00:00Z"))
    assert [state(index, 0), state(index, 1)] == [SUPERSEDED, ACTIVE]


CONTRADICTIONS: dict[str, tuple[list[Planted], list[tuple[str, str]]]] = {
    "an edge to nothing": ([general(0, 4)], [("BROKEN_SUPERSESSION_CHAIN", name("d", 0))]),
    "a circle of three": (
        [general(1, 2), general(2, 3), general(3, 1)],
        [("BROKEN_SUPERSESSION_CHAIN", name("d", 1))],
    ),
    "a circle of one": ([general(1, 1)], [("BROKEN_SUPERSESSION_CHAIN", name("d", 1))]),
    "an edge into another area": (
        [
            planted("a", 1, area("y", "second")),
            planted("c", 1, session("t", "y")),
            general(1),
            planted(
                "d",
                2,
                resolution("y", accepted_in_session="t", session_digest=name("c", 1), supersedes=[name("d", 1)]),
            ),
        ],
        [("BROKEN_SUPERSESSION_CHAIN", name("d", 2))],
    ),
    "two successors": ([general(0), general(1, 0), general(2, 0)], [("SUPERSESSION_FORK", name("d", 0))]),
    "a transition of nothing": (
        [step(0, 4, "ACTIVE", "RETIRED")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 0))],
    ),
    "a transition that follows nothing": (
        [general(0), step(1, 0, "ACTIVE", "RETIRED", 0)],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 1))],
    ),
    "transitions that follow each other": (
        [
            general(0),
            step(0, 0, "ACTIVE", "UNDER_REVIEW", 1),
            step(1, 0, "UNDER_REVIEW", "ACTIVE", 0),
        ],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", n)) for n in (0, 1)],
    ),
    "two transitions that follow one": (
        [general(0), step(0, 0, "ACTIVE", "RETIRED"), step(1, 0, "ACTIVE", "UNDER_REVIEW")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", n)) for n in (0, 1)],
    ),
    "a transition from another state": (
        [general(0), step(0, 0, "UNDER_REVIEW", "RETIRED")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 0))],
    ),
    "a step that the lifecycle has not": (
        [general(0), step(0, 0, "ACTIVE", "SUPERSEDED")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 0))],
    ),
    "an authority that is retired": (
        [general(0, type="AUTHORITY"), step(0, 0, "ACTIVE", "RETIRED")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 0))],
    ),
    "a transition of another area": (
        [planted("a", 1, area("y", "second")), general(0), step(0, 0, "ACTIVE", "RETIRED", area_id="y")],
        [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 0))],
    ),
    "no session": ([general(0, session_digest=name("c", 3))], [("MISSING_SESSION", name("d", 0))]),
    "a session that was discarded": (
        [
            planted("c", 1, session("t", state=SessionState.CLOSED)),
            general(0, accepted_in_session="t", session_digest=name("c", 1)),
        ],
        [("MISSING_SESSION", name("d", 0))],
    ),
    "another session": ([general(0, accepted_in_session="t")], [("MISSING_SESSION", name("d", 0))]),
    "a session of another area": (
        [planted("c", 1, session("t", "y")), general(0, accepted_in_session="t", session_digest=name("c", 1))],
        [("MISSING_SESSION", name("d", 0))],
    ),
    "no authority": ([general(0, authority=name("d", 3))], [("DANGLING_RESOLUTION", name("d", 0))]),
    "no scope": ([general(0, scope=name("d", 3))], [("DANGLING_RESOLUTION", name("d", 0))]),
    "no reference": ([general(0, referenced=[name("d", 3)])], [("DANGLING_RESOLUTION", name("d", 0))]),
    "no such area": ([general(0, referenced_areas=["nowhere"])], [("DANGLING_RESOLUTION", name("d", 0))]),
    "two authorities": (
        [general(n, type="AUTHORITY") for n in (0, 1)],
        [("MULTIPLE_ACTIVE_AUTHORITIES", "area/x")],
    ),
    "two scopes": ([general(n, type="SCOPE") for n in (0, 1)], [("MULTIPLE_ACTIVE_SCOPES", "area/x")]),
    "two areas of one id": ([planted("a", 1, area(label="second"))], [("DUPLICATE_AREA", name("a", 1))]),
    "two areas of one label": ([planted("a", 1, area("y"))], [("DUPLICATE_AREA", name("a", 1))]),
    "an import of nothing": ([planted("1", 0, import_record([name("d", 4)]))], [("IMPORT_INCOMPLETE", name("1", 0))]),
    "half an import": ([planted("1", 0, import_record([], parts=2))], [("IMPORT_INCOMPLETE", name("1", 0))]),
    "a resolution without fields": ([planted("d", 0, {})], [("CORRUPT_OBJECT", name("d", 0))]),
}


@pytest.mark.spec("GOV-2", "GOV-11", "IDX-5", "IDX-7", "P30")
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_each_contradiction_has_its_finding_and_no_other(case: str) -> None:
    items, expected = CONTRADICTIONS[case]
    assert found(index_of(*items)) == expected


def test_every_code_is_a_known_kind() -> None:
    codes = {code for _, expected in CONTRADICTIONS.values() for code, _ in expected}
    assert codes <= KINDS.keys()


@pytest.mark.spec("GOV-2")
def test_a_chain_has_force_up_to_a_fork_or_a_forged_step() -> None:
    begun = [general(0), step(0, 0, "ACTIVE", "UNDER_REVIEW")]
    forked = index_of(*begun, step(1, 0, "UNDER_REVIEW", "ACTIVE", 0), step(2, 0, "UNDER_REVIEW", "RETIRED", 0))
    forged = index_of(*begun, step(1, 0, "ACTIVE", "RETIRED", 0))
    for index in (forked, forged):
        assert state(index, 0) == REVIEW
        assert index.last_transition(name("d", 0)) == name("e", 0)


class TestImports:
    """What a consolidation brought has no force, and what a foreign consolidation brought elsewhere says nothing here."""

    brought = (general(1, 0), general(2), step(0, 0, "ACTIVE", "RETIRED"), step(1, 2, "ACTIVE", "RETIRED"))
    record = planted("1", 0, import_record(name(kind, n) for kind, n in (("d", 1), ("d", 2), ("e", 0), ("e", 1))))

    @pytest.mark.spec("GOV-14")
    def test_what_it_lists_changes_nothing_that_was_here(self) -> None:
        index = index_of(general(0), *self.brought, self.record)
        assert [state(index, n) for n in range(3)] == [ACTIVE, REVIEW, REVIEW]
        assert index.superseded_by(name("d", 0)) == [name("d", 1)]
        assert index.imported("i") == [name("d", 1), name("d", 2)]
        assert index.last_transition(name("d", 0)) is None
        assert found(index) == []

    @pytest.mark.spec("GOV-14")
    def test_a_review_retires_whatever_its_outcome_and_a_brought_review_does_not(self) -> None:
        reviewed = index_of(general(0), *self.brought, self.record, planted("2", 0, review(name("d", 1))))
        assert [state(reviewed, n) for n in range(3)] == [ACTIVE, RETIRED, REVIEW]
        assert reviewed.imported("i") == [name("d", 2)]
        foreign = planted("1", 1, import_record([name("2", 0)], "j"))
        index = index_of(general(0), *self.brought, self.record, foreign, planted("2", 0, review(name("d", 1))))
        assert state(index, 1) == REVIEW

    @pytest.mark.spec("GOV-14")
    def test_a_brought_record_that_lists_what_is_ours_takes_no_force_from_it(self) -> None:
        theirs = planted("1", 1, import_record([name("d", 0)], "j", parts=2))
        index = index_of(general(0), theirs, planted("1", 0, import_record([name("1", 1)])))
        assert state(index, 0) == ACTIVE
        assert index.imported("j") == []
        assert found(index) == []

    @pytest.mark.spec("GOV-14")
    def test_records_that_list_each_other_have_no_force(self) -> None:
        one = planted("1", 0, import_record([name("1", 1), name("d", 0)]))
        two = planted("1", 1, import_record([name("1", 0), name("d", 0)], "j"))
        assert state(index_of(general(0), one, two), 0) == ACTIVE

    @pytest.mark.spec("GOV-14")
    def test_a_brought_end_of_an_area_and_a_brought_rehash_have_no_force(self) -> None:
        taken = [planted("b", 0, retirement("x")), planted("3", 0, rehash({name("d", 1): name("d", 0)}))]
        index = index_of(general(0), *taken, planted("1", 0, import_record([name("b", 0), name("3", 0)])))
        entry = index.area("x")
        assert entry is not None
        assert not entry.retired
        assert state(index, 0) == ACTIVE
        assert index_of(general(0), *taken).resolution(name("d", 0)) is None

    @pytest.mark.spec("GOV-14")
    def test_what_is_ours_answers_before_what_was_brought_under_the_same_name(self) -> None:
        ours = [planted("a", 5, area("y", "second")), planted("c", 5, session("t"))]
        theirs = [planted("a", 4, area("y", "first")), planted("c", 4, session("t", "y"))]
        index = index_of(*ours, *theirs, planted("1", 0, import_record([name("a", 4), name("c", 4)])))
        entry, sealed = index.area("y"), index.session("t")
        assert entry is not None
        assert sealed is not None
        assert (entry.label, entry.digest, sealed.digest) == ("second", name("a", 5), name("c", 5))
        assert found(index) == []

    @pytest.mark.spec("GOV-14", "HASH-6")
    def test_the_alias_of_a_brought_record_has_no_force_either(self) -> None:
        theirs = import_record([name("d", 0)], "j")
        index = index_of(
            general(0),
            planted("1", 1, theirs),
            planted("1", 2, theirs),
            planted("1", 0, import_record([name("1", 1)])),
            planted("3", 0, rehash({name("1", 1): name("1", 2)})),
        )
        assert state(index, 0) == ACTIVE

    @pytest.mark.spec("GOV-14")
    def test_a_local_transition_of_what_was_brought_is_a_finding(self) -> None:
        index = index_of(general(0), *self.brought, self.record, step(2, 1, "ACTIVE", "RETIRED"))
        assert found(index) == [("ILLEGAL_LIFECYCLE_TRANSITION", name("e", 2))]
        assert state(index, 1) == REVIEW


@pytest.mark.spec("HASH-6")
def test_after_a_rehash_both_digests_name_the_first_one() -> None:
    old, new, newest = (name("d", n) for n in range(3))
    items = [general(0), general(1), general(2), general(3, 2), step(0, 1, "ACTIVE", "RETIRED")]
    index = index_of(
        *items, planted("3", 0, rehash({old: new, name("a", 0): name("a", 1)})), planted("3", 1, rehash({new: newest}))
    )
    assert index.resolutions("x") == [old, name("d", 3)]
    for digest in (old, new, newest):
        entry = index.resolution(digest)
        assert entry is not None
        assert (entry.digest, entry.state) == (old, SUPERSEDED)
        assert index.superseded_by(digest) == [name("d", 3)]
        assert index.last_transition(digest) == name("e", 0)
    assert index.supersedes(name("d", 3)) == [old]
    assert found(index) == []


@pytest.mark.spec("HASH-6")
def test_references_to_aliases_of_sessions_and_transitions_are_followed() -> None:
    pairs = {name("c", 0): name("c", 1), name("e", 0): name("e", 1)}
    index = index_of(
        general(0, session_digest=name("c", 1)),
        step(0, 0, "ACTIVE", "UNDER_REVIEW"),
        step(1, 0, "ACTIVE", "UNDER_REVIEW"),
        step(2, 0, "UNDER_REVIEW", "RETIRED", 1),
        planted("3", 0, rehash(pairs)),
    )
    assert state(index, 0) == RETIRED
    assert found(index) == []


@pytest.mark.spec("HASH-6", "GOV-14")
def test_what_was_imported_under_an_alias_is_imported_under_its_first_digest() -> None:
    brought = planted("1", 0, import_record([name("d", 1)]))
    index = index_of(general(0), general(1), brought, planted("3", 0, rehash({name("d", 0): name("d", 1)})))
    assert index.imported("i") == index.resolutions("x") == [name("d", 0)]
    assert state(index, 0) == REVIEW


@pytest.mark.spec("HASH-6")
def test_what_leads_into_a_circle_of_aliases_is_no_member_of_it() -> None:
    one, two, three = (cast(Digest, name("d", n)) for n in (1, 2, 3))
    assert first_digests([(two, one), (three, two), (two, three)]) == {one: two, three: two}


@pytest.mark.spec("HASH-6")
def test_aliases_in_a_circle_stand_for_the_smallest() -> None:
    pairs = {name("d", 1): name("d", 2), name("d", 2): name("d", 3), name("d", 3): name("d", 1)}
    index = index_of(*(general(n) for n in (1, 2, 3)), planted("3", 0, rehash(pairs)))
    assert index.resolutions("x") == [name("d", 1)]


def chain(kind: str, count: int, content: Any) -> list[Planted]:
    """Objects each of which names several of those before it."""
    return [planted(kind, n, content([name(kind, m) for m in range(max(0, n - 3), n)])) for n in range(count)]


@pytest.mark.spec("IDX-5", "IDX-13", "GOV-14")
@pytest.mark.timeout(60)
def test_inputs_with_countless_paths_and_deep_chains_end_soon() -> None:
    count = 5_000
    items = chain("d", count, lambda targets: resolution(supersedes=sorted(targets)))
    items += chain("1", count, lambda listed: import_record(listed, "i"))
    items += [
        step(n, 0, *(("ACTIVE", "UNDER_REVIEW") if n % 2 == 0 else ("UNDER_REVIEW", "ACTIVE")), n - 1 if n else None)
        for n in range(count)
    ]
    items += [planted("3", n, rehash({name("f", n): name("f", n + 1)})) for n in range(count)]
    index = Index()
    index.apply([read_object(row(1, item)) for item in (*GROUND, *items)])
    assert index.last_transition(name("d", 0)) == name("e", count - 1)
    index.check_supersession(name("d", count), [name("d", count - 1)])
    with pytest.raises(CycleError):
        index.check_supersession(name("d", 0), [name("d", count - 1)])
    assert len(index.findings()) > count


class TestValidation:
    """Edges are refused before they are there."""

    index = index_of(general(0), general(1, 0), general(2, 1), general(4))

    @pytest.mark.spec("IDX-5")
    @pytest.mark.parametrize(("source", "target"), [(0, 0), (0, 1), (0, 2), (1, 2), (4, 4)])
    def test_an_edge_that_closes_a_circle_is_refused(self, source: int, target: int) -> None:
        with pytest.raises(CycleError):
            self.index.check_supersession(name("d", source), [name("d", target)])

    @pytest.mark.spec("IDX-5")
    def test_other_edges_are_not(self) -> None:
        self.index.check_supersession(name("d", 3), [name("d", n) for n in range(3)])
        self.index.check_supersession(name("d", 2), [name("d", 0)])

    @pytest.mark.spec("IDX-5")
    def test_an_edge_to_nothing_is_refused_and_named(self) -> None:
        with pytest.raises(DanglingReferenceError) as refused:
            self.index.check_supersession(name("d", 3), [name("d", 9)])
        assert refused.value.digest == name("d", 9)  # type: ignore[attr-defined]


class TestRefs:
    """Refs are compared with what is in force, and change no answer."""

    index = index_of(general(0, type="AUTHORITY"), general(1, type="SCOPE"), general(2))
    right: Sequence[tuple[str, Any]] = (("area/x/authority", name("d", 0)), ("area/x/scope", name("d", 1)))

    def compared(self, *refs: tuple[str, Any]) -> list[str]:
        return [finding.subject for finding in ref_findings(self.index, refs)]

    @pytest.mark.spec("IDX-8", "GOV-8")
    def test_refs_to_what_is_in_force_are_right_and_others_are_passed_over(self) -> None:
        assert self.compared(*self.right, ("label", name("d", 2)), ("area/x/note", name("d", 2))) == []

    @pytest.mark.spec("IDX-8", "GOV-8")
    @pytest.mark.parametrize("target", [name("d", 1), name("d", 2), name("d", 9), None])
    def test_another_target_or_none_is_a_finding(self, target: str | None) -> None:
        assert self.compared(self.right[1], ("area/x/authority", target)) == ["ref/area/x/authority"]

    @pytest.mark.spec("IDX-8", "GOV-8")
    def test_a_ref_of_no_area_is_a_finding(self) -> None:
        assert self.compared(*self.right, ("area/q/scope", name("d", 1))) == ["ref/area/q/scope"]

    @pytest.mark.spec("IDX-8", "GOV-8")
    def test_the_ref_to_a_scope_under_review_may_stay_or_go(self) -> None:
        index = index_of(general(1, type="SCOPE"), step(0, 1, "ACTIVE", "UNDER_REVIEW"))
        assert ref_findings(index, [self.right[1]]) == ref_findings(index, []) == []

    @pytest.mark.spec("IDX-8", "GOV-14")
    def test_a_ref_to_a_scope_that_was_brought_is_a_finding(self) -> None:
        index = index_of(general(1, type="SCOPE"), planted("1", 0, import_record([name("d", 1)])))
        assert [finding.subject for finding in ref_findings(index, [self.right[1]])] == ["ref/area/x/scope"]


class TestDamage:
    """What is wrong with a row is a finding; what the row claims is seen all the same."""

    @staticmethod
    def stored(**columns: Any) -> list[Finding]:
        rows = Rows()
        rows.commit([*GROUND, general(0)])
        changed = row(9, general(1, 0))._replace(**columns)
        transaction = rows.backend.transaction(1)
        transaction.commit({OBJECT: {(changed.digest,): changed}}, None)
        return [f for f in rebuild(rows.backend.snapshot()).findings() if f.subject == f"object/{name('d', 1)}"]

    @pytest.mark.spec("P30")
    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"type":', b"[" * 100_000])
    def test_bytes_that_are_no_resolution(self, data: bytes) -> None:
        assert {finding.code for finding in self.stored(data=data)} == {"HASH_MISMATCH", "CORRUPT_OBJECT"}

    @pytest.mark.spec("P30", "P36")
    def test_an_unknown_hash_version(self) -> None:
        assert [finding.code for finding in self.stored(hash_version="v9")] == ["UNKNOWN_OBJECT_KIND"]

    @pytest.mark.spec("P30")
    def test_the_digest_of_a_planted_row_is_not_believed_but_its_edges_are_seen(self) -> None:
        index = index_of(general(0), general(1, 0))
        assert ("HASH_MISMATCH", f"object/{name('d', 1)}") in [(f.code, f.subject) for f in index.findings()]
        assert state(index, 0) == SUPERSEDED


@pytest.mark.spec("IDX-11")
@pytest.mark.parametrize("part", ["_in_state", "_members", "_accepted", "_ends_of"])
def test_the_digest_shows_what_was_altered_in_memory(part: str) -> None:
    index = index_of(general(0), general(1, 0), planted("b", 0, retirement("x")))
    before = digest_of(index)
    owner = next(held for held in vars(index).values() if hasattr(held, part))
    vars(owner)[part].clear()
    assert digest_of(index) != before


def test_the_names_of_the_tests_cover_every_type() -> None:
    assert set(TYPES.values()) == set(Index()._kinds)


def steps_of(question: Callable[[], object]) -> int:
    """How many instructions of Python a question takes."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        question()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.spec("IDX-13")
def test_common_questions_cost_the_same_beside_a_long_history() -> None:
    governed = [general(0, type="AUTHORITY"), general(1, type="SCOPE"), general(2), general(3, 2), general(4)]
    costs = []
    for others in (10, 1_000):
        index = Index()
        history = [general(n, *([n - 1] if n % 2 else []), area_id="y") for n in range(100, 100 + others)]
        index.apply([read_object(row(1, item)) for item in (*GROUND, *governed, *history)])
        questions: list[Callable[[], object]] = [
            partial(index.in_state, "x", ACTIVE),
            partial(index.in_state, "x", ACTIVE, ResolutionType.AUTHORITY),
            partial(index.in_state, "x", ACTIVE, ResolutionType.SCOPE),
            partial(index.resolution, name("d", 2)),
            partial(index.superseded_by, name("d", 2)),
            partial(index.check_supersession, "f" * 64, [name("d", 3), name("d", 4)]),
        ]
        costs.append([steps_of(question) for question in questions])
    assert costs[0] == costs[1]
    assert min(costs[0]) > 0


@pytest.mark.spec("IDX-10", "IDX-14")
def test_answers_need_no_store_once_the_index_is_built() -> None:
    rows = Rows()
    rows.commit([*GROUND, general(0), general(1, 0)])
    snapshot = rows.backend.snapshot()
    index, expected = rebuild(snapshot), every_answer(Scan(snapshot))
    snapshot.close()
    assert every_answer(index) == expected


def test_an_index_that_is_dropped_is_gone_without_a_collection() -> None:
    index = index_of(general(0), general(1, 0), step(0, 1, "ACTIVE", "RETIRED"))
    every_answer(index)
    with pytest.raises(CycleError):
        index.check_supersession(name("d", 0), [name("d", 1)])
    seen = weakref.ref(index)
    gc.disable()
    try:
        del index
        assert seen() is None
    finally:
        gc.enable()
