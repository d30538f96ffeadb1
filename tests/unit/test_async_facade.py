"""The generated face is current, complete, and nothing that has no asynchronous form is left out of it in silence."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from charter_persist import AsyncCharter, AsyncStore, Charter, ReadView, Store, UnitOfWork, connect, connect_async
from charter_persist.aio import AsyncLeadership, AsyncLease
from charter_persist.aio.generated.views import AsyncReadView, AsyncUnitOfWork
from charter_persist.aio.turn import SHARES, Turn
from charter_persist.aio.waiting import settle
from charter_persist.errors import InvalidInputError, StoreBusyError, StoreClosedError
from charter_persist.journal.ledger import JournalReader
from charter_persist.lease.election import Leadership
from charter_persist.lease.lease import Lease
from charter_persist.repositories.objects import ObjectReader
from tools import make_async_facade

ROOT = Path(__file__).parents[2]
PAIRS = [(Store, AsyncStore), (ReadView, AsyncReadView), (UnitOfWork, AsyncUnitOfWork), (Charter, AsyncCharter)]
NOT_FOR_TASKS = {
    (Store, "interrupt"),
    *((ReadView, name) for name in ("reader", "rows", "contents")),
    *((UnitOfWork, name) for name in ("reader", "rows")),
}


def names(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_the_face_is_current() -> None:
    for path, text in make_async_facade.pages().items():
        assert path.read_text() == text, f"run `python -m tools.make_async_facade`: {path.name} is out of date"
    assert set(make_async_facade.FOLDER.glob("*.py")) == set(make_async_facade.pages())


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS, ids=lambda cls: cls.__name__)
def test_every_public_name_has_an_asynchronous_form(sync: type, asynchronous: type) -> None:
    assert {name for name in names(sync) - names(asynchronous) if (sync, name) not in NOT_FOR_TASKS} == set()


def test_every_repository_has_its_asynchronous_form_with_the_same_arguments() -> None:
    seen: dict[type, None] = {}
    for cls, _ in PAIRS:
        make_async_facade.reached(cls, seen)
    assert {ObjectReader, JournalReader} <= set(seen)
    assert len(seen) > 15
    for cls in seen:
        module = __import__(f"charter_persist.aio.generated.{make_async_facade.home(cls)}", fromlist=["x"])
        face = getattr(module, make_async_facade.async_name(cls))
        for name, value in make_async_facade.public(cls):
            if inspect.isfunction(value):
                theirs, ours = inspect.signature(value).parameters, inspect.signature(getattr(face, name)).parameters
                assert list(map(str, theirs.values())) == list(map(str, ours.values())), (cls, name)


@pytest.mark.parametrize("name", sorted(make_async_facade.BY_HAND[Store] - {"interrupt"}))
def test_what_is_written_by_hand_has_the_same_arguments(name: str) -> None:
    theirs, ours = (inspect.signature(getattr(cls, name)).parameters for cls in (Store, AsyncStore))
    assert list(map(str, theirs.values())) == list(map(str, ours.values()))


@pytest.mark.parametrize(
    ("sync", "asynchronous"), [(Lease, AsyncLease), (Leadership, AsyncLeadership)], ids=["lease", "leadership"]
)
def test_a_lease_and_a_leadership_offer_what_the_sync_ones_offer(sync: type, asynchronous: type) -> None:
    """But for what the async one is made of."""
    for name in names(sync) - {"left_s", "telling"}:
        theirs, ours = getattr(sync, name), getattr(asynchronous, name)
        assert type(theirs) is type(ours), name
        if inspect.isfunction(theirs):
            assert inspect.iscoroutinefunction(ours), name
            assert list(inspect.signature(theirs).parameters) == list(inspect.signature(ours).parameters)


def test_connect_async_takes_what_connect_takes() -> None:
    assert list(map(str, inspect.signature(connect).parameters.values())) == list(
        map(str, inspect.signature(connect_async).parameters.values())
    )


SOMETHING = object()


class Odd:
    """Methods that have no asynchronous form."""

    def either(self) -> ObjectReader | None:
        return None

    def block(self) -> AbstractContextManager[int]:
        raise NotImplementedError

    def strange(self, x: Any = SOMETHING) -> int:
        return 0

    def items(self, *names: str, **more: int) -> Iterator[int]:
        return iter(())


@pytest.mark.parametrize("name", ["either", "block", "strange"])
def test_what_has_no_asynchronous_form_is_an_error_of_the_tool(name: str) -> None:
    with pytest.raises(TypeError):
        make_async_facade.Method(make_async_facade.Module("odd", ""), Odd, getattr(Odd, name)).written()


def test_every_kind_of_argument_is_handed_on() -> None:
    written = make_async_facade.Method(make_async_facade.Module("odd", ""), Odd, Odd.items).written()
    assert "def items(self, *names: str, **more: int) -> AsyncIterator[int]" in written
    assert "it.items(*names, **more)" in written


def test_the_package_is_imported_without_its_asynchronous_face() -> None:
    """So the tool can make it again after any change; and it is there when it is asked for."""
    code = (
        "import sys, charter_persist; assert 'charter_persist.aio' not in sys.modules; charter_persist.connect_async;"
        "assert 'charter_persist.aio' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    import charter_persist

    with pytest.raises(AttributeError):
        _ = charter_persist.nothing


# Waiting


def test_a_cancelled_waiter_waits_on_where_hastening_fails() -> None:
    """The future is what counts; what went wrong beside it is the cause of the cancellation."""

    async def fails(future: asyncio.Future[int]) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(settle(future, fails))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        future.set_result(1)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    asyncio.run(main())


# The turn


async def taking(turn: Turn, log: list[str], name: str, *, shared: bool) -> None:
    await turn.take(shared=shared)
    log.append(name)


def test_the_turn_is_fair_and_shared_by_neighbours_only() -> None:
    async def main() -> None:
        turn, log = Turn(10), []
        await turn.take(shared=True)
        tasks = []
        for name, shared in (("a", False), ("b", True), ("c", True), ("d", False)):
            tasks.append(asyncio.create_task(taking(turn, log, name, shared=shared)))
            await asyncio.sleep(0)
        assert log == []  # b could share with who has it, and would overtake a
        turn.release(shared=True)
        await asyncio.sleep(0.01)
        assert log == ["a"]
        turn.release()
        await asyncio.sleep(0.01)
        assert log == ["a", "b", "c"]
        turn.release(shared=True)
        await asyncio.sleep(0.01)
        assert log == ["a", "b", "c"]
        turn.release(shared=True)
        await asyncio.gather(*tasks)
        assert log[-1] == "d"

    asyncio.run(main())


def test_so_many_share_the_turn_and_nobody_while_it_is_held() -> None:
    async def main() -> None:
        turn, log = Turn(10), []
        with turn.held():
            tasks = [asyncio.create_task(taking(turn, log, str(n), shared=True)) for n in range(SHARES + 2)]
            await asyncio.sleep(0.01)
            assert log == []
        await asyncio.sleep(0.01)
        assert len(log) == turn.sharing == SHARES
        for _ in tasks:
            turn.release(shared=True)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert turn.sharing == 0

    asyncio.run(main())


def test_who_leaves_the_queue_lets_those_behind_in() -> None:
    """Cancelled, too late, or refused; also at the moment in which it is let in."""

    async def main() -> None:
        turn, log = Turn(0.05), []
        await turn.take(shared=True)
        with pytest.raises(StoreBusyError):
            await asyncio.create_task(taking(turn, log, "late", shared=False))
        first = asyncio.create_task(taking(turn, log, "first", shared=False))
        second = asyncio.create_task(taking(turn, log, "second", shared=True))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert log == ["second"]
        turn.release(shared=True)
        third = asyncio.create_task(taking(turn, log, "third", shared=False))
        await asyncio.sleep(0)
        turn.release(shared=True)  # lets third in
        third.cancel()
        await asyncio.wait([third])
        assert third.cancelled()
        await turn.take()
        with pytest.raises(InvalidInputError):
            await turn.take(shared=True)
        refused = asyncio.create_task(taking(turn, log, "refused", shared=False))
        await asyncio.sleep(0)
        turn.refuse(StoreClosedError())
        with pytest.raises(StoreClosedError):
            await refused
        turn.release()
        await turn.take()

    asyncio.run(main())
