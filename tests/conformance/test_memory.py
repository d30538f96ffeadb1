"""The suite on memory, the executable specification."""

from __future__ import annotations

import pytest

from charter_persist.testing.audit import *
from charter_persist.testing.fixtures import StoreFixtures
from charter_persist.testing.metadata import *
from charter_persist.testing.objects import *
from charter_persist.testing.places import *
from charter_persist.testing.refs import *
from charter_persist.testing.limits import *
from charter_persist.testing.names import *
from charter_persist.testing.races import *
from charter_persist.testing.journal import *
from charter_persist.testing.units import *
from charter_persist.testing.batches import *
from charter_persist.testing.sessions import *


@pytest.fixture(scope="module", params=["m", "s", "p"])
def places(request):
    ps = {
        "m": MemoryPlaces,
        "s": lambda: SqlitePlaces(Path("/tmp")),
        "p": lambda: PostgresPlaces("postgresql+psycopg://postgres@127.0.0.1:55432/postgres"),
    }[request.param]()
    yield ps
    ps.close()


class F(StoreFixtures):
    @pytest.fixture(autouse=True)
    def _lk(self, places, monkeypatch):
        monkeypatch.setattr(type(self), "lacks", places.lacks)

    @pytest.fixture
    def place(self, places):
        p = places.new()
        yield p
        p.remove()

    @pytest.fixture
    def open_store(self, place):
        return place.open_store

    @pytest.fixture
    def backdoor(self, place):
        return place.backdoor


class TestA(F, ObjectStoreConformance):
    pass


class TestB(F, ObjectLookupConformance):
    pass


class TestC(F, ObjectBulkConformance):
    pass


class TestD(F, RefStoreConformance):
    pass


class TestE(F, AuditStoreConformance):
    pass


class TestF(F, MetadataStoreConformance):
    pass


class TestG(F, MetadataCompactionConformance):
    pass


class TestH(F, SessionStoreConformance):
    pass


class TestI(F, SessionEndConformance):
    pass


class TestJ(F, JournalConformance):
    pass


class TestK(F, UnitConformance):
    pass


class TestL(F, TimeLimitConformance):
    pass


class TestM(F, RunConformance):
    pass


class TestN(F, BatchConformance):
    pass
class TestO(F, BadValueConformance): pass
class TestP(F, LimitConformance): pass
class TestQ(F, NameConformance): pass
class TestR(F, NameLimitConformance): pass
class TestS(F, RaceConformance): pass
