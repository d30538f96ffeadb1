"""Files that are there whole or not at all, after a crash and after a loss of power.

A file is written under another name, forced to the disk, renamed or linked, and its folder is forced to the disk: two
fsyncs.

Imports ``errors`` only. Source: RELIABILITY P38, 4.1-6, 4.6; CCOS-3.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from charter_persist.errors import Applied, BackendError, StorageFullError, StoreBusyError, UnavailableError

UNFINISHED: Final = ".unfinished"
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def file_faults(path: Path, *, applied: Applied = "no") -> Iterator[None]:
    """Turn what the operating system says of a file or folder into our errors.

    Args:
        path: that the message names.
        applied: whether what the block does may be there all the same when it fails.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: anything else.
    """
    try:
        yield
    except OSError as exc:
        full = exc.errno in _NO_SPACE
        error: BackendError = (
            StorageFullError(f"there is no space left for {path}; free some, then try again")
            if full
            else UnavailableError(f"{path} cannot be used: {exc.strerror or exc}")
        )
        error.applied = applied
        raise error from exc


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


def create_file(path: Path, data: bytes) -> bool:
    """Make a file that nobody may write to, under a name that is free; of racing callers exactly one makes it.

    No reader sees half of it. On return it is durable, and its name in its folder, whoever made it.

    Returns:
        Whether it was made here; else something of that name is there.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: the file cannot be written; where ``applied`` is "unknown", it may be there.
    """
    with _written_beside(path, data) as unfinished:
        try:
            # Not a rename, which would replace what another process put there.
            os.link(unfinished, path)
            made = True
        except FileExistsError:
            made = False
    with file_faults(path, applied="unknown"):
        sync_folder(path.parent)
    return made


def replace_file(path: Path, data: bytes) -> None:
    """As `create_file`, in place of the file that has the name; a reader sees the one or the other."""
    with _written_beside(path, data) as unfinished:
        unfinished.replace(path)
    with file_faults(path, applied="unknown"):
        sync_folder(path.parent)


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file with these bytes, forced to the disk, under a name of its own that is gone afterwards."""
    unfinished = path.with_name(f".{secrets.token_hex(8)}{UNFINISHED}")
    with file_faults(path):
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            yield unfinished
        except BaseException:
            with suppress(
                OSError
            ):  # the first error is the one to tell; a file that stays tells by its name what it is
                unfinished.unlink(missing_ok=True)
            raise
    with file_faults(path, applied="unknown"):
        unfinished.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


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
def folder_lock(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder for one writer while the block runs; the lock ends with the process and leaves no file.

    Args:
        path: of the folder.
        wait: until another process has let go of it.

    Raises:
        StoreBusyError: another process holds it.
        UnavailableError: the folder cannot be opened.
    """
    with file_faults(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StoreBusyError(f"another process writes into {path}; wait until it has ended") from exc
        yield
    finally:
        os.close(descriptor)
