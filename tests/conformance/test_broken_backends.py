"""Tests can fail: each backend here is broken in one way, and the test that is named beside it finds it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from charter_persist.backends.contract import OBJECT, REF, Changes, Key, LedgerBackend, Relation
from charter_persist.backends.memory import MemoryBackend
from charter_persist.errors import CharterError
from charter_persist.testing import DelegatingBackend, LedgerConformance, MemoryBackDoor, SharedBackend, open_over


class Warped:
    """Hands everything on to a snapshot or a transaction."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Broken(DelegatingBackend):
    """A backend whose snapshots and transactions are warped."""

    warp: type[Warped] = Warped

    def snapshot(self) -> Any:
        return self.warp(super().snapshot())

    def transaction(self, timeout_s: float) -> Any:
        return self.warp(super().transaction(timeout_s))


class CommitsOnRollback(Broken):
    class warp(Warped):  # noqa: N801
        def rollback(self) -> None:
            if self.inner._open:
                self.inner.commit({}, None)


class ForgetsWhatWasApplied(Broken):
    class warp(Warped):  # noqa: N801
        def apply(self, changes: Changes) -> None:
            pass


class TakesItsSnapshotLate(Broken):
    class warp(Warped):  # noqa: N801
        fresh: Callable[[], Any]

        def __getattr__(self, name: str) -> Any:
            if name in ("get", "get_many", "scan"):
                self.inner._commit = max(self.inner._commit, self.inner._backend.commits)
            return getattr(self.inner, name)


class IgnoresCase(Broken):
    class warp(Warped):  # noqa: N801
        def scan(self, relation: Relation[Any], order: tuple[str, ...], **bounds: Any) -> Iterator[Any]:
            rows = self.inner.scan(relation, order, **bounds)
            return iter(sorted(rows, key=lambda row: row.name.casefold())) if relation is REF else rows


class BeginsAtTheMark(Broken):
    class warp(Warped):  # noqa: N801
        def scan(self, relation: Relation[Any], order: tuple[str, ...], **bounds: Any) -> Iterator[Any]:
            if order[-1] == "position" and bounds.get("after") and not bounds.get("reverse"):
                bounds["start"] = bounds.pop("after")
            return self.inner.scan(relation, order, **bounds)


class KeepsJsonItsOwnWay(Broken):
    class warp(Warped):  # noqa: N801
        def commit(self, changes: Changes, head: Any) -> None:
            rows = dict(changes.get(OBJECT, {}))
            for key, row in rows.items():
                rows[key] = row._replace(data=json.dumps(json.loads(row.data)).encode())
            self.inner.commit({**changes, OBJECT: rows}, head)


class ForgetsErasures(Broken):
    class warp(Warped):  # noqa: N801
        def commit(self, changes: Changes, head: Any) -> None:
            kept = {
                relation: {key: row for key, row in rows.items() if row is None or not relation.is_erasure(row)}
                for relation, rows in changes.items()
            }
            self.inner.commit(kept, head)


class AnswersFromMemory(Broken):
    """Remembers what it read, misses included."""

    def __init__(self, backend: LedgerBackend) -> None:
        super().__init__(backend)
        known: dict[tuple[str, Key], Any] = {}

        class Remembering(Warped):
            def get(self, relation: Relation[Any], key: Key) -> Any:
                if (relation.name, key) not in known:
                    known[relation.name, key] = self.inner.get(relation, key)
                return known[relation.name, key]

        self.warp = Remembering


class AddsASecondLedger(Broken):
    """Says it is at the beginning whenever it is asked."""

    class warp(Warped):  # noqa: N801
        position = 0
        revision = 0


FOUND_BY = [
    (CommitsOnRollback, "test_a_unit_that_was_undone_hides_nothing_of_a_later_one"),
    (ForgetsWhatWasApplied, "test_a_unit_beyond_every_buffer_is_whole"),
    (TakesItsSnapshotLate, "test_a_view_is_one_moment"),
    (IgnoresCase, "test_refs_come_in_the_order_of_their_bytes"),
    (BeginsAtTheMark, "test_reading_entries_goes_on_at_every_position"),
    (KeepsJsonItsOwnWay, "test_an_object_stands_in_the_backend_byte_for_byte"),
    (ForgetsErasures, "test_an_erased_event_keeps_its_number_and_every_proof"),
    (AnswersFromMemory, "test_an_object_that_stands_in_the_backend_is_what_get_gives"),
    (AddsASecondLedger, "test_another_handle_sees_what_was_committed"),
]


def run_test(name: str, backend_of: Callable[[LedgerBackend], LedgerBackend]) -> None:
    """Call one test of the suite on a new memory backend, wrapped."""
    memory = MemoryBackend()
    open_store = open_over(lambda: backend_of(SharedBackend(memory)))
    test = getattr(LedgerConformance(), name)
    with open_store() as store:
        offered = {"store": store, "open_store": open_store, "backdoor": MemoryBackDoor(memory)}
        test(**{parameter: offered[parameter] for parameter in inspect.signature(test).parameters})


@pytest.mark.parametrize(("broken", "name"), FOUND_BY, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_backend_is_found(broken: type[Broken], name: str) -> None:
    run_test(name, DelegatingBackend)
    with pytest.raises((AssertionError, CharterError, pytest.fail.Exception)):
        run_test(name, broken)
