"""Empty stores of each backend for tests that know nothing of any; another backend is one more name here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import MemoryPlaces, OpenStore, Place, PostgresPlaces, SqlitePlaces
from charter_persist.testing.etcd_places import EtcdPlaces
from charter_persist.testing.places import Places
from tests.etcd_server import EtcdServer
from tests.postgres import create_database, drop_database


@pytest.fixture(scope="session")
def quiet_etcd() -> Iterator[EtcdServer]:
    """A node for tests that count its revisions or compact it: every store on it shares both."""
    server = EtcdServer(options=["--experimental-watch-progress-notify-interval=200ms"])
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Places of one backend; a module whose cases hold on ``etcd`` too names it in a parametrization of its own."""
    if request.param == "etcd":
        yield EtcdPlaces(request.getfixturevalue("quiet_etcd").endpoints[0])
        return
    if request.param != "postgres":
        made = MemoryPlaces() if request.param == "memory" else SqlitePlaces(tmp_path_factory.mktemp("places"))
        yield made
        made.close()
        return
    server = request.getfixturevalue("postgres_server")
    database = create_database(server.url)
    postgres = PostgresPlaces(database)
    yield postgres
    postgres.close()
    drop_database(server.url, database)


@pytest.fixture
def place(places: Places) -> Iterator[Place]:
    """An empty store."""
    place = places.new()
    yield place
    place.remove()


@pytest.fixture
def open_store(place: Place) -> OpenStore:
    """Opens it, again at each call."""
    return place.open_store
