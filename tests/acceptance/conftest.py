"""The engine over each ledger backend: every test of this folder runs on memory, on a SQLite file and on Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.engine.charter import Charter
from charter_persist.store import Store
from charter_persist.testing import MemoryPlaces, Place, Places, PostgresPlaces, SqlitePlaces
from charter_persist.testing.deciding import initialise
from tests.postgres import PostgresServer, create_database, drop_database


@pytest.fixture(scope="session", params=["memory", "sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    if request.param == "memory":
        yield MemoryPlaces()
    elif request.param == "sqlite":
        yield SqlitePlaces(tmp_path_factory.mktemp("acceptance"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = create_database(server.url)
        places = PostgresPlaces(url)
        yield places
        places.close()
        drop_database(server.url, url)


@pytest.fixture
def place(places: Places) -> Iterator[Place]:
    place = places.new()
    yield place
    place.remove()


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with place.open_store() as store:
        yield store


@pytest.fixture
def charter(store: Store) -> Charter:
    return Charter(store)


@pytest.fixture
def area(charter: Charter) -> str:
    """An initialised area in which ana decides alone."""
    return initialise(charter, "works")


@pytest.fixture
def council(charter: Charter) -> str:
    """An initialised area in which ana, ben and eva decide, unanimously."""
    return initialise(charter, "council", rule="UNANIMOUS_PRESENT", actors=("ana", "ben", "eva"))
