"""A process that dies in the middle of a unit of work.

It is a child of a server process that never opened a database, so it shares no lock and no connection with anybody.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import cache
from typing import TYPE_CHECKING

from charter_persist.store import connect
from charter_persist.testing.operations import Operation, perform
from charter_persist.testing.sources import CountingSources

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext  # not there on every platform


def crash_inside_a_unit(url: str, operations: list[Operation], count: int) -> None:
    """Begin a unit in another process, change what the operations change, and kill that process with SIGKILL.

    Args:
        url: of the store.
        operations: what the unit does before it dies; all of it is written into its transaction.
        count: state of the sources.
    """
    child = _server().Process(target=_die_inside_a_unit, args=(url, operations, count))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, f"the process that was to be killed ended with {child.exitcode}"
    child.close()


@cache
def _server() -> ForkServerContext:
    """Where children come from; what they need is imported once, before the first of them."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    return server


def _die_inside_a_unit(url: str, operations: list[Operation], count: int) -> None:
    with connect(url, **CountingSources(count).arguments()) as store, store.begin() as uow:
        perform(operations, uow)
        uow.flush()
        os.kill(os.getpid(), signal.SIGKILL)
