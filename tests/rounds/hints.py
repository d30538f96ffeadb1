"""P19: lost notifications cost latency only. On Postgres, where a watch hears of commits by NOTIFY.

Half of the rounds watch through a pooler, where nothing is heard at all; in the others the listening session is ended
before each commit. Control: a watcher that takes notifications for the events.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.watch.delivery import POLL_S
from tests.rounds.clients import BrokenPromiseError
from tests.rounds.places import Place
from tests.rounds.tally import Program, Tally, floor, scaled
from tests.rounds.units import in_unit

ROUNDS, EVENTS = 50, 2
WAITING_S = 0.05
GRACE_S = 1.0
ENDED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE query LIKE 'LISTEN %' AND datname = current_database() AND pid <> pg_backend_pid()
"""


def run(place: Place, scale: float) -> Tally:
    tally, slowest = Tally(), 0.0
    pooled = sa.make_url(place.url).update_query_dict({"pooler": "true"}).render_as_string(hide_password=False)
    with psycopg.connect(_address(place.url), autocommit=True) as admin:

        def end_listening() -> None:
            tally.kills += len(admin.execute(ENDED).fetchall())

        half = scaled(ROUNDS, scale / 2)
        for number in range(2 * half):
            deaf = number % 2 == 0
            url, disturb = (pooled, lambda: None) if deaf else (place.url, end_listening)
            slowest = max(slowest, _one_round(url, f"{place.root}/{number}", disturb))
            tally.rounds += 1
            tally.acks += EVENTS
            tally.operations += EVENTS
    floor("sessions ended", tally.kills, half)
    if scale >= 1 and slowest > POLL_S + GRACE_S:
        raise BrokenPromiseError(f"an event came after {slowest:.2f} s")
    tally.note = (
        f"slowest event {slowest:.2f} s after its commit, looked for every {POLL_S:.0f} s; kills are of sessions"
    )
    return tally


def _one_round(url: str, root: str, disturb: Callable[[], None]) -> float:
    """Watch some commits; how long the slowest took to be told."""
    slowest = 0.0
    with connect(url) as reader, connect(url) as writer, reader.watch(f"kv:{root}/*") as watch:
        for number in range(EVENTS):
            committed: list[float] = []

            def commit(number: int = number, committed: list[float] = committed) -> None:
                disturb()
                in_unit(writer, lambda uow: uow.kv.set(f"{root}/n", b"%d" % number))
                committed.append(time.monotonic())

            # The watch waits already when the commit comes.
            timer = threading.Timer(WAITING_S, commit)
            timer.start()
            values = [event.new_value for event in next(watch).events]
            told = time.monotonic()
            timer.join()
            slowest = max(slowest, told - committed[0])
            if values != [b"%d" % number]:
                raise BrokenPromiseError(f"event {number} was expected, told were {values}")
    return slowest


def control(place: Place, scale: float) -> str | None:
    count, heard = scaled(50, scale, 10), 0
    with psycopg.connect(_address(place.url), autocommit=True) as admin:
        for number in range(count):
            with psycopg.connect(_address(place.url), autocommit=True) as listener:
                listener.execute("LISTEN plain")
                if number % 2:
                    admin.execute(ENDED)
                admin.execute("SELECT pg_notify('plain', 'event')")
                try:
                    heard += len(list(listener.notifies(timeout=0.05, stop_after=1)))
                except psycopg.OperationalError:
                    continue
    return f"notifications as events: {count - heard} of {count} missed" if heard < count else None


def _address(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


PROGRAM = Program("hints", "P19", run, control, suits=lambda backend: backend == "postgres")
