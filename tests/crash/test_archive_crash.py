"""A process that is killed, or whose disk fails, at any system call of a store leaves the entity whole or not at all.

What SIGKILL cannot show is a missing fsync of a folder: the system's memory outlives the process. The order of the calls
shows that, and the test of it fails when one is left out.
"""

from __future__ import annotations

import multiprocessing
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from charter_persist.backends.files import FileArchive
from charter_persist.files import UNFINISHED
from tests.archive_store import archive_store
from tests.archive_workers import DONE, ENTITY, Act, act_when_told, entity, put, put_in_place, put_twice, tell_too_early

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

CALLS = "write,fsync,link,linkat,unlink,unlinkat,rename,renameat,mkdir,mkdirat,openat,close"
NAME, DATA = ENTITY
KEPT, KEPT_DATA = entity(1)


@cache
def server() -> ForkServerContext:
    """Where children come from; what they need is imported once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([act_when_told.__module__])
    return context


def run(folder: Path, act: Act, *inject: str) -> tuple[list[object], list[str]]:
    """Act in another process under strace; what it told, and its system calls up to the one that told the end."""
    log = folder.with_name("strace.log")
    here, there = server().Pipe()
    child = server().Process(target=act_when_told, args=(folder, act, there))
    child.start()
    there.close()
    assert here.recv() == "ready"
    command = ["strace", "-f", "-s", "300", "-y", "-o", str(log), "-e", f"trace={CALLS}", *inject, "-p", str(child.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        here.send("go")
        child.join()
    assert child.exitcode in (0, 1, -signal.SIGKILL)
    child.close()
    told: list[object] = []
    while here.poll():
        try:
            told.append(here.recv())
        except EOFError:
            break
    here.close()
    lines = [re.sub(r"^\d+\s+", "", line) for line in log.read_text().splitlines()]
    end = next((place for place, line in enumerate(lines) if DONE in line), len(lines))
    return told, lines[:end]


def state(folder: Path) -> str:
    """Whether the entity is absent, whole or anything else; what was there before must be whole."""
    archive = FileArchive(folder)
    assert archive.get("plan", KEPT) == KEPT_DATA
    data = archive.get("plan", NAME)
    with archive_store(archive).read() as view:
        sound = bool(view.archive("plan").verify_integrity())
        listed = NAME in list(view.archive("plan").list_hashes())
    if data is None and sound and not listed:
        return "absent"
    return "whole" if data == DATA and sound and listed else "half"


def prepared(tmp_path: Path, number: int) -> Path:
    """A folder with one entity in it."""
    folder = tmp_path / f"f{number}" / "archive"
    folder.parent.mkdir()
    FileArchive(folder).put("plan", KEPT, KEPT_DATA)
    return folder


def outcomes(tmp_path: Path, act: Act, fault: str) -> list[tuple[str, list[object]]]:
    """What a fault at each system call of the act in turn leaves: the state, and what the process told."""
    _, lines = run(prepared(tmp_path, 0), act)
    found = []
    made: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        call = line.partition("(")[0]
        made[call] = made.get(call, 0) + 1
        folder = prepared(tmp_path, number)
        told, _ = run(folder, act, "-e", f"inject={call}:{fault}:when={made[call]}")
        found.append((state(folder), told))
    return found


@pytest.mark.spec("P1", "P3", "CCOS-3")
def test_a_store_killed_at_any_system_call_leaves_the_entity_whole_or_not_at_all(tmp_path: Path) -> None:
    found = outcomes(tmp_path, put, "signal=SIGKILL")
    states = [state for state, _ in found]
    assert set(states) == {"absent", "whole"}
    assert states == sorted(states), "once it is there it stays"
    assert all(told == [] for _, told in found)


@pytest.mark.spec("P3")
def test_a_store_that_writes_in_place_is_caught(tmp_path: Path) -> None:
    assert "half" in {state for state, _ in outcomes(tmp_path, put_in_place, "signal=SIGKILL")}


@pytest.mark.spec("P1")
def test_a_store_that_tells_too_early_is_caught(tmp_path: Path) -> None:
    folder = prepared(tmp_path, 1)
    told, _ = run(folder, tell_too_early, "-e", "inject=link,linkat:signal=SIGKILL:when=1")
    assert (told, state(folder)) == ([DONE], "absent")


@pytest.mark.spec("P5")
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_an_error_of_any_system_call_is_told_and_the_same_process_goes_on(tmp_path: Path, error: str) -> None:
    failed = 0
    for left, told in outcomes(tmp_path, put_twice, f"error={error}"):
        assert left == "whole"
        assert told[-1] == DONE
        for kind, applied, there in told[:-1]:  # type: ignore[misc]  # only the last one is a text
            failed += 1
            assert kind in ("StorageFullError", "UnavailableError", "CorruptStoreError")
            assert not (applied == "no" and there), "an error that says nothing was applied"
    assert failed > 5


def synced(lines: list[str]) -> dict[str, int]:
    """The paths that were forced to the disk, and when."""
    found = {}
    for place, line in enumerate(lines):
        match = re.match(r"fsync\(\d+<([^>]*)>\)\s+= 0", line)
        if match:
            found[match.group(1)] = place
    return found


@pytest.mark.spec("P2", "CCOS-3")
def test_everything_is_forced_to_the_disk_before_it_is_told(tmp_path: Path) -> None:
    """The file before it has its name; then its folder, and each folder above it that may be new."""
    folder = tmp_path / "archive"
    _, lines = run(folder, put)
    order = synced(lines)
    (linked,) = [place for place, line in enumerate(lines) if line.startswith("link")]
    (file,) = [place for name, place in order.items() if name.endswith(UNFINISHED)]
    shard = folder / "plan" / NAME[:2] / NAME[2:4]
    assert file < linked
    folders = (shard, shard.parent, shard.parent.parent, folder)
    for path in folders:
        assert order[str(path)] > linked, path
    # Who finds it there does not know whether its maker came so far.
    _, lines = run(folder, put)
    assert {str(path) for path in folders} <= set(synced(lines))


@pytest.mark.spec("P1")
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    chance = random.Random(5)
    folder = tmp_path / "archive"
    told = 0
    for _ in range(10):
        command = [sys.executable, "-m", "tests.archive_workers", str(folder), str(told), "3000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.005, 0.2))
            process.kill()
            lines = process.stdout.read().split("\n")[:-1]
        told = max([told, *(int(line) + 1 for line in lines)])
        archive = FileArchive(folder)
        for number in range(told):
            name, data = entity(number, 3000)
            assert archive.get("plan", name) == data
        with archive_store(archive).read() as view:
            assert view.archive("plan").verify_integrity()
    assert told > 10
