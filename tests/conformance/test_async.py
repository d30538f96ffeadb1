"""The suite through the async face: every rule holds, on SQLite; what threads and commits decide, on every backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import (
    BatchConformance,
    ElectionConformance,
    InterruptConformance,
    KeyStoreConformance,
    KeyValueConformance,
    LeaseConformance,
    LedgerConformance,
    MemoryPlaces,
    ObjectStoreConformance,
    OpenStore,
    Place,
    PlaceFixtures,
    PostgresPlaces,
    RaceConformance,
    RunConformance,
    SqlitePlaces,
    TimeLimitConformance,
    UnitConformance,
    WatchConformance,
)
from charter_persist.testing.etcd_places import EtcdPlaces
from tests.etcd_server import EtcdServer
from tests.postgres import PostgresServer, create_database, drop_database
from tests.sync_over_async import SyncOverAsync


@pytest.fixture(scope="module")
def async_sqlite_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlaces]:
    places = SqlitePlaces(tmp_path_factory.mktemp("sqlite"))
    yield places
    places.close()


@pytest.fixture(scope="module")
def async_postgres_places(postgres_server: PostgresServer) -> Iterator[PostgresPlaces]:
    url = create_database(postgres_server.url)
    places = PostgresPlaces(url)
    yield places
    places.close()
    drop_database(postgres_server.url, url)


class ThroughAsync(PlaceFixtures):
    """Left out is what the async face says in words of its own, and tests/integration/test_async_*.py show."""

    test_a_second_unit_of_the_same_thread_is_refused = None
    test_a_unit_inside_a_run_is_refused = None
    test_a_unit_may_be_ended_by_another_thread = None
    test_closing_ends_a_watch_that_waits = None
    test_an_asynchronous_watch_tells_the_same = None
    test_cancelling_loses_no_batch = None
    test_closing_ends_an_asynchronous_watch = None
    test_many_asynchronous_watches_keep_no_other_work_waiting = None
    test_the_end_of_a_loop_ends_what_waits_in_it = None
    test_an_error_reaches_an_asynchronous_reader = None
    test_what_is_no_type_is_refused = None  # of an archive: said when it is first used
    test_put_many_takes_items_as_they_come = None  # its items call the unit whose call takes them

    @pytest.fixture
    def open_store(self, place: Place) -> Iterator[OpenStore]:
        over = SyncOverAsync(place.open_store)
        yield over
        over.close()


class Essentials(
    UnitConformance,
    TimeLimitConformance,
    RunConformance,
    BatchConformance,
    InterruptConformance,
    RaceConformance,
    ObjectStoreConformance,
    KeyValueConformance,
    WatchConformance,
    LeaseConformance,
    ElectionConformance,
):
    """What depends on the threads of a backend: units, their ends, races, watching, leases."""


class TestAsyncMemory(ThroughAsync, Essentials):
    lacks = MemoryPlaces.lacks

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        place = MemoryPlaces().new()
        yield place
        place.remove()


class TestAsyncSqlite(ThroughAsync, LedgerConformance):
    lacks = SqlitePlaces.lacks

    @pytest.fixture
    def place(self, async_sqlite_places: SqlitePlaces) -> Iterator[Place]:
        place = async_sqlite_places.new()
        yield place
        place.remove()


class TestAsyncPostgres(ThroughAsync, Essentials):
    lacks = PostgresPlaces.lacks

    @pytest.fixture
    def place(self, async_postgres_places: PostgresPlaces) -> Iterator[Place]:
        place = async_postgres_places.new()
        yield place
        place.remove()


class TestAsyncEtcd(ThroughAsync, KeyStoreConformance):
    lacks = EtcdPlaces.lacks

    @pytest.fixture
    def place(self, etcd_server: EtcdServer) -> Iterator[Place]:
        place = EtcdPlaces(etcd_server.endpoints[0]).new()
        yield place
        place.remove()
