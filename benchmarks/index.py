"""The index at two sizes: building it beside reading the same rows, its memory, and the questions that must not grow."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Row
from benchmarks.on_sqlite import opened
from charter_persist import Store, connect
from charter_persist.backends.contract import OBJECT
from charter_persist.index.index import Index
from charter_persist.index.rebuild import rebuild
from charter_persist.model.area import Area
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import Context, Resolution, ResolutionState, ResolutionType
from charter_persist.model.session import Session, SessionState

AT: Final = "2026-11-21T08:46:00Z"
AREA_SIZE: Final = 1_000
SESSION_SIZE: Final = 10
BY_TYPE: Final = ("type", "position")

# Not ru_maxrss: a child takes that over from the process that started it.
MEMORY = """
import sys
from pathlib import Path
from charter_persist import connect
from charter_persist.index.rebuild import rebuild
with connect(sys.argv[1], read_only=True) as store, store.read() as view:
    index = rebuild(view.reader)
print(*[line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM")])
"""


def session_content(area_id: str, number: int) -> dict[str, Any]:
    """A session that was accepted."""
    identity = f"{area_id}/session {number}"
    session = Session(identity, area_id, "why", AT, state=SessionState.ACCEPTED, started_at=AT, closed_at=AT)
    content = session.to_json()
    del content["version"]
    return content


def fill_area(store: Store, number: int, size: int) -> None:
    """An area with an authority, a scope and general resolutions, of which every second one replaces the one before."""
    area_id = f"area {number}"
    with store.begin() as uow:
        uow.objects.put("area", Area(area_id, f"label {number}", None, {}, AT).to_content())
        sessions = [session_content(area_id, n) for n in range(max(1, size // SESSION_SIZE))]
        sealed = uow.objects.put_many(("session", content) for content in sessions)
        governing: list[Digest] = []
        previous: Digest | None = None
        for n in range(size):
            kind = (ResolutionType.AUTHORITY, ResolutionType.SCOPE, ResolutionType.GENERAL)[min(n, 2)]
            of = n // SESSION_SIZE % len(sessions)
            resolution = Resolution(
                area_id=area_id,
                type=kind,
                content={"text": f"decision {n} of area {number}: " + "x" * 120},
                accepted_at=AT,
                accepted_in_session=sessions[of]["session_id"],
                session_digest=sealed[of],
                candidate_id=f"candidate {n}",
                context=Context(governing[0], governing[1]) if n > 1 else Context(),
                supersedes=(previous,) if previous is not None and n > 2 and n % 2 else (),
            )
            previous = uow.objects.put("resolution", resolution.to_content())
            if n < 2:
                governing.append(previous)


def filled(folder: Path, resolutions: int, area_size: int) -> str:
    """The URL of a store with so many resolutions and half as many edges."""
    name = f"index{resolutions}.db"
    with opened(folder, name) as store:
        for number in range(resolutions // area_size):
            fill_area(store, number, area_size)
    return f"sqlite:///{folder / name}"


def read_rows(store: Store) -> int:
    """The peer: the same rows read, hashed, and parsed by the standard library."""
    count = 0
    with store.read() as view:
        for kind in ("area", "session", "resolution"):
            for row in view.reader.scan(OBJECT, BY_TYPE, prefix=(kind,)):
                count += bool(sha256(row.data).digest() and json.loads(row.data))
    return count


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor for one call; neither side waits for anything."""
    began = time.process_time()
    work()
    return time.process_time() - began


def build(store: Store) -> Index:
    """The index at the head."""
    with store.read() as view:
        return rebuild(view.reader)


def memory(url: str) -> int:
    """Peak resident memory in KiB of a process that builds the index."""
    done = subprocess.run([sys.executable, "-c", MEMORY, url], capture_output=True, text=True, check=True)
    return int(done.stdout)


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows of the index."""
    small, large, area_size, rounds = (100, 400, 50, 2) if quick else (10_000, 1_000_000, AREA_SIZE, 3)
    urls = [filled(folder, resolutions, area_size) for resolutions in (small, large)]
    with connect(urls[1], read_only=True) as store:
        pairs = [(timed(lambda: build(store)), timed(lambda: read_rows(store))) for _ in range(rounds)]
        ours, theirs = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        peer = f"reading, json and SHA-256 {theirs:.1f} s"
        yield Row(f"Index: rebuild of {large:,} resolutions", f"{ours:.1f} s", peer, f"{ratio:.2f}", "<= 4")
    peak = memory(urls[1]) / 1024
    yield Row(f"Index: peak memory at {large:,} resolutions", f"{peak:.0f} MiB", "-", "-", "<= 1,144 MiB")
    yield from questions(urls, area_size, calls=20 if quick else 2_000)


def questions(urls: list[str], area_size: int, calls: int) -> Iterator[Row]:
    """Medians of single questions at both sizes; what counts is that they do not grow."""
    indexes = []
    for url in urls:
        with connect(url, read_only=True) as store:
            indexes.append(build(store))
    active, authority, general = ResolutionState.ACTIVE, ResolutionType.AUTHORITY, ResolutionType.GENERAL
    targets = indexes[0].in_state("area 1", active, general)[:2]  # the same objects stand in both stores
    asked: dict[str, Callable[[Index], object]] = {
        f"listing the active ones of {area_size:,}": lambda index: index.in_state("area 1", active),
        "authority of an area": lambda index: index.in_state("area 1", active, authority),
        "validation of a supersession": lambda index: index.check_supersession(Digest("f" * 64), targets),
    }
    for name, ask in asked.items():
        few, many = medians(ask, indexes, calls)
        yield Row(f"Index: {name}", f"{many:.1f} µs", f"{few:.1f} µs", f"{many / few:.2f}", "<= 1.2")


def medians(ask: Callable[[Index], object], indexes: list[Index], calls: int) -> list[float]:
    """Median microseconds of a question to each index, asked in turn."""
    times: list[list[float]] = [[] for _ in indexes]
    for _ in range(calls):
        for index, of in zip(indexes, times, strict=True):
            began = time.perf_counter()
            ask(index)
            of.append((time.perf_counter() - began) * 1e6)
    return [statistics.median(of) for of in times]
