"""Files that are there whole or not at all, after a crash and after a loss of power.

A file is written under another name, forced to the disk, renamed, and its folder is forced to the disk: two fsyncs.

Imports ``errors`` only. Source: RELIABILITY P38, 4.1-6; CCOS-3.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from charter_persist.errors import StorageFullError, StoreBusyError, UnavailableError

UNFINISHED: Final = ".unfinished"
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def file_faults(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file or folder into our errors.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: anything else; the message names the path.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _NO_SPACE:
            raise StorageFullError(f"there is no space left for {path}; free some, then try again") from exc
        raise UnavailableError(f"{path} cannot be used: {exc.strerror or exc}") from exc


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name, durable, when the block ends well; else nothing of it is left.

    A file of that name is replaced. Where the process is killed, a file whose name ends in `UNFINISHED` may stay.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: the file cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    with file_faults(path):
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """As `new_file`, for bytes that are at hand."""
    with new_file(path) as file:
        file.write(data)


def sync_file(path: Path) -> None:
    """Force the bytes of a file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Force the names in a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold a folder for one writer while the block runs; the lock ends with the process and leaves no file.

    Raises:
        StoreBusyError: another process holds it.
        UnavailableError: the folder cannot be opened.
    """
    with file_faults(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StoreBusyError(f"another process writes into {path}; wait until it has ended") from exc
        yield
    finally:
        os.close(descriptor)
