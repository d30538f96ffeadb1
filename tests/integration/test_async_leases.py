"""Leases and elections for asyncio: what the sync ones promise, and that a cancelled task leaves nothing of them behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from charter_persist import AsyncStore, Set, Store, connect, connect_async, upgrade
from charter_persist.aio import AsyncLease
from charter_persist.aio.desks import READ_THREADS
from charter_persist.errors import (
    InvalidInputError,
    InvalidKeyError,
    LimitExceededError,
    NotSupportedError,
    StoreBusyError,
    StoreClosedError,
    TimedOutError,
    TransactionFailedError,
)
from charter_persist.model.entry import Entry
from charter_persist.testing.leases import BAD_TTLS, LONG_S, SHORT_S
from tests.cancelling import cancel_at, is_free, threads

pytestmark = pytest.mark.spec("KV-5")

POINTS_MAX: Final = 120
MOMENT_S: Final = 0.2
# What is prompt on a machine that is busy with other work.
PROMPT_S: Final = 20.0
SHARED: Final = ("sqlite", "postgres", "etcd")
LEDGERS: Final = ("sqlite", "postgres")
KEEPERS: Final = ("charter-lease", "charter-watch", "charter-interrupt")


def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://"
    if request.param == "etcd":
        return str(request.getfixturevalue("etcd_url"))
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres_database"))
    upgrade(url)
    return url


@pytest.fixture(params=["memory", *SHARED])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address(request, tmp_path)


@pytest.fixture(params=SHARED)
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address(request, tmp_path)


@pytest.fixture(params=LEDGERS)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address(request, tmp_path)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    assert threads() <= before


def backend_of(store: Any) -> Any:
    """What keeps its leases."""
    return store._backend if store.name == "etcd" else store._overdue


class Granted:
    """Every lease that a store granted, as its backend tells of it."""

    def __init__(self, store: AsyncStore) -> None:
        self._leases = backend_of(store.sync_store)
        self._ids: list[str] = []
        grant = self._leases.grant

        def granting(*arguments: Any) -> str:
            self._ids.append(grant(*arguments))
            return self._ids[-1]

        self._leases.grant = granting

    def standing(self, other: Store | None = None) -> list[str]:
        """Those that have not ended, by the word of another store where this one is closed."""
        leases = self._leases if other is None else backend_of(other)
        found, self._ids = [lease for lease in self._ids if leases.time_to_live(lease) is not None], []
        return found

    @property
    def count(self) -> int:
        return len(self._ids)


async def held(store: AsyncStore, key: str) -> Entry | None:
    async with store.read() as view:
        return await view.kv.get(key)


async def nothing_is_left(store: AsyncStore, granted: Granted, *keys: str) -> None:
    """Of what a task had: no lease, no key, no thread that kept or waited; and whoever comes next is served."""
    assert granted.standing() == []
    async with store.read() as view:
        assert [entry.key async for entry in view.kv.iter()] == list(keys)
    assert not [thread.name for thread in threads() if thread.name.startswith(KEEPERS)]
    assert not any(queue.locked() for queue in list(store.queues.values()))
    await is_free(store)


async def begun(task: asyncio.Task[Any]) -> None:
    """Let a task come to where it waits."""
    await asyncio.sleep(MOMENT_S)
    assert not task.done()


async def ended_soon(*tasks: asyncio.Task[Any]) -> None:
    """Cancelled, and gone."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=PROMPT_S)
    assert all(task.cancelled() for task in tasks)


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """How long the loop stood still, each time it went round."""
    stops: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            stops.append(time.monotonic() - before)

    ticker = asyncio.create_task(tick())
    yield stops
    ticker.cancel()


# Leases


def test_a_lease_ends_its_keys(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            granted = Granted(store)
            async with store.lease(LONG_S) as lease:
                await store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
                async with store.begin() as uow:
                    await uow.kv.set("/b", b"1", lease=lease.id)
                    await uow.kv.set("/c", b"1")
                entry = await held(store, "/a")
                assert entry is not None
                assert (entry.lease, lease.ttl_s, lease.lost) == (lease.id, LONG_S, False)
                assert not await lease.wait_lost(0.01)
            assert lease.lost
            assert await lease.wait_lost()
            await nothing_is_left(store, granted, "/c")

    asyncio.run(main())


def test_ending_a_lease_twice_is_ending_it_once(url: str) -> None:
    """By several tasks at once, and by the end of its block, which has nothing left to wait for."""

    async def write(store: AsyncStore, leave: asyncio.Event) -> None:
        async with store.begin():
            await leave.wait()

    async def main() -> None:
        async with await connect_async(url) as store:
            granted = Granted(store)
            async with asyncio.timeout(PROMPT_S), store.lease(LONG_S) as lease:
                await store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
                await asyncio.gather(*[lease.revoke() for _ in range(5)])
                assert await held(store, "/a") is None
                leave = asyncio.Event()
                writing = asyncio.create_task(write(store, leave))
                await begun(writing)
            leave.set()
            await writing
            await nothing_is_left(store, granted)
            async with store.lease(LONG_S) as lease:
                await store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
                await lease.abandon()
                assert lease.lost
            assert await held(store, "/a") is not None
            with pytest.raises(StoreClosedError, match="entered before"):
                block = store.lease(LONG_S)
                async with block, block:
                    pass

    asyncio.run(main())


def test_a_lease_is_kept_alive_while_the_loop_is_busy(url: str) -> None:
    async def main() -> None:
        async with await connect_async(url) as store, store.lease(SHORT_S) as lease:
            await store.run(lambda uow: uow.kv.set("/a", b"1", lease=lease.id))
            time.sleep(3.5 * SHORT_S)
            assert not lease.lost
            assert await held(store, "/a") is not None

    asyncio.run(main())


def test_who_waits_for_the_loss_of_a_lease_is_told_and_holds_no_thread(url: str) -> None:
    """By its end in this store, and by its end in the backend, which the keeper finds out."""

    async def main() -> None:
        async with await connect_async(url) as store:
            for end in ("revoked", "gone"):
                async with store.lease(LONG_S if end == "revoked" else 3 * SHORT_S) as lease:
                    waiting = [asyncio.create_task(lease.wait_lost()) for _ in range(2 * READ_THREADS)]
                    await begun(waiting[0])
                    assert len([thread for thread in threads() if thread.name == "charter-lease"]) == 1
                    async with asyncio.timeout(PROMPT_S):
                        await held(store, "/a")
                        if end == "revoked":
                            await lease.revoke()
                        else:
                            await store.hop(lambda lease=lease: lease.sync_lease._backend.revoke(lease.id))
                        assert await asyncio.gather(*waiting) == [True] * len(waiting)
                        assert lease.sync_lease.left_s > 0  # told, and not found out by the clock
                    assert not lease.sync_lease._told

    asyncio.run(main())


def test_what_the_sync_ones_refuse_is_refused(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with await connect_async(url) as store:
            granted = Granted(store)
            for ttl_s in BAD_TTLS:
                with pytest.raises(InvalidInputError, match="ttl_s"):
                    async with store.lease(ttl_s):
                        pytest.fail("it was granted")
            for key in ("leader", "/", ""):
                with pytest.raises(InvalidKeyError):
                    async with store.elect(key):
                        pytest.fail("it was elected")
            with pytest.raises(LimitExceededError):
                async with store.elect("/" + "x" * 1_024):
                    pytest.fail("it was elected")
            assert granted.count == 0
            with pytest.raises(InvalidInputError):
                async with store.elect("/leader", "text"):  # type: ignore[arg-type]
                    pytest.fail("it was elected")
            await nothing_is_left(store, granted)
        async with await connect_async(f"file://{tmp_path}/archive") as archive:
            for block in (archive.lease(LONG_S), archive.elect("/leader")):
                with pytest.raises(NotSupportedError, match="leases"):
                    async with block:
                        pytest.fail("there are no keys")

    asyncio.run(main())


def test_a_task_does_not_wait_for_its_own_unit(url: str) -> None:
    """It is refused at once, and the lease stands until its block ends."""

    async def main() -> None:
        async with await connect_async(url) as store:
            granted = Granted(store)
            async with store.lease(LONG_S) as lease, asyncio.timeout(PROMPT_S):
                async with store.begin() as uow:
                    with pytest.raises(InvalidInputError, match="unit of work open"):
                        await lease.revoke()
                    with pytest.raises(InvalidInputError, match="unit of work open"):
                        async with store.lease(LONG_S):
                            pytest.fail("it was granted")
                    await uow.kv.set("/a", b"1", lease=lease.id)
                assert not lease.lost
            await nothing_is_left(store, granted)

    asyncio.run(main())


# Elections


def test_of_twenty_tasks_one_leads_at_a_time(url: str) -> None:
    """Each reads and writes a counter apart; none is lost, and each leader has a larger revision than all before."""
    rounds = 2
    revisions: list[int] = []
    leading: list[int] = []

    async def stand(store: AsyncStore, number: int) -> None:
        for _ in range(rounds):
            async with store.elect("/leader", b"%d" % number, ttl_s=LONG_S) as leader:
                leading.append(number)
                assert leading == [number]
                revisions.append(leader.revision)
                counted = await held(store, "/count")
                count = 0 if counted is None else int(counted.value)
                told = await held(store, "/leader")
                assert told is not None
                assert (told.value, told.revision, told.lease) == (leader.value, leader.revision, leader.lease.id)
                more = Set("/count", b"%d" % (count + 1))
                await store.run(lambda uow, more=more: uow.kv.transaction([leader.check, more]))
                leading.remove(number)

    async def main() -> None:
        async with await connect_async(url) as one, await connect_async(url) as other:
            stores = [one] if url == "memory://" else [one, other]
            await asyncio.gather(*[stand(stores[n % len(stores)], n) for n in range(20)])
            count = await held(one, "/count")
            assert count is not None
            assert int(count.value) == len(revisions) == 20 * rounds
            assert revisions == sorted(set(revisions))

    asyncio.run(main())


def test_resigning_hands_over(shared_url: str) -> None:
    """To a sync candidate of another store, and back; a former leader cannot write by its check."""

    async def main() -> None:
        async with await connect_async(shared_url) as store:
            granted = Granted(store)
            with connect(shared_url) as other:
                async with store.elect("/leader", b"first", ttl_s=LONG_S) as first:
                    waiting = asyncio.create_task(
                        asyncio.to_thread(other.elect, "/leader", b"second", ttl_s=LONG_S, timeout_s=PROMPT_S)
                    )
                    await begun(waiting)
                    assert not first.lost
                    await first.resign()
                    assert first.lost
                    assert await first.wait_lost(0)
                    second = await waiting
                    with pytest.raises(TransactionFailedError):
                        await store.run(lambda uow: uow.kv.transaction([first.check, Set("/a", b"stale")]))
                    again = asyncio.create_task(store.elect("/leader", ttl_s=LONG_S).__aenter__())
                    await begun(again)
                    second.resign()
                    third = await asyncio.wait_for(again, PROMPT_S)
                    assert first.revision < second.revision < third.revision
                    await third.resign()
            await nothing_is_left(store, granted)

    asyncio.run(main())


def test_the_next_is_elected_when_the_lease_of_the_leader_ends(url: str) -> None:
    """While the leader is still in its block."""

    async def main() -> None:
        async with await connect_async(url) as store:
            async with store.elect("/leader", b"one", ttl_s=SHORT_S) as first:
                waiting = asyncio.create_task(store.elect("/leader", b"two", ttl_s=LONG_S).__aenter__())
                await begun(waiting)
                await first.lease.abandon()
                second = await asyncio.wait_for(waiting, PROMPT_S)
                assert second.revision > first.revision
            assert not second.lost
            await second.resign()

    asyncio.run(main())


def test_waiting_has_an_end(url: str) -> None:
    """For the one that stands and for those behind it; nothing of them is left."""

    async def late(store: AsyncStore) -> None:
        async with store.elect("/leader", ttl_s=LONG_S, timeout_s=MOMENT_S):
            pytest.fail("it was elected")

    async def main() -> None:
        async with await connect_async(url) as store:
            async with store.elect("/leader", ttl_s=LONG_S) as leader:
                granted = Granted(store)
                found = await asyncio.gather(*[late(store) for _ in range(3)], return_exceptions=True)
                assert [type(error) for error in found] == [TimedOutError] * 3
                assert granted.standing() == []
                told = await held(store, "/leader")
                assert told is not None
                assert told.revision == leader.revision
            await nothing_is_left(store, granted)

    asyncio.run(main())


def test_a_hundred_candidates_keep_nobody_waiting(url: str) -> None:
    """One of them stands; the others have neither thread nor lease, and are gone at once."""

    async def stand(store: AsyncStore) -> None:
        async with store.elect("/leader", ttl_s=LONG_S):
            pytest.fail("it was elected")

    async def main() -> None:
        async with await connect_async(url) as store:
            granted = Granted(store)
            async with store.elect("/leader", ttl_s=LONG_S):
                waiting = [asyncio.create_task(stand(store)) for _ in range(100)]
                await begun(waiting[0])
                assert granted.count == 2
                assert len([thread for thread in threads() if thread.name.startswith(KEEPERS)]) <= 4
                async with asyncio.timeout(PROMPT_S):
                    await asyncio.gather(*[store.run(lambda uow, n=n: uow.kv.set(f"/{n}", b"1")) for n in range(50)])
                    await asyncio.gather(*[held(store, f"/{n}") for n in range(50)])
                    async with store.begin() as uow:
                        for n in range(50):
                            await uow.kv.delete(f"/{n}")
                await ended_soon(*waiting)
            await nothing_is_left(store, granted)

    asyncio.run(main())


def test_candidates_for_many_keys_keep_nobody_waiting(ledger_url: str) -> None:
    """Each stands for its own key, more of them than there are reading threads."""

    async def stand(store: AsyncStore, key: str) -> None:
        async with store.elect(key, ttl_s=LONG_S):
            pytest.fail("it was elected")

    async def main() -> None:
        keys = [f"/leader/{n}" for n in range(2 * READ_THREADS)]
        async with await connect_async(ledger_url) as store:
            await store.run(lambda uow: [uow.kv.set(key, b"taken") for key in keys])
            granted = Granted(store)
            waiting = [asyncio.create_task(stand(store, key)) for key in keys]
            while granted.count < len(keys):
                await asyncio.sleep(0.01)
            async with asyncio.timeout(PROMPT_S):
                await asyncio.gather(*[held(store, keys[0]) for _ in keys])
                await store.run(lambda uow: uow.kv.set("/a", b"1"))
            await ended_soon(*waiting)
            await nothing_is_left(store, granted, "/a", *sorted(keys))

    asyncio.run(main())


# Cancelling


async def hold(store: AsyncStore, key: str) -> None:
    async with store.lease(LONG_S) as lease:
        await store.run(lambda uow: uow.kv.set(key, b"1", lease=lease.id))
        assert not await lease.wait_lost(0.001)


async def lead(store: AsyncStore, key: str) -> None:
    async with store.elect(key, ttl_s=LONG_S) as leader:
        await store.run(lambda uow: uow.kv.transaction([leader.check, Set(f"{key}/a", b"1", lease=leader.lease.id)]))
        await leader.resign()


async def wait_in_vain(store: AsyncStore, key: str) -> None:
    async with store.elect("/taken", ttl_s=LONG_S, timeout_s=0.1):
        pytest.fail("it was elected")


Action = Callable[[AsyncStore, str], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("pause_s", [0, 0.001])
@pytest.mark.parametrize("action", [hold, lead, wait_in_vain], ids=lambda action: action.__name__)
def test_cancelled_at_any_await_no_lease_and_no_key_and_no_thread_is_left(
    url: str, action: Action, pause_s: float
) -> None:
    async def tried(store: AsyncStore, key: str) -> None:
        if action is wait_in_vain:
            with pytest.raises(TimedOutError):
                await action(store, key)
        else:
            await action(store, key)

    async def main() -> None:
        async with await connect_async(url) as store:
            await store.run(lambda uow: uow.kv.set("/taken", b"1"))
            granted = Granted(store)
            for at in range(1, POINTS_MAX):
                async with asyncio.timeout(PROMPT_S):
                    again = await cancel_at(tried(store, f"/t{at}"), at, pause_s=pause_s)
                await nothing_is_left(store, granted, "/taken")
                if not again:
                    assert at > 4
                    return
        raise AssertionError("it never came to its end")

    asyncio.run(main())


@pytest.mark.parametrize("action", [hold, lead], ids=lambda action: action.__name__)
def test_a_lease_that_waits_for_another_process_can_be_cancelled_at_once(ledger_url: str, action: Action) -> None:
    """The writer lock is held all the time, so what waits for it must be interrupted."""

    async def main() -> None:
        async with await connect_async(ledger_url) as store:
            granted = Granted(store)
            with connect(ledger_url) as other, other.begin():
                tasks = [asyncio.create_task(action(store, f"/{n}")) for n in range(3)]
                await begun(tasks[0])
                await ended_soon(*tasks)
                assert not [thread.name for thread in threads() if thread.name == "charter-lease"]
            await nothing_is_left(store, granted)

    asyncio.run(main())


def test_a_leader_that_is_cancelled_is_so_when_it_has_resigned(ledger_url: str) -> None:
    """However often, though the lock is held by another process meanwhile; the loop goes on."""

    async def lead_for_long(store: AsyncStore) -> None:
        async with store.elect("/leader", ttl_s=LONG_S):
            await asyncio.sleep(3600)

    async def main() -> None:
        async with await connect_async(ledger_url) as store:
            granted = Granted(store)
            leading = asyncio.create_task(lead_for_long(store))
            async with asyncio.timeout(PROMPT_S):
                while await held(store, "/leader") is None:
                    await asyncio.sleep(0.01)
            with connect(ledger_url) as other:
                async with ticking() as stops:
                    with other.begin():
                        for _ in range(5):
                            leading.cancel()
                            await asyncio.sleep(MOMENT_S / 5)
                        assert not leading.done()
                assert len(stops) > 5
                await asyncio.wait([leading], timeout=PROMPT_S)
                assert leading.cancelled()
            await nothing_is_left(store, granted)

    asyncio.run(main())


@pytest.mark.parametrize("action", [hold, lead], ids=lambda action: action.__name__)
def test_a_lease_that_is_given_up_in_the_queue_is_never_granted(ledger_url: str, action: Action) -> None:
    """It ends at once, though what it would have shared a commit with still runs; when its turn comes nothing is done."""
    begins, go_on = threading.Event(), threading.Event()

    async def main() -> None:
        async with await connect_async(ledger_url) as store:
            granted = Granted(store)
            running = asyncio.create_task(store.run(lambda uow: [begins.set(), go_on.wait(PROMPT_S)]))
            await asyncio.to_thread(begins.wait, PROMPT_S)
            tasks = [asyncio.create_task(action(store, f"/{n}")) for n in range(3)]
            await begun(tasks[0])
            await ended_soon(*tasks)
            assert not running.done()
            go_on.set()
            await running
            await is_free(store)  # those that were given up have had their turn
            assert granted.count == 0
            await nothing_is_left(store, granted)

    asyncio.run(main())


@pytest.mark.parametrize("action", [hold, lead], ids=lambda action: action.__name__)
def test_a_lease_that_is_cancelled_beside_a_run_is_not_granted_behind_its_task(etcd_url: str, action: Action) -> None:
    """On etcd it stands as soon as it is granted, so that is waited for, though another shares the turn."""
    granting, go_on = threading.Event(), threading.Event()

    async def main() -> None:
        async with await connect_async(etcd_url) as store:
            backend: Any = backend_of(store.sync_store)
            grant = backend.grant
            backend.grant = lambda ttl_s: [granting.set(), go_on.wait(PROMPT_S), grant(ttl_s)][-1]
            granted = Granted(store)
            running = asyncio.create_task(store.run(lambda uow: go_on.wait(PROMPT_S)))
            task = asyncio.create_task(action(store, "/a"))
            await asyncio.to_thread(granting.wait, PROMPT_S)
            task.cancel()
            await asyncio.wait([task], timeout=MOMENT_S)
            assert not task.done()
            go_on.set()
            await ended_soon(task)
            await running
            assert granted.count == 1
            await nothing_is_left(store, granted)

    asyncio.run(main())


@pytest.mark.parametrize("whose", ["process", "task"])
def test_a_lease_that_cannot_be_ended_is_kept_alive_no_more(ledger_url: str, whose: str) -> None:
    """Where the lock is never free: the task is cancelled all the same, and told why the lease stands for its time."""

    async def main() -> None:
        async with await connect_async(ledger_url, unit_timeout_s=MOMENT_S) as store:
            opened: list[Any] = []

            async def keep() -> None:
                async with store.lease(LONG_S) as lease:
                    opened.append(lease)
                    await asyncio.sleep(3600)

            task = asyncio.create_task(keep())
            while not opened:
                await asyncio.sleep(0.01)
            if whose == "process":
                with connect(ledger_url) as other, other.begin():
                    await ended_soon(task)
            else:
                async with store.begin(timeout_s=LONG_S):
                    await ended_soon(task)
            with pytest.raises(asyncio.CancelledError) as caught:
                task.result()
            assert isinstance(caught.value.__cause__, StoreBusyError)
            assert await asyncio.wait_for(opened[0].wait_lost(), PROMPT_S)

    asyncio.run(main())


# The end of a store, and of a loop


def test_closing_a_store_ends_its_leases_and_elections(url: str) -> None:
    """As the sync one: they are kept alive no more, and who waits is refused."""

    async def main() -> None:
        store = await connect_async(url)
        async with store.lease(LONG_S) as lease, store.elect("/leader", ttl_s=LONG_S) as leader:
            waiting = [asyncio.create_task(store.elect("/leader").__aenter__()) for _ in range(3)]
            lost = asyncio.create_task(leader.wait_lost())
            await begun(waiting[0])
            await store.close()
            for task in waiting:
                with pytest.raises(StoreClosedError):
                    await asyncio.wait_for(task, PROMPT_S)
            assert await asyncio.wait_for(lost, PROMPT_S)
            assert lease.lost
            assert not threads()
            await leader.resign()
            await lease.abandon()
        for call in (lambda: store.lease(LONG_S), lambda: store.elect("/leader")):
            with pytest.raises(StoreClosedError):
                call()

    asyncio.run(main())


def test_leases_belong_to_the_loop_of_their_store(shared_url: str) -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:
        store = first.run(connect_async(shared_url))

        async def enter() -> Any:
            return await store.elect("/leader", ttl_s=LONG_S).__aenter__()

        async def elsewhere() -> None:
            for call in (lambda: store.lease(LONG_S), lambda: store.elect("/leader")):
                with pytest.raises(InvalidInputError, match="another event loop"):
                    call()
            with pytest.raises(InvalidInputError, match="another event loop"):
                await leader.resign()

        leader = first.run(enter())
        second.run(elsewhere())
        first.run(leader.resign())
        first.run(store.close())


@pytest.mark.parametrize("stands", [False, True], ids=["leads", "stands"])
def test_a_loop_that_is_closed_leaves_no_leader(shared_url: str, stands: bool) -> None:
    """Its coroutine is thrown away; then nothing can be awaited any more, and a thread resigns by itself."""
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(connect_async(shared_url))
    granted = Granted(store)

    async def lead_for_long() -> None:
        async with store.elect("/leader", ttl_s=LONG_S):
            await asyncio.sleep(3600)

    with connect(shared_url) as other:
        taken = other.elect("/leader", ttl_s=LONG_S) if stands else None
        work = lead_for_long()
        task = loop.create_task(work)
        while granted.count == 0:
            loop.run_until_complete(asyncio.sleep(MOMENT_S))
        loop.run_until_complete(asyncio.sleep(MOMENT_S))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
        del task
        work.close()
        if taken is not None:
            taken.resign()
        with other.elect("/leader", ttl_s=LONG_S, timeout_s=PROMPT_S) as leader:
            assert not leader.lost
            asyncio.run(store.close())
            assert granted.standing(other) == []


@pytest.mark.parametrize("action", [hold, lead], ids=lambda action: action.__name__)
def test_a_loop_that_is_closed_while_a_lease_is_granted_leaves_none(ledger_url: str, action: Action) -> None:
    """The thread that gets the lock later finds that nobody wants it any more."""
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(connect_async(ledger_url))
    granted = Granted(store)
    with connect(ledger_url) as other:
        with other.begin():
            work = action(store, "/a")
            task = loop.create_task(work)
            loop.run_until_complete(asyncio.sleep(MOMENT_S))
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()
            del task
            work.close()
        asyncio.run(store.close())
        assert granted.count == 1
        assert granted.standing(other) == []


def test_who_waited_in_a_loop_that_is_closed_does_not_hinder_the_end_of_a_lease() -> None:
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(connect_async("memory://"))

    async def enter() -> AsyncLease:
        return await store.lease(LONG_S).__aenter__()

    lease = loop.run_until_complete(enter())
    waiting = loop.create_task(lease.wait_lost())
    loop.run_until_complete(asyncio.sleep(MOMENT_S))
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    lease.sync_lease.revoke()
    with store.sync_store.read() as view:
        assert view.leases.next_end() is None
    asyncio.run(store.close())


def test_the_end_of_a_program_resigns(shared_url: str) -> None:
    """`asyncio.run` cancels what is left over."""
    leads = threading.Event()

    async def main() -> AsyncStore:
        store = await connect_async(shared_url)

        async def lead_for_long() -> None:
            async with store.elect("/leader", ttl_s=LONG_S):
                leads.set()
                await asyncio.sleep(3600)

        main.left = asyncio.create_task(lead_for_long())  # type: ignore[attr-defined]
        while not leads.is_set():
            await asyncio.sleep(0.01)
        return store

    store = asyncio.run(main())
    with connect(shared_url) as other, other.elect("/leader", ttl_s=LONG_S, timeout_s=PROMPT_S):
        pass
    asyncio.run(store.close())
