"""A store that is closed while other threads open watches on it is closed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from charter_persist import Store, connect
from charter_persist.errors import StoreClosedError

ROUNDS = 150


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
@pytest.mark.spec("ENA-1")
def test_closing_meets_threads_that_go_on_watching() -> None:
    for _ in range(ROUNDS):
        store = connect("memory://")
        kept = [store.watch("ref:*") for _ in range(50)]
        opener = threading.Thread(target=watch_until_closed, args=(store, kept))
        opener.start()
        try:
            store.close()
        finally:
            opener.join()


def watch_until_closed(store: Store, kept: list[object]) -> None:
    with suppress(StoreClosedError):
        while True:
            kept.append(store.watch("ref:*"))
