"""How long a watcher waits for a change after its commit was answered, in the process and in another one.

Both sides read CLOCK_MONOTONIC, which all processes of a machine share. A change that was delivered before its writer had
its answer counts as 0.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row
from charter_persist import Store, connect, upgrade

UNITS, PAUSE_S = 1_000, 0.003
KEY = "/watched"
WATCHER = "import sys\nfrom benchmarks.watching import tell\ntell(sys.argv[1], int(sys.argv[2]))"


def received(store: Store, count: int, opened: threading.Event) -> list[float]:
    """When each of so many changes came."""
    with store.watch(f"kv:{KEY}") as watch:
        opened.set()
        return [time.monotonic() for _, _ in zip(range(count), watch, strict=False)]


def tell(url: str, count: int) -> None:
    """What the other process does: says that it watches, then when each change came."""
    opened = threading.Event()
    with connect(url) as store:
        threading.Thread(target=lambda: opened.wait() and print("ready", flush=True), daemon=True).start()
        for moment in received(store, count, opened):
            print(moment)


def written(store: Store, count: int) -> list[float]:
    """When the commit of each of so many changes was answered."""
    moments = []
    for number in range(count):
        with store.begin() as uow:
            uow.kv.set(KEY, b"%d" % number)
        moments.append(time.monotonic())
        time.sleep(PAUSE_S)
    return moments


def in_process(url: str, count: int) -> list[float]:
    """Delays in seconds, writer and watcher being threads over one store."""
    with connect(url) as store:
        arrived: list[float] = []
        opened = threading.Event()
        reader = threading.Thread(target=lambda: arrived.extend(received(store, count, opened)))
        reader.start()
        opened.wait()
        sent = written(store, count)
        reader.join()
    return delays(sent, arrived)


def between_processes(url: str, count: int) -> list[float]:
    """Delays in seconds, writer and watcher being processes."""
    command = [sys.executable, "-c", WATCHER, url, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher, connect(url) as store:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        sent = written(store, count)
        arrived = [float(line) for line in watcher.stdout]
    return delays(sent, arrived)


def delays(sent: list[float], arrived: list[float]) -> list[float]:
    """Each delay; every change must have come."""
    assert len(sent) == len(arrived)
    return sorted(max(0.0, there - here) for here, there in zip(sent, arrived, strict=True))


def row(name: str, found: list[float], wanted: str) -> Row:
    """A row of the table: the 99th percentile, beside the median."""
    p50, p99 = (found[int(len(found) * share)] * 1000 for share in (0.5, 0.99))
    return Row(f"Watch: delay on {name}, 99 %", f"{p99:.2f} ms", f"median {p50:.2f} ms", "-", wanted)


def run(url: str, name: str, *, quick: bool) -> Iterator[Row]:
    """The rows of one store that other processes can open."""
    count = 20 if quick else UNITS
    upgrade(url)
    yield row(f"{name}, in the process", in_process(url, count), "<= 2 ms")
    yield row(f"{name}, between processes", between_processes(url, count), "<= 10 ms")


def run_embedded(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Memory and SQLite."""
    yield row("memory, in the process", in_process("memory://", 20 if quick else UNITS), "<= 2 ms")
    yield from run(f"sqlite:///{folder / 'watched.db'}", "SQLite", quick=quick)
