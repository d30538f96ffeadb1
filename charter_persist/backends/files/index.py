"""``index.json``: a list of the entities of a type for other programs and for people, and a cache of nothing else.

It is written from what lies in the folder and never read here, so one that lies, lacks entries or cannot be read
changes no answer. It has one line an entity: the content hash, and where the file is.

Cost: a listing of the whole folder for each index that is written, so it is written when a store closes. Imports
``backends.files.layout`` and ``files``. Source: CCOS-3, RELIABILITY 4.6.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from charter_persist.backends.files.layout import INDEX, entities, unfinished
from charter_persist.files import file_faults, folder_lock, new_file

LEFT_BEHIND_S: Final = 3_600.0
"""An unfinished file this old is of a process that died."""


def write_index(folder: Path) -> None:
    """Write the index of a type anew, and remove what processes left that died while they wrote.

    One process does so at a time. What another one stores meanwhile, that one's index has.

    Raises:
        StorageFullError: there is no space left; the index stays as it was.
        UnavailableError: the folder cannot be read or written.
    """
    with folder_lock(folder, wait=True):
        with new_file(folder / INDEX) as file:
            separator = b"{\n"
            for found in entities(folder):
                file.write(b'%b"%b":"%b"' % (separator, found.content_hash.encode(), found.place.encode()))
                separator = b",\n"
            file.write(b"{}\n" if separator == b"{\n" else b"\n}\n")
        _remove_left_behind(folder)


def _remove_left_behind(folder: Path) -> None:
    oldest = time.time() - LEFT_BEHIND_S
    for path in unfinished(folder):
        with file_faults(path):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except FileNotFoundError:  # its writer has finished
                continue
