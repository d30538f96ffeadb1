"""The suite on a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import LedgerConformance, Place, PlaceFixtures, SqlitePlaces


@pytest.fixture(scope="module")
def sqlite_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlaces]:
    places = SqlitePlaces(tmp_path_factory.mktemp("sqlite"))
    yield places
    places.close()


class TestSqliteFile(PlaceFixtures, LedgerConformance):
    """Every rule holds on a file, and nothing is lacking."""

    lacks = SqlitePlaces.lacks

    @pytest.fixture
    def place(self, sqlite_places: SqlitePlaces) -> Iterator[Place]:
        place = sqlite_places.new()
        yield place
        place.remove()
