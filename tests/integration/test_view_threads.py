"""Several threads may read one view or one unit on SQLite: the process goes on, and what they read is the snapshot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charter_persist import connect

SHARED = """
import sys, threading
from charter_persist import connect

def read(view):
    for number in range(1_000):
        list(view.kv.iter(f"/k{number % 7}"))
        assert view.kv.get("/k1") is not None

store = connect(sys.argv[1])
with store.read() if sys.argv[2] == "view" else store.begin() as view:
    threads = [threading.Thread(target=read, args=(view,), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
store.close()
"""

ENDED = """
import sys, threading
from charter_persist import connect
from charter_persist.errors import StoreClosedError

def read(view, expected, begun, wrong):
    try:
        while True:
            if view.kv.get("/count").value != expected:
                wrong.append(expected)
            begun.set()
    except StoreClosedError:
        pass

store, wrong = connect(sys.argv[1]), []
for number in range(100):
    store.run(lambda uow: uow.kv.set("/count", b"%d" % number))
    view, begun = store.read(), threading.Event()
    store.run(lambda uow: uow.kv.set("/count", b"later"))
    threads = [threading.Thread(target=read, args=(view, b"%d" % number, begun, wrong)) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    view.close()
    for thread in threads:
        thread.join()
store.close()
assert not wrong, wrong
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    with connect(url, migrate="upgrade") as store, store.begin() as uow:
        for number in range(50):
            uow.kv.set(f"/k{number}", b"x")
    return url


def ends_well(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,  # a process whose interpreter is locked ends no other way
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shared", ["view", "unit"])
def test_threads_that_read_one_snapshot_do_not_freeze_the_process(url: str, shared: str) -> None:
    ends_well(SHARED, url, shared)


def test_a_view_that_is_closed_under_its_readers_refuses_them_and_shows_no_other_state(url: str) -> None:
    ends_well(ENDED, url)
