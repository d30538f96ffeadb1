"""The suite on ``sqlite://``, and what is special about a private file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import connect
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.testing import LedgerConformance, Place, PlaceFixtures, PrivatePlaces


class TestSqlitePrivate(PlaceFixtures, LedgerConformance):
    """Every rule holds on a private temporary file."""

    lacks = PrivatePlaces.lacks

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        place = PrivatePlaces().new()
        yield place
        place.remove()


@pytest.mark.parametrize("url", ["sqlite://", "memory://"])
def test_a_private_store_begins_at_head_and_empty_and_shares_nothing(url: str) -> None:
    with connect(url) as one, connect(url) as two:
        with one.begin() as uow:
            uow.objects.put("doc", 1)
        with two.read() as view:
            assert view.journal.size() == 0
        assert one.store_id != two.store_id


def test_a_private_file_goes_with_its_store() -> None:
    store = connect("sqlite://")
    backend = store._backend
    assert isinstance(backend, SqliteBackend)
    with store.begin() as uow:
        uow.objects.put("doc", 1)
    assert backend.path.exists()
    store.close()
    assert not backend.path.parent.exists()
