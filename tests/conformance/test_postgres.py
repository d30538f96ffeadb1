"""The suite on Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import LedgerConformance, Place, PlaceFixtures, PostgresPlaces
from tests.postgres import PostgresServer, create_database, drop_database


@pytest.fixture(scope="module")
def postgres_places(postgres_server: PostgresServer) -> Iterator[PostgresPlaces]:
    """One database for the module: its schema is made once and emptied for each test, which is faster than a copy."""
    url = create_database(postgres_server.url)
    places = PostgresPlaces(url)
    yield places
    places.close()
    drop_database(postgres_server.url, url)


class TestPostgres(PlaceFixtures, LedgerConformance):
    """Every rule holds on Postgres, and nothing is lacking."""

    lacks = PostgresPlaces.lacks

    @pytest.fixture
    def place(self, postgres_places: PostgresPlaces) -> Iterator[Place]:
        place = postgres_places.new()
        yield place
        place.remove()
