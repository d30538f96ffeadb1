"""Conformance of the intent graph: intents, edges, filters, cycles, versions, watch, the past, and bad input.

Source: CCOS-4, CCOS-5, NEIGHBOURS 3.2, 3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from random import Random
from typing import Any, Final

import pytest

from charter_persist.backends.contract import INTENT, INTENT_EDGE, INTENT_EDGE_LOG, INTENT_LOG
from charter_persist.errors import (
    AlreadyExistsError,
    ConflictError,
    CycleError,
    DanglingReferenceError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    VersionConflictError,
)
from charter_persist.integrity.verify import verify
from charter_persist.model.canonical import load_canonical
from charter_persist.model.intent import (
    ACYCLIC,
    Edge,
    EdgeType,
    GenerationContext,
    IntentFilter,
    IntentStatus,
    StorableIntent,
)
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.races import race, several_handles
from charter_persist.testing.watch import told
from charter_persist.unit_of_work import ReadView, UnitOfWork

MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
NAMES: Final = ("a", "b", "c", "a/b", "~", "a~1b", "\u00e9", "\ufb33", "\U0001f600", "-")
"""Ids that an unescaped key of an edge, or a collation, would confuse."""


def intent(intent_id: str, **fields: Any) -> StorableIntent:
    """An intent with that id, and with these of its fields."""
    wanted: dict[str, Any] = {
        "intent_id": intent_id,
        "original_request": "please",
        "rtfs_intent_source": "",
        "goal": f"goal of {intent_id}",
        "triggered_by": "HumanRequest",
        "generation_context": GenerationContext(arbiter_version="1", generation_timestamp=MOMENT),
        "status": "Active",
        "priority": 1,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
    return StorableIntent(**wanted | fields)


def full_intent(intent_id: str) -> StorableIntent:
    """An intent with something in each field."""
    return intent(
        intent_id,
        name='the "name" \\ of it',
        session_id="session",
        rtfs_intent_source='(intent :goal "x\\y")\n',
        constraints={"cost": {"max": 1.5}, "\U0001f600": [1e21, -0.5, None, True]},
        preferences={"when": "soon"},
        success_criteria="(fn [x] true)",
        parent_intent="parent",
        child_intents=("one", "two"),
        triggered_by="ArbiterInference",
        generation_context=GenerationContext(
            arbiter_version="2.1",
            generation_timestamp=MOMENT + timedelta(days=1),
            input_context={"user": "ana"},
            reasoning_trace="because\x00",
        ),
        status="Suspended",
        priority=2**32 - 1,
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
        updated_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        metadata={"deep": {"er": []}},
    )


def edge(from_: str, to: str, edge_type: str = "RelatedTo", **fields: Any) -> Edge:
    """An edge between two intents."""
    return Edge(from_=from_, to=to, edge_type=EdgeType(edge_type), **fields)


def put_intents(store: Store, *names: str) -> None:
    """Store an intent of each name in one unit."""
    with store.begin() as uow:
        for name in names:
            uow.intents.store(intent(name))


def change_graph(uow: UnitOfWork, chance: Random) -> None:
    """One change of the graph at random; what the rules refuse is part of it."""
    one, other = chance.choice(NAMES), chance.choice(NAMES)
    kind = chance.choice(list(EdgeType))
    draws: list[Callable[[], object]] = [
        lambda: uow.intents.store(intent(one, priority=chance.randrange(3))),
        lambda: uow.intents.store(intent(other, status=chance.choice(list(IntentStatus)))),
        lambda: uow.intents.update(intent(one, status=chance.choice(list(IntentStatus)))),
        lambda: uow.intents.add_edge(edge(one, other, kind)),
        lambda: uow.intents.add_edge(edge(one, other, kind, weight=chance.random())),
        lambda: uow.intents.delete_edge(one, other, kind),
        lambda: uow.intents.delete(one),
    ]
    try:
        chance.choice(draws)()
    except (ConflictError, IntegrityError, NotFoundError):
        return


def graph_of(view: ReadView) -> dict[str, Any]:
    """All that can be read of the graph, by every way that leads to it."""
    return {
        "intents": list(view.intents.iter()),
        "intents by id": [view.intents.get(name) for name in NAMES],
        "intents by status": [list(view.intents.iter(IntentFilter(status=status))) for status in IntentStatus],
        "versions": [view.intents.version(name) for name in NAMES],
        "edges": list(view.intents.get_edges()),
        "edges by intent": [list(view.intents.get_edges_for(name)) for name in NAMES],
        "health": view.intents.health_check(),
    }


def entries_of(store: Store) -> list[tuple[str, str, str]]:
    """Store, operation and subject of each journal entry of the graph."""
    with store.read() as view:
        entries = [(entry.store, entry.operation, entry.subject) for entry in view.journal.entries()]
    return [entry for entry in entries if entry[0].startswith("intent")]


@pytest.mark.spec("CCOS-4")
class IntentConformance(StoreFixtures):
    """What the graph holds, and what each operation makes of it."""

    def test_an_intent_comes_back_with_every_field(self, store: Store, backdoor: BackDoor) -> None:
        """As it went in; the row behind it holds the same JSON."""
        with store.begin() as uow:
            assert uow.intents.store(full_intent("a")) == "a"
            assert uow.intents.get("a") == full_intent("a")
        with store.read() as view:
            assert view.intents.require("a") == full_intent("a")
            assert (view.intents.exists("a"), view.intents.version("a")) == (True, 1)
            assert (view.intents.exists("b"), view.intents.version("b"), view.intents.get("b")) == (False, 0, None)
            with refused(NotFoundError, "b"):
                view.intents.require("b")
        (row,) = backdoor.raw_rows(INTENT)
        assert load_canonical(row.data) == full_intent("a").to_json()
        assert (row.intent_id, row.status, row.version) == ("a", "Suspended", 1)
        (logged,) = backdoor.raw_rows(INTENT_LOG)
        assert (logged.data, logged.position, len(logged.nonce)) == (row.data, row.position, 16)

    def test_storing_the_same_intent_again_does_nothing_and_another_is_refused(self, store: Store) -> None:
        """In the same unit and in a later one; the error says what to do."""
        put_intents(store, "a")
        with store.begin() as uow:
            assert uow.intents.store(intent("a")) == "a"
            with refused(AlreadyExistsError, "a", "update") as caught:
                uow.intents.store(intent("a", goal="other"))
        assert caught.value.__dict__ == {"intent_id": "a"}
        assert uow.receipt is None

    def test_an_update_replaces_the_whole_intent_if_it_has_the_expected_version(
        self, store: Store, backdoor: BackDoor
    ) -> None:
        """What is absent, or has another version, is not touched; the same content is no change."""
        put_intents(store, "a")
        with store.begin() as uow:
            assert uow.intents.update(intent("a", goal="2"), expected=1) == 2
            assert uow.intents.update(intent("a", goal="2"), expected=2) == 2
            assert uow.intents.update(intent("a", goal="3")) == 3
        with nothing_written(backdoor), store.begin() as uow:
            with refused(VersionConflictError, "a", "version 3", "2") as caught:
                uow.intents.update(intent("a", goal="4"), expected=2)
            with refused(NotFoundError, "b"):
                uow.intents.update(intent("b"))
            with refused(InvalidInputError, "expected"):
                uow.intents.update(intent("a"), expected=-1)
        assert (caught.value.expected, caught.value.actual) == (2, 3)  # type: ignore[attr-defined]
        with store.read() as view:
            assert view.intents.require("a").goal == "3"
        assert [entry[1] for entry in entries_of(store)] == ["create", "update", "update"]

    def test_of_racing_updates_exactly_one_wins(self, open_store: OpenStore) -> None:
        """Whoever expects the version that another one replaced is refused."""
        with several_handles(open_store) as handles:
            put_intents(handles[0], "a")

            def contend(thread: int) -> bool:
                try:
                    with handles[thread % len(handles)].begin() as uow:
                        uow.intents.update(intent("a", priority=thread + 2), expected=1)
                except VersionConflictError:
                    return False
                return True

            assert sum(race(8, contend)) == 1

    def test_a_deleted_intent_is_absent_and_its_versions_go_on(self, store: Store) -> None:
        """So a version never fits two contents; deleting what is absent is an error."""
        put_intents(store, "a")
        with store.begin() as uow:
            uow.intents.delete("a")
            assert uow.intents.get("a") is None
            with refused(NotFoundError, "a"):
                uow.intents.delete("a")
            uow.intents.store(intent("a"))
            assert uow.intents.version("a") == 3
        with store.begin() as uow, refused(VersionConflictError):
            uow.intents.update(intent("a", goal="2"), expected=1)

    def test_the_edges_of_a_deleted_intent_go_with_it(self, store: Store, backdoor: BackDoor) -> None:
        """Those from it, those to it and those to itself, each with its journal entry, in one unit; no others."""
        put_intents(store, "a", "b", "c", "a/b")
        kept = edge("b", "c", "Blocks")
        with store.begin() as uow:
            for one in (edge("a", "b"), edge("c", "a"), edge("a", "a"), edge("a", "c", "DependsOn"), kept):
                uow.intents.add_edge(one)
        with store.begin() as uow:
            uow.intents.delete("a")
            assert list(uow.intents.get_edges()) == [kept]
        with store.read() as view:
            assert list(view.intents.get_edges()) == [kept]
            assert list(view.intents.get_edges_for("a")) == []
            assert view.intents.health_check().ok
        gone = ["a/a/RelatedTo", "a/b/RelatedTo", "a/c/DependsOn", "c/a/RelatedTo"]
        assert sorted(entries_of(store)[-5:]) == sorted(
            [*(("intent_edge", "delete", key) for key in gone), ("intent", "delete", "a")]
        )
        assert [row.edge_key for row in backdoor.raw_rows(INTENT_EDGE)] == ["b/c/Blocks"]

    def test_an_edge_is_known_by_its_ends_and_its_type(self, store: Store, backdoor: BackDoor) -> None:
        """One of each type in each direction; the same again is no change, another content is refused."""
        put_intents(store, "a", "b")
        weighted = edge("a", "b", weight=0.5, metadata={"why": "x"})
        with store.begin() as uow:
            uow.intents.add_edge(weighted)
            uow.intents.add_edge(edge("b", "a"))
            uow.intents.add_edge(edge("a", "b", "Enables", weight=1))
        with nothing_written(backdoor), store.begin() as uow:
            uow.intents.add_edge(weighted)
            with refused(AlreadyExistsError, "a/b/RelatedTo", "delete"):
                uow.intents.add_edge(edge("a", "b"))
        assert uow.receipt is None
        with store.begin() as uow:
            uow.intents.delete_edge("a", "b", "RelatedTo")
            with refused(NotFoundError, "a/b/RelatedTo"):
                uow.intents.delete_edge(*weighted.key)
        with store.read() as view:
            assert view.intents.get_edge("a", "b", "Enables") == edge("a", "b", "Enables", weight=1.0)
            assert view.intents.get_edge("a", "b", "RelatedTo") is None
            assert [found.key.text for found in view.intents.get_edges()] == ["a/b/Enables", "b/a/RelatedTo"]

    def test_edges_of_ids_that_look_alike_are_told_apart(self, store: Store) -> None:
        """Every id with every other one, and each finds its own edges alone."""
        put_intents(store, *NAMES)
        everything = [edge(one, other, kind) for one in NAMES for other in NAMES for kind in ("RelatedTo", "Blocks")]
        with store.begin() as uow:
            for one in everything:
                uow.intents.add_edge(one)
        with store.read() as view:
            assert len(set(map(str, view.intents.get_edges()))) == len(everything)
            for name in NAMES:
                found = list(view.intents.get_edges_for(name))
                assert sorted(map(str, found)) == sorted(str(one) for one in everything if name in (one.from_, one.to))

    def test_an_edge_needs_both_ends(self, store: Store, backdoor: BackDoor) -> None:
        """Also where an end was stored and deleted again in this unit."""
        put_intents(store, "a")
        with nothing_written(backdoor), store.begin() as uow:
            for one in (edge("a", "b"), edge("b", "a"), edge("b", "b")):
                with refused(DanglingReferenceError, "b", "store it first"):
                    uow.intents.add_edge(one)
        with store.begin() as uow:
            uow.intents.store(intent("b"))
            uow.intents.delete("b")
            with refused(DanglingReferenceError, "b"):
                uow.intents.add_edge(edge("a", "b"))

    @pytest.mark.parametrize("kind", list(EdgeType))
    def test_a_cycle_is_allowed_where_the_type_allows_it(
        self, store: Store, backdoor: BackDoor, kind: EdgeType
    ) -> None:
        """Of one, two or three intents; a diamond is no cycle, and another type is another graph."""
        put_intents(store, "a", "b", "c", "d")
        with store.begin() as uow:
            for one, other in ("ab", "bc", "ad", "dc"):
                uow.intents.add_edge(edge(one, other, kind))
            uow.intents.add_edge(edge("c", "a", "RelatedTo"))
        closing = [("c", "a"), ("b", "a"), ("c", "d"), ("a", "a")]
        if kind in ACYCLIC:
            with nothing_written(backdoor), store.begin() as uow:
                for one, other in closing:
                    with refused(CycleError, kind, one):
                        uow.intents.add_edge(edge(one, other, kind))
            with store.begin() as uow:
                uow.intents.delete_edge("a", "b", kind)
                uow.intents.add_edge(edge("c", "b", "Blocks"))
                uow.intents.add_edge(edge("b", "a", kind))
        else:
            with store.begin() as uow:
                for one, other in closing:
                    uow.intents.add_edge(edge(one, other, kind))
        with store.read() as view:
            assert view.intents.health_check().ok

    def test_a_cycle_is_seen_however_long_it_is(self, store: Store) -> None:
        """Two thousand intents in a row; the search knows no recursion."""
        names = [f"n{number}" for number in range(2_000)]
        with store.begin() as uow:
            uow.intents.replace_all(map(intent, names), [edge(*pair, "DependsOn") for pair in pairwise(names)])
            with refused(CycleError, "2000"):
                uow.intents.add_edge(edge(names[-1], names[0], "DependsOn"))

    @pytest.mark.parametrize("opening", [["ab"], ["ab", "bc"]])
    def test_of_racing_edges_that_close_a_cycle_one_is_refused(self, open_store: OpenStore, opening: list[str]) -> None:
        """Whichever comes last."""
        with several_handles(open_store) as handles:
            put_intents(handles[0], "a", "b", "c")
            pairs = [*opening, opening[-1][1] + "a"]

            def contend(thread: int) -> bool:
                try:
                    with handles[thread % len(handles)].begin() as uow:
                        uow.intents.add_edge(edge(pairs[thread][0], pairs[thread][1], "IsSubgoalOf"))
                except CycleError:
                    return False
                return True

            assert sum(race(len(pairs), contend)) == len(pairs) - 1

    def test_a_filter_takes_what_fits_all_of_its_parts(self, store: Store) -> None:
        """Bounds included, texts literal and case-sensitive, every combination against plain comparison."""
        chance = Random(3)  # noqa: S311  # chance, not a secret
        words = ("Alpha", "alpha", "%", "_", "", "\u00e9", "x")
        everything = [
            intent(
                f"i{number:03}",
                name=chance.choice([None, *words]),
                goal=chance.choice(words) + chance.choice(words),
                status=chance.choice(list(IntentStatus)),
                priority=chance.randrange(5),
            )
            for number in range(60)
        ]
        with store.begin() as uow:
            for one in everything:
                uow.intents.store(one)
        with store.read() as view:
            for _ in range(200):
                parts: dict[str, Any] = {
                    "status": chance.choice([None, *IntentStatus]),
                    "name_contains": chance.choice([None, None, *words]),
                    "goal_contains": chance.choice([None, None, *words]),
                    "priority_min": chance.choice([None, 0, 1, 2]),
                    "priority_max": chance.choice([None, 1, 2, 5]),
                }
                where = IntentFilter(**parts)
                expected = [one.intent_id for one in everything if fits(one, parts)]
                assert [one.intent_id for one in view.intents.iter(where)] == expected, parts
                size = chance.choice([1, 3, 60])
                assert pages(view, where, size) == expected, parts

    def test_a_list_is_in_the_order_of_the_bytes_of_the_ids(self, store: Store) -> None:
        """And shows the changes of an open unit."""
        put_intents(store, *NAMES)
        with store.begin() as uow:
            uow.intents.store(intent("A"))
            uow.intents.delete("a")
            found = [one.intent_id for one in uow.intents.list(limit=100).items]
        assert found == sorted({*NAMES, "A"} - {"a"}, key=str.encode)

    def test_clearing_removes_everything_and_can_be_repeated(self, store: Store, backdoor: BackDoor) -> None:
        """The logs keep what was there."""
        put_intents(store, "a", "b")
        with store.begin() as uow:
            uow.intents.add_edge(edge("a", "b"))
        with store.begin() as uow:
            assert uow.intents.clear_all() == 2
            assert uow.intents.clear_all() == 0
        with store.read() as view:
            assert (list(view.intents.iter()), list(view.intents.get_edges())) == ([], [])
        assert [len(backdoor.raw_rows(log)) for log in (INTENT_LOG, INTENT_EDGE_LOG)] == [4, 2]
        put_intents(store, "a")
        with store.read() as view:
            assert view.intents.version("a") == 3

    def test_replacing_the_graph_changes_what_differs_alone(self, store: Store) -> None:
        """Unchanged intents keep their version; doing it again is no change."""
        put_intents(store, "a", "b", "c")
        with store.begin() as uow:
            for one in (edge("a", "b"), edge("b", "c"), edge("a", "c")):
                uow.intents.add_edge(one)
        wanted = [intent("a"), intent("b", goal="new"), intent("d")]
        edges = [edge("a", "b"), edge("b", "a"), edge("b", "d", weight=2)]
        with store.begin() as uow:
            uow.intents.replace_all(wanted, edges)
        with store.begin() as again:
            again.intents.replace_all(reversed(wanted), reversed(edges))
        assert again.receipt is None
        with store.read() as view:
            assert list(view.intents.iter()) == wanted
            assert list(view.intents.get_edges()) == edges
            assert [view.intents.version(name) for name in "abcd"] == [1, 2, 0, 1]

    @pytest.mark.parametrize(
        ("intents", "edges", "error"),
        [
            (["a", "a"], [], AlreadyExistsError),
            (["a"], [("a", "a"), ("a", "a")], AlreadyExistsError),
            (["a"], [("a", "b")], DanglingReferenceError),
            (["a", "b"], [("a", "b", "DependsOn"), ("b", "a", "DependsOn")], CycleError),
            (["a"], [("a", "a", "IsSubgoalOf")], CycleError),
        ],
    )
    def test_a_graph_that_is_not_whole_replaces_nothing(
        self, store: Store, backdoor: BackDoor, intents: list[str], edges: list[Any], error: type[Any]
    ) -> None:
        """It is checked before anything is written."""
        put_intents(store, "old")
        with nothing_written(backdoor), store.begin() as uow, refused(error):
            uow.intents.replace_all(map(intent, intents), [edge(*ends) for ends in edges])

    @pytest.mark.spec("KV-5")
    def test_a_watch_tells_intents_and_edges(self, store: Store) -> None:
        """With the JSON before and after, and the version; an id with a slash does not look like an edge."""
        put_intents(store, "a", "x/y")
        with store.begin() as uow:
            uow.intents.update(intent("a", goal="2"))
            uow.intents.add_edge(edge("a", "x/y", "Blocks"))
        with store.begin() as uow:
            uow.intents.delete("a")
        created, updated, deleted = told(store, "intent:a", 3)
        assert [(event[0], event[1], event[4]) for event in (created, updated, deleted)] == [
            ("created", "a", 1),
            ("updated", "a", 2),
            ("deleted", "a", 3),
        ]
        assert StorableIntent.from_json(load_canonical(created[3])) == intent("a")
        assert (updated[2], deleted[2], deleted[3]) == (created[3], updated[3], None)
        first, last = told(store, "intent_edge:a/*", 2)
        assert (first[:3], last[:2], last[3:]) == (
            ("created", "a/x~1y/Blocks", None),
            ("deleted", "a/x~1y/Blocks"),
            (None, 2),
        )
        assert Edge.from_json(load_canonical(first[3])) == edge("a", "x/y", "Blocks")

    @pytest.mark.spec("GOV-15")
    def test_a_past_view_shows_the_graph_of_then(self, store: Store) -> None:
        """By every way to it, through deletions and new beginnings."""
        chance, then = Random(11), {}  # noqa: S311  # chance, not a secret
        with store.read() as view:
            then[view.revision] = graph_of(view)
        for _ in range(60):
            with store.begin() as uow:
                for _ in range(chance.choice((1, 3))):
                    change_graph(uow, chance)
            with store.read() as view:
                then[view.revision] = graph_of(view)
        assert len(then) > 30
        assert all(graph["health"].ok for graph in then.values())
        for revision, graph in then.items():
            with store.read(as_of=revision) as view:
                assert graph_of(view) == graph
        assert verify(store, store_id=store.store_id).findings == ()

    @pytest.mark.spec("CCOS-5")
    def test_a_health_check_names_what_is_wrong(self, store: Store, backdoor: BackDoor) -> None:
        """A missing end, a cycle, a row that cannot be read: planted behind the back."""
        put_intents(store, "a", "b", "c")
        with store.begin() as uow:
            for one in (edge("a", "b", "DependsOn"), edge("b", "c", "DependsOn"), edge("a", "c")):
                uow.intents.add_edge(one)
        with store.read() as view:
            health = view.intents.health_check()
            assert (health.ok, health.intents, health.edges, health.problems) == (True, 3, 3, ())
            a, b = view.intents.require("a"), view.reader.get(INTENT_EDGE, ("a/b/DependsOn",))
        assert b is not None
        row = backdoor.raw_get(INTENT, ("a",))
        assert row is not None
        turned = b.data.replace(b'"from":"a"', b'"from":"c"').replace(b'"to":"b"', b'"to":"a"')
        backdoor.raw_put(INTENT_EDGE, b._replace(edge_key="c/a/DependsOn", from_id="c", to_id="a", data=turned))
        backdoor.raw_delete(INTENT, ("b",))
        backdoor.raw_put(INTENT, row._replace(intent_id="z", data=b'{"intent_id":"z"}'))
        with store.read() as view:
            problems = view.intents.health_check().problems
            assert len(problems) == 4
            for words in ("intent z is damaged", "a/b/DependsOn: there is no intent b", "b/c/DependsOn", "cycle of 3"):
                assert any(words in problem for problem in problems), problems
            with refused(IntegrityError, "charter verify"):
                view.intents.get("z")
        assert a == intent("a")

    def test_times_in_any_zone_are_one_time(self, store: Store) -> None:
        """And the same intent, so storing it again does nothing."""
        put_intents(store, "a")
        elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5)))
        with store.begin() as uow:
            uow.intents.store(intent("a", created_at=elsewhere, updated_at=elsewhere))
        assert uow.receipt is None


def fits(one: StorableIntent, parts: dict[str, Any]) -> bool:
    """Whether an intent fits each part of a filter, by plain comparison."""
    if parts["status"] is not None and one.status != parts["status"]:
        return False
    if parts["name_contains"] is not None and (one.name is None or parts["name_contains"] not in one.name):
        return False
    if parts["goal_contains"] is not None and parts["goal_contains"] not in one.goal:
        return False
    if parts["priority_min"] is not None and one.priority < parts["priority_min"]:
        return False
    return parts["priority_max"] is None or one.priority <= parts["priority_max"]


def pages(view: ReadView, where: IntentFilter, size: int) -> list[str]:
    """The ids on all pages of a list."""
    found, cursor = [], None
    while True:
        page = view.intents.list(where, limit=size, cursor=cursor)
        found += [one.intent_id for one in page.items]
        cursor = page.cursor
        if cursor is None:
            return found
