"""A backend that lies about its capabilities changes no answer: the whole suite passes on it, whatever it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.backends.contract import BackendCapabilities, LedgerBackend
from charter_persist.backends.memory import MemoryBackend
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.testing import (
    EVERYTHING,
    NOTHING,
    CountingSources,
    LedgerConformance,
    LyingBackend,
    MemoryBackDoor,
    Place,
    PlaceFixtures,
    RandomCapabilities,
    Requirement,
    SharedBackend,
    SqliteBackDoor,
    SqlitePlaces,
    open_over,
    places_for,
    record_history,
)


def lying_memory(lies: BackendCapabilities) -> Place:
    backend = MemoryBackend()
    open_store = open_over(lambda: LyingBackend(SharedBackend(backend), lies))
    return Place(open_store, MemoryBackDoor(backend), None, lambda: None)


@pytest.mark.spec("STO-2")
class TestEverythingIsClaimed(PlaceFixtures, LedgerConformance):
    lacks = frozenset({Requirement.REOPEN, Requirement.READ_ONLY})

    @pytest.fixture
    def place(self) -> Place:
        return lying_memory(EVERYTHING)


@pytest.mark.spec("STO-2")
class TestNothingIsClaimed(PlaceFixtures, LedgerConformance):
    lacks = frozenset({Requirement.REOPEN, Requirement.READ_ONLY})

    @pytest.fixture
    def place(self) -> Place:
        return lying_memory(NOTHING)


@pytest.fixture(scope="module")
def sqlite_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlaces]:
    places = SqlitePlaces(tmp_path_factory.mktemp("lying"))
    yield places
    places.close()


@pytest.mark.spec("STO-2")
class TestAnswersAreGivenByChance(PlaceFixtures, LedgerConformance):
    lacks = frozenset({Requirement.READ_ONLY})

    @pytest.fixture
    def place(self, sqlite_places: SqlitePlaces) -> Iterator[Place]:
        place = sqlite_places.new()
        backdoor = place.backdoor
        assert isinstance(backdoor, SqliteBackDoor)
        lies = RandomCapabilities(seed=1)
        yield Place(
            open_over(lambda: LyingBackend(SqliteBackend(backdoor.path), lies)), backdoor, place.url, place.remove
        )
        place.remove()


@pytest.mark.spec("STO-2")
def test_the_same_history_has_the_same_root_whatever_is_claimed() -> None:
    roots = set()
    for lies in (EVERYTHING, NOTHING, RandomCapabilities(2)):
        with lying_memory(lies).open_store(**CountingSources().arguments()) as store:
            roots.add(record_history(store)[-1].root)
    with places_for("memory://").new().open_store(**CountingSources().arguments()) as honest:
        roots.add(record_history(honest)[-1].root)
    assert len(roots) == 1


def test_a_lie_reaches_whoever_asks_the_store() -> None:
    with lying_memory(NOTHING).open_store() as store:
        assert store.capabilities == NOTHING
    random = RandomCapabilities(3)
    with lying_memory(random).open_store() as store:
        answers = {store.capabilities.supports_ordering for _ in range(50)}
    assert answers == {True, False}


def test_a_lying_backend_is_a_ledger_backend() -> None:
    backend: LedgerBackend = LyingBackend(MemoryBackend(), NOTHING)
    assert backend.diagnose().problems == ()
    backend.close()
