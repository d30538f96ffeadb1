"""Intents and edges as values: every field checked when one is made, JSON read strictly, keys that are unambiguous."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.errors import CharterError, InvalidInputError
from charter_persist.model.canonical import canonical_bytes, parse_json
from charter_persist.model.intent import (
    Edge,
    EdgeType,
    GenerationContext,
    IntentFilter,
    IntentStatus,
    StorableIntent,
    TriggerSource,
    edge_prefix,
)
from charter_persist.model.intent_graph import find_cycle, graph_faults
from charter_persist.testing.intents import edge, full_intent, intent

FIELDS = {
    "intent_id", "name", "session_id", "original_request", "rtfs_intent_source", "goal", "constraints", "preferences",
    "success_criteria", "parent_intent", "child_intents", "triggered_by", "generation_context", "status", "priority",
    "created_at", "updated_at", "metadata",
}  # fmt: skip
OPTIONAL = {
    "name", "session_id", "constraints", "preferences", "success_criteria", "parent_intent", "child_intents", "metadata",
}  # fmt: skip
WRONG: dict[str, list[Any]] = {
    "intent_id": [None, "", 7, "a\n", "\ud800", "x" * 513],
    "name": [7, ["a"]],
    "session_id": [7, "", "\x00"],
    "original_request": [None, 7, b"x"],
    "rtfs_intent_source": [None, {}],
    "goal": [None, []],
    "constraints": [None, [], "x"],
    "preferences": [None, 7],
    "success_criteria": [7],
    "parent_intent": ["", 7],
    "child_intents": [None, "ab", ["a", 7], [""], {}],
    "triggered_by": [None, "humanrequest", 7, []],
    "generation_context": [None, [], {}, "x"],
    "status": [None, "active", "ACTIVE", 0, ["Active"]],
    "priority": [None, -1, 2**32, 1.0, True, "1"],
    "created_at": [None, -1, 1.5, True, "2026-01-01T00:00:00Z", 253_402_300_800, 10**30],
    "updated_at": [None, "1"],
    "metadata": [None, "x"],
}


@pytest.mark.spec("CCOS-4")
def test_the_names_of_the_format_are_kept() -> None:
    assert set(intent("a").to_json()) == FIELDS
    assert set(edge("a", "b").to_json()) == {"from", "to", "edge_type", "metadata", "weight"}
    assert [str(status) for status in IntentStatus] == [
        "Active", "Executing", "Completed", "Failed", "Archived", "Suspended",
    ]  # fmt: skip
    assert [str(source) for source in TriggerSource] == [
        "HumanRequest", "PlanExecution", "SystemEvent", "IntentCompletion", "ArbiterInference",
    ]  # fmt: skip
    assert [str(kind) for kind in EdgeType] == [
        "DependsOn", "IsSubgoalOf", "ConflictsWith", "Enables", "RelatedTo", "TriggeredBy", "Blocks",
    ]  # fmt: skip
    assert edge("a", "b", "Blocks").entity_id == "edge-a-b-Blocks"


@pytest.mark.spec("CCOS-4", "CCOS-5")
def test_json_is_read_back_with_whole_seconds() -> None:
    one = full_intent("a")
    document = one.to_json()
    assert (document["created_at"], document["updated_at"]) == (0, 253_402_300_799)
    assert document["generation_context"]["generation_timestamp"] == 1_767_312_000
    assert StorableIntent.from_json(document) == one
    assert StorableIntent.from_json(parse_json(canonical_bytes(intent("b").to_json()))) == intent("b")


@pytest.mark.spec("CCOS-5")
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_missing_field_is_named_unless_it_is_optional(name: str) -> None:
    document = full_intent("a").to_json()
    del document[name]
    if name in OPTIONAL:
        found = getattr(StorableIntent.from_json(document), name)
        assert found in (None, {}, ())
        return
    with pytest.raises(InvalidInputError, match=name):
        StorableIntent.from_json(document)


@pytest.mark.spec("CCOS-5")
def test_unknown_fields_are_ignored() -> None:
    document = full_intent("a").to_json() | {"new": [1]}
    document["generation_context"] |= {"new": 1}
    assert StorableIntent.from_json(document) == full_intent("a")
    assert Edge.from_json({"from": "a", "to": "b", "edge_type": "Blocks", "new": 1}) == edge("a", "b", "Blocks")


@pytest.mark.spec("CCOS-5")
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values], ids=ascii
)
def test_a_field_of_a_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match="arbiter_version" if value == {} and "gen" in name else name) as caught:
        StorableIntent.from_json(full_intent("a").to_json() | {name: value})
    assert len(caught.value.message) < 300


@pytest.mark.spec("CCOS-5")
@pytest.mark.parametrize(
    ("name", "value"),
    [("arbiter_version", 1), ("generation_timestamp", "0"), ("generation_timestamp", None), ("input_context", []),
     ("input_context", None), ("reasoning_trace", 1)],
)  # fmt: skip
def test_a_wrong_generation_context_is_refused_by_name(name: str, value: Any) -> None:
    document = full_intent("a").to_json()
    document["generation_context"] = document["generation_context"] | {name: value}
    with pytest.raises(InvalidInputError, match=name):
        StorableIntent.from_json(document)


@pytest.mark.spec("CCOS-4")
@pytest.mark.parametrize(
    ("name", "value"),
    [("from", ""), ("from", 1), ("to", None), ("edge_type", "dependsOn"), ("edge_type", None), ("metadata", []),
     ("metadata", "x"), ("weight", "1"), ("weight", True), ("weight", float("nan")), ("weight", float("inf")),
     ("weight", 10**400)],
)  # fmt: skip
def test_a_wrong_edge_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=name):
        Edge.from_json(edge("a", "b").to_json() | {name: value})


@pytest.mark.parametrize("value", [None, 7, "x", [], [("a", 1)]])
def test_what_is_no_object_is_no_intent_and_no_edge(value: Any) -> None:
    for form in (StorableIntent, Edge, GenerationContext):
        with pytest.raises(InvalidInputError, match="JSON object"):
            form.from_json(value)


@pytest.mark.spec("CCOS-4")
@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(2026, 1, 1, microsecond=1, tzinfo=UTC),
                                    datetime(1969, 12, 31, tzinfo=UTC), 7, None])  # fmt: skip
def test_a_time_that_a_backup_could_not_hold_is_refused(moment: Any) -> None:
    for name in ("created_at", "updated_at"):
        with pytest.raises(InvalidInputError, match=name):
            intent("a", **{name: moment})
    with pytest.raises(InvalidInputError, match="generation_timestamp"):
        GenerationContext(arbiter_version="1", generation_timestamp=moment)


def test_a_value_cannot_be_changed_and_its_maps_are_its_own() -> None:
    given_map = {"a": 1}
    one = intent("a", metadata=given_map)
    given_map["a"] = 2
    assert one.metadata == {"a": 1}
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.goal = "other"  # type: ignore[misc]
    with pytest.raises(InvalidInputError, match="generation_context"):
        intent("a", generation_context={})


@pytest.mark.spec("CCOS-4")
@pytest.mark.parametrize("parts", [{"status": "active"}, {"name_contains": 7}, {"goal_contains": b"x"},
                                   {"priority_min": -1}, {"priority_max": "1"}, {"priority_max": True}])  # fmt: skip
def test_a_wrong_part_of_a_filter_is_refused_by_name(parts: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(parts))):
        IntentFilter(**parts)


IDS = st.text("ab/~01-", min_size=1, max_size=6)


@pytest.mark.spec("CCOS-4")
@given(st.lists(st.tuples(IDS, IDS, st.sampled_from(list(EdgeType))), min_size=2, max_size=2, unique=True))
def test_no_two_edges_share_the_text_of_a_key(pair: list[tuple[str, str, EdgeType]]) -> None:
    first, second = (Edge(from_=one, to=other, edge_type=kind).key for one, other, kind in pair)
    assert first.text != second.text
    assert first.text.startswith(edge_prefix(first.from_))
    assert second.text.startswith(edge_prefix(first.from_)) == (first.from_ == second.from_)


def reaches(edges: set[tuple[int, int]], start: int, goal: int) -> bool:
    """Whether there is a way of one edge or more, by closing the relation."""
    closed = set(edges)
    while more := {(a, d) for (a, b), (c, d) in product(closed, closed) if b == c} - closed:
        closed |= more
    return (start, goal) in closed


@pytest.mark.spec("CCOS-4")
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=9))
def test_a_cycle_is_found_where_there_is_one_and_is_one(edges: set[tuple[int, int]]) -> None:
    cycle = find_cycle(map(str, range(6)), lambda node: [str(b) for a, b in sorted(edges) if str(a) == node])
    assert (cycle is not None) == any(reaches(edges, node, node) for node in range(6))
    if cycle is not None:
        assert all((int(a), int(b)) in edges for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))


def test_a_node_is_followed_once_and_no_stack_is_used() -> None:
    asked: list[str] = []

    def following(node: str) -> list[str]:
        asked.append(node)
        return [str(int(node) + step) for step in (1, 2) if int(node) + step < 50_000]

    assert find_cycle(["0", "7"], following) is None
    assert len(asked) == len(set(asked)) == 50_000


def test_every_fault_of_a_graph_is_told() -> None:
    edges = [edge("a", "b", "DependsOn"), edge("b", "a", "DependsOn"), edge("a", "z"), edge("a", "a", "IsSubgoalOf")]
    faults: list[CharterError] = list(graph_faults({"a", "b"}, edges))
    assert [type(fault).__name__ for fault in faults] == ["DanglingReferenceError", "CycleError", "CycleError"]
    assert "a → b → a" in faults[1].message


def test_times_of_another_zone_are_kept_as_utc() -> None:

    one = intent("a", created_at=datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))))
    assert one == intent("a")
    assert one.created_at.tzinfo is UTC
