"""Watching without any wake-up: whatever is lost on the way costs time, and no event."""

from __future__ import annotations

import time
from typing import Any

import pytest

from charter_persist.backends.contract import LedgerBackend
from charter_persist.backends.memory import MemoryBackend
from charter_persist.testing import (
    DelegatingBackend,
    MemoryBackDoor,
    OpenStore,
    SharedBackend,
    StoreFixtures,
    WatchCompactionConformance,
    WatchConformance,
    WatchEndConformance,
    WatchStoresConformance,
    open_over,
)
from charter_persist.watch import delivery


class DeafListener:
    """Hears nothing, and cannot be woken."""

    def wait(self, timeout_s: float) -> None:
        time.sleep(timeout_s)

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


class DeafBackend(DelegatingBackend):
    def listen(self) -> Any:
        return DeafListener()


class WakefulListener(DeafListener):
    """Wakes all the time."""

    def wait(self, timeout_s: float) -> None:
        time.sleep(0)


class WakefulBackend(DelegatingBackend):
    def listen(self) -> Any:
        return WakefulListener()


class OverMemory(
    WatchConformance, WatchStoresConformance, WatchCompactionConformance, WatchEndConformance, StoreFixtures
):
    wrap: type[DelegatingBackend]

    @pytest.fixture(autouse=True)
    def _short_polls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(delivery, "POLL_S", 0.005)

    @pytest.fixture
    def memory(self) -> MemoryBackend:
        return MemoryBackend()

    @pytest.fixture
    def open_store(self, memory: MemoryBackend) -> OpenStore:
        def backend() -> LedgerBackend:
            return self.wrap(SharedBackend(memory))

        return open_over(backend)

    @pytest.fixture
    def backdoor(self, memory: MemoryBackend) -> MemoryBackDoor:
        return MemoryBackDoor(memory)


class TestDeaf(OverMemory):
    """Nothing is missed by a watch that is never woken."""

    wrap = DeafBackend


class TestWakeful(OverMemory):
    """Nothing is doubled by a watch that is woken for nothing."""

    wrap = WakefulBackend
