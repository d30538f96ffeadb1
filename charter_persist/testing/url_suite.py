"""The suite against the stores of one URL, which an environment variable names; `report` runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from charter_persist.testing.fixtures import Place, PlaceFixtures, Requirement
from charter_persist.testing.places import Places, places_for
from charter_persist.testing.suite import LedgerConformance

URL_VARIABLE: Final = "CHARTER_CONFORMANCE_URL"


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    """Stores of the kind that the URL names."""
    places = places_for(os.environ[URL_VARIABLE])
    yield places
    places.close()


class TestUrl(PlaceFixtures, LedgerConformance):
    """Every rule holds for these stores."""

    @pytest.fixture
    def place(self, places: Places) -> Iterator[Place]:
        """Where the test's store lives."""
        place = places.new()
        yield place
        place.remove()

    @pytest.fixture
    def lacking(self, places: Places) -> frozenset[Requirement]:
        """What stores of this kind do not have."""
        return places.lacks
