"""What other processes do to an archive in a folder; they share nothing with the tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from charter_persist.backends.files import FileArchive
from charter_persist.errors import BackendError

DONE = "the entity was stored"


def entity(number: int, size: int = 0) -> tuple[str, bytes]:
    """Content hash and bytes of an entity."""
    data = b'{"n":%d,"text":"%b"}' % (number, b"x" * size)
    return sha256(data).hexdigest(), data


ENTITY = entity(7, 100)
Act = Callable[[FileArchive, Connection], None]


def act_when_told(folder: Path, act: Act, pipe: Connection) -> None:
    """Open the archive, then wait; what follows is the act alone."""
    archive = FileArchive(folder)
    pipe.send("ready")
    pipe.recv()
    act(archive, pipe)


def put(archive: FileArchive, tell: Connection) -> None:
    """What is tested."""
    archive.put("plan", *ENTITY)
    tell.send(DONE)


def put_twice(archive: FileArchive, tell: Connection) -> None:
    """Again where it failed: the same process goes on."""
    try:
        archive.put("plan", *ENTITY)
    except BackendError as exc:
        tell.send((type(exc).__name__, exc.applied, archive.get("plan", ENTITY[0]) == ENTITY[1]))
        archive.put("plan", *ENTITY)
    tell.send(DONE)


def put_in_place(archive: FileArchive, tell: Connection) -> None:
    """A control: a kill between two writes leaves half of it under the name."""
    name, data = ENTITY
    path = archive._root / "plan" / name[:2] / name[2:4] / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, data[:50])
    os.write(descriptor, data[50:])
    os.fsync(descriptor)
    tell.send(DONE)


def tell_too_early(archive: FileArchive, tell: Connection) -> None:
    """A control: it tells before it is done."""
    tell.send(DONE)
    archive.put("plan", *ENTITY)


def put_all(folder: Path, start: Barrier, contests: int, new: Callable[[int], None]) -> None:
    """Put the same entities as everybody else; tell how many were new."""
    archive = FileArchive(folder)
    won = 0
    for number in range(contests):
        start.wait()
        won += archive.put("plan", *entity(number))
    archive.close()
    new(won)


def main() -> None:
    """Put entities into a folder until killed, and tell of each once it is there: ``folder first size``."""
    folder, first, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    archive = FileArchive(folder)
    for number in range(first, first + 1_000_000):
        content_hash, data = entity(number, size)
        archive.put("plan", content_hash, data)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        time.sleep(0)


if __name__ == "__main__":
    main()
