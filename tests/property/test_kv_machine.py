"""Keys against a plain dictionary: whatever units do, reads, pages, pasts and the log are what the dictionary says."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from charter_persist.backends.contract import KV_CHANGE
from charter_persist.errors import CharterError, CompactedError
from charter_persist.integrity.verify import verify
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, Set
from charter_persist.repositories.kv import KeyValueRepository
from charter_persist.testing import CountingSources, places_for

KEYS = ("/a", "/a/b", "/A", "/b", "/\ufb33", "/\U0001f600")
VALUES = (b"", b"0", b"1", b"x" * 3_000)
PREFIXES = ("", "/", "/a", "/a/", "/b", "/\U0001f600")
Model = dict[str, tuple[bytes, int, int]]
"""Value, version and revision by key."""

KEY, VALUE = st.sampled_from(KEYS), st.sampled_from(VALUES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEY, VALUE),
        st.tuples(st.just("delete"), KEY),
        st.tuples(st.just("create"), KEY, VALUE),
        st.tuples(st.just("cas"), KEY, VALUE, st.integers(0, 3)),
        st.tuples(st.just("cas revision"), KEY, VALUE, st.integers(0, 8)),
        st.tuples(
            st.just("transaction"),
            st.lists(
                st.one_of(
                    st.builds(Set, KEY, VALUE),
                    st.builds(Delete, KEY),
                    st.builds(CheckVersion, KEY, st.integers(0, 2)),
                    st.builds(CheckRevision, KEY, st.integers(0, 4)),
                ),
                max_size=5,
            ),
        ),
    ),
    max_size=6,
)


class Unit:
    """What a unit makes of the dictionary, said as simply as possible."""

    def __init__(self, before: Model, revision: int) -> None:
        self.before = before
        self.now = dict(before)
        self.revision = revision

    def put(self, key: str, value: bytes) -> int:
        version = self.before[key][1] + 1 if key in self.before else 1
        self.now[key] = (value, version, self.revision)
        return version

    def number(self, key: str, place: int) -> int:
        return self.now[key][place] if key in self.now else 0

    def do(self, step: tuple[Any, ...]) -> Any:
        kind, *rest = step
        if kind == "transaction":
            return self.transaction(rest[0])
        key = rest[0]
        if kind == "delete":
            return self.now.pop(key, None) is not None
        if kind == "create" and key in self.now:
            return "AlreadyExistsError"
        if kind == "cas" and self.number(key, 1) != rest[2]:
            return "VersionConflictError"
        if kind == "cas revision" and self.number(key, 2) != rest[2]:
            return "VersionConflictError"
        return self.put(key, rest[1])

    def transaction(self, operations: list[Any]) -> Any:
        for one in operations:
            place = {CheckVersion: 1, CheckRevision: 2}.get(type(one))
            if place and self.number(one.key, place) != one.expected:
                return "TransactionFailedError"
        for one in operations:
            if type(one) is Set:
                self.put(one.key, one.value)
            elif type(one) is Delete:
                self.now.pop(one.key, None)
        return None


def really(kv: KeyValueRepository, step: tuple[Any, ...]) -> Any:
    kind, *rest = step
    calls: dict[str, Callable[..., Any]] = {
        "set": kv.set,
        "create": kv.create_if_not_exists,
        "delete": lambda key: kv.delete(key, missing_ok=True),
        "cas": lambda key, value, version: kv.compare_and_set(key, value, expected=version),
        "cas revision": lambda key, value, revision: kv.compare_and_set(key, value, expected_revision=revision),
        "transaction": kv.transaction,
    }
    try:
        return calls[kind](*rest)
    except CharterError as exc:
        return type(exc).__name__


class Machine(RuleBasedStateMachine):
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.place = places_for(self.url).new()
        self.store = self.place.open_store(**CountingSources().arguments())
        self.past: list[Model] = [{}]
        self.known_from = 0
        self.cursors: list[tuple[str, str, int, str]] = []

    @property
    def model(self) -> Model:
        return self.past[-1]

    @rule(steps=STEPS, fails=st.booleans())
    def unit(self, steps: list[Any], fails: bool) -> None:
        unit = Unit(self.model, len(self.past))
        try:
            with self.store.begin() as uow:
                for step in steps:
                    assert really(uow.kv, step) == unit.do(step), step
                    shown = {e.key: (e.value, e.version, e.revision) for e in uow.kv.iter()}
                    assert shown == unit.now
                if fails:
                    raise RuntimeError
        except RuntimeError:
            return
        if uow.receipt is not None:
            assert uow.receipt.size - uow.receipt.first_position + 1 == len(
                [key for key in KEYS if self.model.get(key) != unit.now.get(key)]
            )
            self.past.append(unit.now)
        else:
            assert unit.now == self.model

    @rule(upto=st.integers(0, 20))
    def compact(self, upto: int) -> None:
        upto = min(upto, len(self.past) - 1)
        with self.store.begin() as uow:
            dropped = uow.kv.compact(upto=upto)
        if dropped:
            self.known_from = max(self.known_from, upto)
            self.past.append(self.model)

    @rule(key=KEY)
    def erase(self, key: str) -> None:
        with self.store.begin() as uow:
            erased = uow.kv.erase(key)
        if erased:
            self.past = [{k: v for k, v in model.items() if k != key} for model in deepcopy(self.past)]
            self.past.append(dict(self.model))

    @rule(prefix=st.sampled_from(PREFIXES), limit=st.integers(1, 3))
    def first_page(self, prefix: str, limit: int) -> None:
        with self.store.read() as view:
            page = view.kv.list(prefix, limit=limit)
        wanted = sorted(key for key in self.model if key.startswith(prefix))
        assert [entry.key for entry in page.items] == wanted[:limit]
        assert (page.cursor is None) == (len(wanted) <= limit)
        if page.cursor is not None:
            self.cursors.append((prefix, page.cursor, page.revision, page.items[-1].key))

    @rule(limit=st.integers(1, 3), inside=st.booleans())
    def next_page(self, limit: int, inside: bool) -> None:
        if not self.cursors:
            return
        prefix, cursor, revision, after = self.cursors.pop()
        with self.store.begin() if inside else self.store.read() as view:
            try:
                found = [(e.key, e.value) for e in view.kv.list(prefix, limit=limit, cursor=cursor).items]
            except CompactedError:
                assert revision < self.known_from
                return
        then = self.past[revision]
        wanted = sorted(key for key in then if key.startswith(prefix) and key > after)
        assert found == [(key, then[key][0]) for key in wanted[:limit]]

    @invariant()
    def the_present_and_a_past_are_right(self) -> None:
        with self.store.read() as view:
            assert view.revision == len(self.past) - 1
            assert {e.key: (e.value, e.version, e.revision) for e in view.kv.iter()} == self.model
        revision = len(self.past) // 2
        with self.store.read(as_of=revision) as view:
            if revision < self.known_from:
                with pytest.raises(CompactedError) as caught:
                    view.kv.get("/a")
                assert caught.value.oldest == self.known_from
            else:
                assert {e.key: (e.value, e.version, e.revision) for e in view.kv.iter()} == self.past[revision]

    def teardown(self) -> None:
        assert verify(self.store, store_id=self.store.store_id).findings == ()
        with self.store.read() as view:
            for row in view.reader.scan(KV_CHANGE, ("position",)):
                entry = view.journal.entry(row.position)
                assert entry is not None
                assert (entry.subject, entry.revision) == (row.key, row.revision)
        self.store.close()
        self.place.remove()


@pytest.mark.spec("KV-2", "KV-3", "KV-4")
@pytest.mark.parametrize(("url", "examples"), [("memory://", 100), ("sqlite://", 15)])
def test_keys_are_a_dictionary_with_a_past(url: str, examples: int) -> None:
    machine = type("Of", (Machine,), {"url": url})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
