"""The intent graph against plain dictionaries, and backups that give themselves again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from charter_persist import Store, connect
from charter_persist.errors import CharterError
from charter_persist.integrity.fsck import fsck
from charter_persist.model.canonical import is_canonical
from charter_persist.model.intent import ACYCLIC, Edge, EdgeKey, EdgeType, IntentFilter, IntentStatus, StorableIntent
from charter_persist.testing.intents import intent
from charter_persist.transfer.intent_backup import (
    backup_bytes,
    backup_intents,
    parse_backup,
    parse_document,
    read_backup,
    restore_intents,
)
from charter_persist.unit_of_work import UnitOfWork

IDS = st.sampled_from(["a", "b", "c/a", "~"])
KINDS = st.sampled_from([EdgeType.DEPENDS_ON, EdgeType.IS_SUBGOAL_OF, EdgeType.BLOCKS])
STATES = st.sampled_from([IntentStatus.ACTIVE, IntentStatus.FAILED])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)


class RefusedError(Exception):
    """What the model says of a change that is against the rules."""


class Model:
    """The rules, over dictionaries."""

    def __init__(self) -> None:
        self.intents: dict[str, StorableIntent] = {}
        self.versions: dict[str, int] = {}
        self.edges: dict[EdgeKey, Edge] = {}

    def _touch(self, name: str) -> None:
        self.versions[name] = self.versions.get(name, 0) + 1

    def store(self, one: StorableIntent) -> None:
        if one.intent_id in self.intents:
            if self.intents[one.intent_id] != one:
                raise RefusedError("AlreadyExistsError")
            return
        self.intents[one.intent_id] = one
        self._touch(one.intent_id)

    def update(self, one: StorableIntent, expected: int | None) -> None:
        if one.intent_id not in self.intents:
            raise RefusedError("NotFoundError")
        if expected is not None and expected != self.versions[one.intent_id]:
            raise RefusedError("VersionConflictError")
        if self.intents[one.intent_id] != one:
            self.intents[one.intent_id] = one
            self._touch(one.intent_id)

    def delete(self, name: str) -> None:
        if name not in self.intents:
            raise RefusedError("NotFoundError")
        del self.intents[name]
        self._touch(name)
        self.edges = {key: one for key, one in self.edges.items() if name not in (key.from_, key.to)}

    def add_edge(self, one: Edge) -> None:
        if one.key in self.edges:
            if self.edges[one.key] != one:
                raise RefusedError("AlreadyExistsError")
            return
        if not {one.from_, one.to} <= self.intents.keys():
            raise RefusedError("DanglingReferenceError")
        if one.edge_type in ACYCLIC and self._reaches(one.to, one.from_, one.edge_type):
            raise RefusedError("CycleError")
        self.edges[one.key] = one

    def _reaches(self, start: str, goal: str, kind: EdgeType) -> bool:
        reached = {start}
        for _ in self.intents:
            reached |= {key.to for key in self.edges if key.edge_type is kind and key.from_ in reached}
        return goal in reached

    def delete_edge(self, key: EdgeKey) -> None:
        if key not in self.edges:
            raise RefusedError("NotFoundError")
        del self.edges[key]


class GraphMachine(RuleBasedStateMachine):
    """The same changes on both sides, several in a unit; what is refused is refused alike."""

    url = "memory://"

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = connect(self.url)
        self.model = Model()
        self.open: Any = None
        self.uow: UnitOfWork | None = None

    def both(self, real: Callable[[UnitOfWork], object], model: Callable[[], None]) -> None:
        """One change in the open unit, or in one of its own."""
        if self.uow is not None:
            self._compare(self.uow, real, model)
            return
        with self.store.begin() as uow:
            self._compare(uow, real, model)

    def _compare(self, uow: UnitOfWork, real: Callable[[UnitOfWork], object], model: Callable[[], None]) -> None:
        expected = told = None
        try:
            model()
        except RefusedError as exc:
            expected = str(exc)
        try:
            real(uow)
        except CharterError as exc:
            told = type(exc).__name__
        assert told == expected

    @precondition(lambda self: self.uow is None)
    @rule()
    def begin(self) -> None:
        self.open = self.store.begin()
        self.uow = self.open.__enter__()

    @precondition(lambda self: self.uow is not None)
    @rule()
    def commit(self) -> None:
        self.open.__exit__(None, None, None)
        self.uow = None

    @rule(name=IDS, status=STATES)
    def store_one(self, name: str, status: IntentStatus) -> None:
        one = intent(name, status=status)
        self.both(lambda uow: uow.intents.store(one), lambda: self.model.store(one))

    @rule(name=IDS, status=STATES, expected=st.none() | st.integers(0, 4))
    def update(self, name: str, status: IntentStatus, expected: int | None) -> None:
        one = intent(name, status=status)
        self.both(lambda uow: uow.intents.update(one, expected=expected), lambda: self.model.update(one, expected))

    @rule(name=IDS)
    def delete(self, name: str) -> None:
        self.both(lambda uow: uow.intents.delete(name), lambda: self.model.delete(name))

    @rule(one=IDS, other=IDS, kind=KINDS, weight=st.none() | st.just(0.5))
    def add_edge(self, one: str, other: str, kind: EdgeType, weight: float | None) -> None:
        added = Edge(from_=one, to=other, edge_type=kind, weight=weight)
        self.both(lambda uow: uow.intents.add_edge(added), lambda: self.model.add_edge(added))

    @rule(one=IDS, other=IDS, kind=KINDS)
    def delete_edge(self, one: str, other: str, kind: EdgeType) -> None:
        key = EdgeKey(one, other, kind)
        self.both(lambda uow: uow.intents.delete_edge(*key), lambda: self.model.delete_edge(key))

    @precondition(lambda self: self.uow is None)
    @rule(names=st.sets(IDS), pairs=st.sets(st.tuples(IDS, IDS), max_size=4))
    def replace(self, names: set[str], pairs: set[tuple[str, str]]) -> None:
        intents = [intent(name, goal="replaced") for name in sorted(names)]
        edges = [
            Edge(from_=one, to=other, edge_type=EdgeType.BLOCKS)
            for one, other in sorted(pairs)
            if {one, other} <= names
        ]
        with self.store.begin() as uow:
            uow.intents.replace_all(intents, edges)
        for name in self.model.intents.keys() - names:
            self.model._touch(name)
        for one in intents:
            if self.model.intents.get(one.intent_id) != one:
                self.model._touch(one.intent_id)
        self.model.intents = {one.intent_id: one for one in intents}
        self.model.edges = {one.key: one for one in edges}

    @invariant()
    def both_are_equal(self) -> None:
        if self.uow is not None:
            self._equal(self.uow)
            return
        with self.store.read() as view:
            self._equal(view)

    def _equal(self, seen: Any) -> None:
        graph = seen.intents
        assert list(graph.iter()) == [self.model.intents[name] for name in sorted(self.model.intents)]
        assert {one.key: one for one in graph.get_edges()} == self.model.edges
        for name in ("a", "b", "c/a", "~"):
            expected = self.model.versions.get(name, 0) if name in self.model.intents else 0
            assert graph.version(name) == expected
            found = [one.key for one in graph.get_edges_for(name)]
            assert len(found) == len(set(found))
            assert set(found) == {key for key in self.model.edges if name in (key.from_, key.to)}
        for status in IntentStatus:
            wanted = [name for name in sorted(self.model.intents) if self.model.intents[name].status is status]
            assert [one.intent_id for one in graph.iter(IntentFilter(status=status))] == wanted
        assert graph.health_check().ok

    def teardown(self) -> None:
        if self.uow is not None:
            self.open.__exit__(None, None, None)
        assert fsck(self.store).findings == ()
        self.store.close()


class SqliteGraphMachine(GraphMachine):
    url = "sqlite://"


TestGraphMachine = pytest.mark.spec("CCOS-4")(GraphMachine.TestCase)
TestGraphMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSqliteGraphMachine = pytest.mark.spec("CCOS-4")(SqliteGraphMachine.TestCase)
TestSqliteGraphMachine.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[StorableIntent], list[Edge]]:
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    intents = [
        intent(
            name,
            goal=draw(texts),
            name=draw(st.none() | texts),
            rtfs_intent_source=draw(texts),
            metadata={"any": draw(JSON)},
            priority=draw(st.integers(0, 2**32 - 1)),
            status=draw(st.sampled_from(list(IntentStatus))),
        )
        for name in names
    ]
    kinds = st.sampled_from([EdgeType.BLOCKS, EdgeType.RELATED_TO])
    pairs = draw(st.lists(st.sampled_from(list(product(names, names))), unique=True, max_size=4)) if names else []
    weights = st.none() | st.floats(allow_nan=False, allow_infinity=False)
    edges = [
        Edge(
            from_=one,
            to=other,
            edge_type=draw(kinds),
            weight=draw(weights),
            metadata=draw(st.none() | st.just({"k": 1})),
        )
        for one, other in pairs
    ]
    return intents, edges


@pytest.mark.spec("CCOS-5", "CCOS-7")
@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_a_backup_of_a_restored_backup_is_the_same_on_every_backend(
    tmp_path_factory: pytest.TempPathFactory, graph: tuple[list[StorableIntent], list[Edge]]
) -> None:
    folder = tmp_path_factory.mktemp("backup")
    path: Path | None = None
    datas = []
    for url in ("memory://", "sqlite://", "memory://"):
        with connect(url) as store:
            if path is None:
                with store.begin() as uow:
                    uow.intents.replace_all(*graph)
            else:
                restore_intents(store, path)
            path = folder / f"{len(datas)}.json"
            with store.read() as view:
                made = backup_intents(view, path, clock=lambda: intent("x").created_at)
                assert fsck(store).findings == ()
        datas.append(path.read_bytes())
        assert is_canonical(datas[-1])
        read = read_backup(path)
        assert (dict(read.intents), read.edges) == (dict(made.intents), made.edges)
        assert backup_bytes(parse_backup(parse_document(datas[-1]))) == datas[-1]
    assert len(set(datas)) == 1
