"""The suite of keys on etcd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist.testing import KeyStoreConformance, Place, PlaceFixtures
from charter_persist.testing.etcd_places import EtcdPlaces
from tests.etcd_server import EtcdServer


class TestEtcd(PlaceFixtures, KeyStoreConformance):
    """Every rule of keys, watches, leases and elections holds, but for what needs a journal."""

    lacks = EtcdPlaces.lacks

    @pytest.fixture
    def place(self, etcd_server: EtcdServer) -> Iterator[Place]:
        place = EtcdPlaces(etcd_server.endpoints[0]).new()
        yield place
        place.remove()
