"""Files from outside, read whole: regular files only, up to a limit, and never out of the folder they were named in.

Imports ``files`` and ``errors``. Source: CCOS-5, CCOS-6, RELIABILITY 4.8.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from charter_persist.errors import InvalidInputError, LimitExceededError, UnavailableError
from charter_persist.files import file_faults


def read_outside(path: Path, *, limit: str, maximum: int) -> bytes:
    """Read a regular file; a pipe or a device is refused without waiting for it.

    Args:
        path: of the file.
        limit: name of the limit.
        maximum: the most bytes that it may have.

    Raises:
        LimitExceededError: it is larger.
        UnavailableError: it cannot be read, or is no regular file.
    """
    with file_faults(path), open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  # a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnavailableError(f"{path} is no regular file; name one")
        data = file.read(maximum + 1)
    if len(data) > maximum:
        raise LimitExceededError(limit=limit, maximum=maximum, actual=len(data))
    return data


def path_within(folder: Path, name: object) -> Path:
    """The file that a relative name from outside leads to, all symbolic links followed.

    Args:
        folder: that it must be in.
        name: segments divided by ``/``; nobody has checked it yet.

    Raises:
        InvalidInputError: it is no relative name, or leads out of the folder.
        UnavailableError: there is no such file.
    """
    if type(name) is not str or not name or "\x00" in name or "\\" in name:
        raise InvalidInputError(f"{name!r:.80} is no relative path")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise InvalidInputError(f"the path {name!r:.80} leads out of its folder")
    try:
        with file_faults(folder / name):
            home, path = folder.resolve(strict=True), folder.joinpath(*parts).resolve(strict=True)
    except RuntimeError as exc:  # a loop of links
        raise InvalidInputError(f"the path {name!r:.80} leads nowhere") from exc
    if not path.is_relative_to(home):
        raise InvalidInputError(f"the path {name!r:.80} leads out of its folder")
    return path
