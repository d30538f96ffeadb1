"""The suite on memory, the executable specification."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import LedgerConformance, MemoryPlaces, Place, PlaceFixtures


class TestMemory(PlaceFixtures, LedgerConformance):
    """Every rule holds for plain dictionaries."""

    lacks = MemoryPlaces.lacks

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        place = MemoryPlaces().new()
        yield place
        place.remove()
