"""Where entities lie in the folder of their type: ``aa/bb/<hash>.json``, or ``<hash>`` as older writers left them.

What is on the disk counts, so everything here reads folders and nothing reads the index. Names come from hashes that
were checked and are never made of other text.

Imports ``model.archive`` and ``files``. Source: CCOS-3, NEIGHBOURS 3.4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from charter_persist.files import UNFINISHED, file_faults
from charter_persist.model.archive import is_content_hash

INDEX: Final = "index.json"
_SUFFIX: Final = ".json"
_SHARD: Final = re.compile(r"[0-9a-f]{2}")


class Found(NamedTuple):
    """A file that has the name of an entity; ``place`` is its path in the folder of its type."""

    content_hash: str
    place: str
    size: int
    stored_at: int


def place_of(content_hash: str) -> str:
    """Where an entity is written."""
    return f"{content_hash[:2]}/{content_hash[2:4]}/{content_hash}{_SUFFIX}"


def entities(folder: Path, after: str = "") -> Iterator[Found]:
    """Every entity behind a hash, by hash; one shard's names are in memory at a time, and all that older writers left."""
    both = merge(_sharded(folder, after), _flat(folder, after), key=lambda found: found.content_hash)
    for _, of_one in groupby(both, key=lambda found: found.content_hash):
        yield next(of_one)  # the shard comes first, as it does in reading


def others(folder: Path) -> Iterator[str]:
    """The place of everything that is neither an entity, nor the index, nor a folder of entities, nor unfinished."""
    for entry in _listed(folder):
        if _is_shard(entry):
            for inner in _listed(folder / entry.name):
                if _is_shard(inner):
                    shard = f"{entry.name}/{inner.name}"
                    yield from (f"{shard}/{e.name}" for e in _listed(folder / shard) if _is_other(e, shard))
                elif not _is_unfinished(inner):
                    yield f"{entry.name}/{inner.name}"
        elif not (_is_unfinished(entry) or _is_flat(entry) or (entry.name == INDEX and _is_file(entry))):
            yield entry.name


def unfinished(folder: Path) -> Iterator[Path]:
    """What processes left that died while they wrote, and what others write now."""
    for first in _listed(folder):
        if _is_unfinished(first):
            yield Path(first.path)
        for second in _listed(folder / first.name) if _is_shard(first) else ():
            for entry in _listed(folder / first.name / second.name) if _is_shard(second) else ():
                if _is_unfinished(entry):
                    yield Path(entry.path)


def _sharded(folder: Path, after: str) -> Iterator[Found]:
    for first in _listed(folder, after[:2]):
        if not _is_shard(first):
            continue
        for second in _listed(folder / first.name):
            shard = first.name + second.name
            if not _is_shard(second) or shard < after[:4]:
                continue
            for entry in _listed(folder / first.name / second.name, after):
                if entry.name > after + _SUFFIX and not _is_other(entry, f"{first.name}/{second.name}"):
                    yield from _found(entry, entry.name.removesuffix(_SUFFIX), f"{first.name}/{second.name}/")


def _flat(folder: Path, after: str) -> Iterator[Found]:
    for entry in _listed(folder, after):
        if _is_flat(entry) and entry.name > after:
            yield from _found(entry, entry.name, "")


def _found(entry: os.DirEntry[str], content_hash: str, parent: str) -> Iterator[Found]:
    """The entity of a file, unless it is gone by now."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    yield Found(content_hash, parent + entry.name, status.st_size, status.st_mtime_ns // 1_000)


def _listed(folder: Path, start: str = "") -> list[os.DirEntry[str]]:
    """What is in a folder, by name, from a name on; nothing where there is no folder."""
    with file_faults(folder):
        try:
            with os.scandir(folder) as entries:
                return sorted((entry for entry in entries if entry.name >= start), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []


def _is_shard(entry: os.DirEntry[str]) -> bool:
    return _SHARD.fullmatch(entry.name) is not None and entry.is_dir(follow_symlinks=False)


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _is_flat(entry: os.DirEntry[str]) -> bool:
    return is_content_hash(entry.name) and _is_file(entry)


def _is_unfinished(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(UNFINISHED) and _is_file(entry)


def _is_other(entry: os.DirEntry[str], shard: str) -> bool:
    """Whether what lies in a shard is no entity of it."""
    content_hash = entry.name.removesuffix(_SUFFIX)
    belongs = is_content_hash(content_hash) and place_of(content_hash) == f"{shard}/{entry.name}"
    return not (_is_unfinished(entry) or (belongs and _is_file(entry)))
