"""Archives in a folder beside the same done by hand: write, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from benchmarks.measure import Row, Work, compare
from charter_persist.backends.files import FileArchive
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.repositories.archive import ArchiveRepository
from charter_persist.repositories.archive_backend import PendingArchive

TEXT = "x" * 300


def entities(tag: str, *, beginning: str = "") -> Iterator[dict[str, str]]:
    """Entities whose content hash begins so."""
    number = 0
    while True:
        number += 1
        entity = {"id": f"{tag}-{number}", "text": TEXT}
        if not beginning or sha256(canonical_bytes(entity)).hexdigest().startswith(beginning):
            yield entity


def stores(folder: Path, given: list[list[dict[str, str]]]) -> Work:
    """Each entity in a unit of its own, through the rules and the backend."""
    archive = FileArchive(folder)

    def work(number: int) -> int:
        hashes = []
        for entity in given[number]:
            unit = PendingArchive(archive, lambda: time.time_ns() // 1_000)
            repository = ArchiveRepository(unit, DEFAULT_OPTIONS, lambda: 0, "plan")
            hashes.append(repository.store(entity))
            unit.commit()
        return sum(archive.stat("plan", name) is not None for name in hashes)

    return work


def by_hand(folder: Path, given: list[list[dict[str, str]]], *, sharded: bool) -> Work:
    """The same bytes under the same hash; with ``sharded`` in the same folders, each forced to the disk where it is new."""
    folder.mkdir()

    def work(number: int) -> int:
        paths = []
        for entity in given[number]:
            data = json.dumps(entity, separators=(",", ":"), sort_keys=True).encode()
            name = sha256(data).hexdigest()
            home = folder / name[:2] / name[2:4] if sharded else folder
            above = [] if home.is_dir() else [home.parent]
            home.mkdir(parents=True, exist_ok=True)
            temporary, path = home / f"{name}.tmp", home / f"{name}.json"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(descriptor, data)
            os.fsync(descriptor)
            os.close(descriptor)
            temporary.rename(path)
            for changed in [home, *above]:
                descriptor = os.open(changed, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            paths.append(path)
        return sum(path.is_file() for path in paths)

    return work


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """The rows of this part."""
    count, rounds = (5, 1) if quick else (300, 7)

    def given(tag: str, beginning: str = "") -> list[list[dict[str, str]]]:
        source = entities(tag, beginning=beginning)
        return [list(islice(source, count)) for _ in range(rounds + 1)]

    # All begin with 00, so after the round that comes first nearly every folder is there.
    warm, hand = given("warm", "" if quick else "00"), given("hand")
    subject = stores(folder / "archive-warm", warm)
    subject(rounds)
    yield compare(
        "Archive in files: store, its folder there",
        subject,
        by_hand(folder / "archive-hand", hand, sharded=False),
        peer_name="write, fsync, rename, fsync in one folder",
        wanted=">= 0.8",
        rounds=rounds,
    )
    yield compare(
        "Archive in files: store, each in a new folder",
        stores(folder / "archive-cold", given("cold")),
        by_hand(folder / "archive-sharded", given("sharded"), sharded=True),
        peer_name="the same by hand in the same folders",
        wanted="-",
        rounds=rounds,
    )
