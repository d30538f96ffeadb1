"""Empty stores of each backend for tests that know nothing of any; another backend is one more name here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist import upgrade
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


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store that other processes can open too."""
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres_database"))
    else:
        url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    return url


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
