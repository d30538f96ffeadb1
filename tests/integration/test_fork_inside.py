"""A unit and a view that are open at a fork are the parent's: the child is refused and disturbs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charter_persist import connect
from charter_persist.integrity.verify import verify

PROGRAM = """
import gc, os, sys
from charter_persist import connect
from charter_persist.errors import ForkedHandleError

url, order, flushed = sys.argv[1:]
store = connect(url, migrate="upgrade")
store.run(lambda uow: uow.kv.set("/before", b"1"))
view, dropped = store.read(), store.read()
parent_done, tell = os.pipe()

def refused(use):
    try:
        use()
    except ForkedHandleError:
        return
    os._exit(3)

def child(uow):
    global dropped
    os.close(tell)
    if order == "parent first":
        os.read(parent_done, 1)
    for each in (uow, view):
        refused(lambda: each.kv.get("/before"))
        refused(lambda: list(each.kv.iter("/")))
    dropped = None
    gc.collect()
    view.close()
    refused(lambda: uow.kv.set("/child", b"1"))
    try:
        unit.__exit__(None, None, None)
    except ForkedHandleError:
        sys.exit(7)  # with all that the interpreter frees at its end
    os._exit(4)

unit = store.begin()
uow = unit.__enter__()
uow.kv.set("/parent", b"x" * 20_000)
if flushed == "flushed":
    uow.flush()
pid = os.fork()
if pid == 0:
    child(uow)
if order == "child first":
    status = os.waitpid(pid, 0)[1]
uow.kv.set("/later", b"1")
unit.__exit__(None, None, None)
store.run(lambda uow: uow.kv.set("/after", b"1"))
os.close(tell)
if order == "parent first":
    status = os.waitpid(pid, 0)[1]
assert os.waitstatus_to_exitcode(status) == 7, status
assert [entry.key for entry in view.kv.iter("/")] == ["/before"]
assert dropped.kv.get("/before") is not None
view.close()
dropped.close()
store.run(lambda uow: uow.kv.set("/last", b"1"))
with store.read() as view:
    assert len(list(view.kv.iter("/"))) == 5
store.close()
"""


def run(url: str, order: str, flushed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, order, flushed],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.spec("P57")
@pytest.mark.parametrize("order", ["child first", "parent first"])
@pytest.mark.parametrize("flushed", ["flushed", "waiting"])
def test_a_child_is_refused_and_its_parent_commits(ledger_url: str, order: str, flushed: str) -> None:
    run(ledger_url, order, flushed)
    with connect(ledger_url) as store:
        found = verify(store, store_id=store.store_id)
        assert (found.size, found.findings) == (5, ())


@pytest.mark.spec("P57")
@pytest.mark.parametrize("order", ["child first", "parent first"])
def test_a_child_is_refused_by_a_store_that_lives_in_its_memory(order: str) -> None:
    run("memory://", order, "flushed")


SQLITE_CLOSES = """
import os, sys
from charter_persist import connect

store = connect(sys.argv[1])
unit = store.begin()
unit.__enter__().kv.set("/parent", b"1")
read, write = os.pipe()
if os.fork() == 0:
    os.close(write)
    os.read(read, 1)  # the parent is gone
    sys.exit()
os._exit(0)
"""


def test_a_child_that_ends_after_its_parent_leaves_the_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "charter.db"
    url = f"sqlite:///{path}"
    connect(url, migrate="upgrade").close()
    keeper = connect(url)
    keeper.run(lambda uow: uow.kv.set("/before", b"1"))
    before = path.read_bytes()
    subprocess.run(
        [sys.executable, "-c", SQLITE_CLOSES, url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert path.read_bytes() == before
    keeper.run(lambda uow: uow.kv.set("/after", b"1"))
    assert verify(keeper, store_id=keeper.store_id).findings == ()
    keeper.close()
