"""Archives in a folder: each type has a folder of its own, and each entity a file that holds its JSON and nothing else.

``sha256sum`` of a file is its name. Any number of threads and processes may write at once: a file appears whole under
its name or not at all, and nothing is ever written in place.

Cost: `put` of something new writes one file, links it and forces it and its folder to the disk: two fsyncs, and one more
for each folder that this handle puts something into for the first time. `put` of what is there reads it and forces its
folder, so that what is acknowledged here survives although another process may not have come so far. `get` opens a file.

Imports ``backends.contract``, ``model.archive``, ``files`` and ``errors``.

Source: CCOS-3, RELIABILITY 4.6, P1 to P5, P15, P22.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from charter_persist.backends.contract import BackendCapabilities, Diagnosis
from charter_persist.backends.contract.single import Stored
from charter_persist.backends.files.index import write_index
from charter_persist.backends.files.layout import entities, others, place_of
from charter_persist.errors import BackendError, CorruptStoreError, ReadOnlyError
from charter_persist.files import create_file, file_faults, replace_file, sync_folder
from charter_persist.model.archive import is_entity_type

# A link leads elsewhere and a pipe never ends: neither is an entity.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileArchive:
    """`ArchiveBackend` over a folder."""

    name = "files"
    requires_network = False
    capabilities = BackendCapabilities(
        supports_transactions=False, supports_ordering=True, supports_append_only=False, supports_snapshots=False
    )

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open a folder; where it is missing it is made, but not what it would be in.

        Args:
            folder: an absolute path, or one from the working directory of now.
            read_only: nothing is written, and the folder must be there.

        Raises:
            UnavailableError: there is no such folder, or it cannot be made.
        """
        self._root = folder.absolute()
        self._read_only = read_only
        self._kept: set[str] = set()  # folders whose names are forced to the disk
        self._changed: set[str] = set()
        with file_faults(self._root):
            if not read_only and not self._root.is_dir():
                self._root.mkdir(exist_ok=True)
                sync_folder(self._root.parent)
            os.close(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def put(self, kind: str, content_hash: str, data: bytes) -> bool:
        """Keep bytes; durable on return."""
        self._check_writable()
        path, legacy = self._paths(kind, content_hash)
        # What an older writer left is read only where there is nothing at the place of today.
        place = path if os.path.lexists(path) else legacy
        if _holds(place, data):
            with file_faults(place, applied="unknown"):
                sync_folder(place.parent)
            self._keep(place.parent)
            return False
        with file_faults(path):
            self._make_folder(path.parent)
        new = create_file(path, data)
        if not new and not _holds(path, data):
            replace_file(path, data)
        self._keep(path.parent)
        self._changed.add(kind)
        return new

    def renew(self, kind: str, content_hash: str, data: bytes) -> None:
        """Write bytes whatever is in their place; durable on return."""
        self._check_writable()
        path, _ = self._paths(kind, content_hash)
        with file_faults(path):
            self._make_folder(path.parent)
        replace_file(path, data)
        self._keep(path.parent)
        self._changed.add(kind)

    def get(self, kind: str, content_hash: str) -> bytes | None:
        """The bytes as they are now, unchecked, or None."""
        path, legacy = self._paths(kind, content_hash)
        data = _read(path)
        return _read(legacy) if data is None else data

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known of them without reading them, or None."""
        for path in self._paths(kind, content_hash):
            with file_faults(path):
                try:
                    status = path.lstat()
                except (FileNotFoundError, NotADirectoryError):
                    continue
            if stat.S_ISREG(status.st_mode):
                return Stored(content_hash, status.st_size, status.st_mtime_ns // 1_000)
        return None

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash."""
        for found in entities(self._root / kind, after):
            yield Stored(found.content_hash, found.size, found.stored_at)

    def strays(self, kind: str) -> Iterator[str]:
        """The places where something lies that is not under a hash."""
        return others(self._root / kind)

    def kinds(self) -> list[str]:
        """The kinds that something is kept of, in order."""
        with file_faults(self._root):
            folders = sorted(path.name for path in self._root.iterdir() if is_entity_type(path.name))
        return [kind for kind in folders if next(self.scan(kind), None) is not None]

    def delete(self, kind: str, content_hash: str) -> bool:
        """Remove bytes; durable on return."""
        self._check_writable()
        removed = [_unlinked(path) for path in self._paths(kind, content_hash)]
        if any(removed):
            self._changed.add(kind)
        return any(removed)

    def diagnose(self) -> Diagnosis:
        """Look at the folder; reads only."""
        problems = []
        if not self._root.is_dir():
            problems.append(f"the folder {self._root} is missing; bring it back, or connect to the right one")
        elif not self._read_only and not os.access(self._root, os.W_OK | os.X_OK):
            problems.append(f"the folder {self._root} cannot be written to; change its owner or its mode")
        elif not os.access(self._root, os.R_OK | os.X_OK):
            problems.append(f"the folder {self._root} cannot be read; change its owner or its mode")
        return Diagnosis(tuple(problems), {"folder": str(self._root), "read_only": self._read_only})

    def close(self) -> None:
        """Write the index of each type that this handle changed; a second call does nothing.

        Raises:
            BackendError: an index could not be written. Every entity is there all the same, so ``applied`` is "yes".
        """
        changed, self._changed = sorted(self._changed), set()
        for kind in changed:
            try:
                write_index(self._root / kind)
            except BackendError as error:
                error.applied = "yes"
                raise

    def _check_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"the archive in {self._root} is open for reading only")

    def _paths(self, kind: str, content_hash: str) -> tuple[Path, Path]:
        """Where an entity is, and where an older writer put it."""
        folder = self._root / kind
        return folder / place_of(content_hash), folder / content_hash

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those it is in, but never the archive itself: its disk may be away."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            if folder.parent == self._root:
                raise
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
        self._kept.discard(str(folder))

    def _keep(self, folder: Path) -> None:
        """Force the names of a folder, and of those it is in, to the disk, whoever made them."""
        while folder != self._root and str(folder) not in self._kept:
            with file_faults(folder, applied="unknown"):
                sync_folder(folder.parent)
            self._kept.add(str(folder))
            folder = folder.parent


def _read(path: Path) -> bytes | None:
    """The bytes of a file, or None where there is none.

    Raises:
        CorruptStoreError: it is no file, or the disk cannot read it.
        UnavailableError: it cannot be opened.
    """
    with file_faults(path):
        try:
            descriptor = os.open(path, _READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise CorruptStoreError(f"{path} is a link and no file; put back the file of that name") from exc
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CorruptStoreError(f"{path} is no file; put back the file of that name")
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
                return file.read()
        except OSError as exc:
            raise CorruptStoreError(f"{path} cannot be read: {exc.strerror}; restore it from a copy") from exc
        finally:
            os.close(descriptor)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file holds these bytes; one that is damaged does not."""
    try:
        return _read(path) == data
    except CorruptStoreError:
        return False


def _unlinked(path: Path) -> bool:
    """Remove a name and force that to the disk; whether it was there."""
    with file_faults(path):
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
    with file_faults(path, applied="unknown"):
        sync_folder(path.parent)
    return True
