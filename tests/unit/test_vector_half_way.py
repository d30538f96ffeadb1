"""A change of vectors that stops half-way is never committed, and no search finds it in any other view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, UnitOfWork, connect
from charter_persist.errors import CharterError, TimedOutError
from charter_persist.model.vector import VectorDocument
from charter_persist.model.vector_filter import VectorFilter
from charter_persist.repositories.base import WriteContext
from charter_persist.repositories.vector_cache import CACHE

QUERY = [1.0, 0.0]
EVERY = VectorFilter.equals("k", 1)


def documents(*names: str) -> list[VectorDocument]:
    return [VectorDocument(name, "", QUERY, {"k": 1}) for name in names]


CHANGES: dict[str, Callable[[UnitOfWork], Any]] = {
    "upsert": lambda uow: uow.vectors.upsert("c", *documents("new")),
    "upsert_batch": lambda uow: uow.vectors.upsert_batch("c", documents("a", "new", "newer")),
    "delete": lambda uow: uow.vectors.delete("c", "a"),
    "delete_collection": lambda uow: uow.vectors.delete_collection("c"),
}


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'charter.db'}"
    with connect(url, migrate="upgrade") as store:
        yield store


def stop_at(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let the time of a unit run out when it is looked at for that time, as of a process that was paused."""
    looks, check = count(1), WriteContext.check_time

    def run_out(self: WriteContext) -> None:
        if next(looks) == number:
            raise TimedOutError
        check(self)

    patch.setattr(WriteContext, "check_time", run_out)


def found(store: Store) -> tuple[list[str], ...]:
    """What a view holds and finds, by the memory of the process and by the store."""
    with store.read() as view:
        assert view.vectors.count("c") == len(list(view.vectors.iter("c")))
        ways: tuple[Any, ...] = ({"filter": EVERY}, {}, {}, {})  # without a filter the second one fills the memory
        searches = [[each.document.id for each in view.vectors.search("c", QUERY, **way)] for way in ways]
        return ([each.id for each in view.vectors.iter("c")], *searches)


@pytest.mark.spec("ENA-5", "ENA-6")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("has_searched", [False, True])
def test_what_stopped_half_way_is_found_by_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch, change: str, has_searched: bool
) -> None:
    with store.begin() as uow:
        uow.vectors.ensure_collection("c", 2)
        uow.vectors.upsert_batch("c", documents("a", "b"))
    for number in count(1):
        CACHE.forget()
        assert not has_searched or found(store) == (["a", "b"],) * 5
        stopped = False
        with suppress(CharterError), store.begin() as uow:
            with monkeypatch.context() as patch:
                stop_at(patch, number)
                try:
                    CHANGES[change](uow)
                except TimedOutError:
                    stopped = True
            with suppress(CharterError):
                uow.vectors.search("c", QUERY, filter=EVERY)
            if not stopped:
                break
        assert found(store) == (["a", "b"],) * 5
    assert number > 2
    assert found(store) != (["a", "b"],) * 5 if change != "delete_collection" else not collections(store)


def collections(store: Store) -> Any:
    with store.read() as view:
        return view.vectors.list_collections().items
