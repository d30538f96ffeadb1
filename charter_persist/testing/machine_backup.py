"""What a store of the state machine carries away in a backup, and what is left of it after a restore."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from charter_persist.store import Store, connect, restore_target
from charter_persist.transfer.backup import backup
from charter_persist.transfer.restore import restore


def carried(store: Store) -> list[bytes]:
    """The rows of a backup, as they are in its files, but for those of operations: most have ids of chance."""
    with TemporaryDirectory() as name:
        return _backed_up(store, Path(name) / "backup")


def brought_back(store: Store) -> list[bytes]:
    """The same of a SQLite file that a backup of the store was restored to."""
    with TemporaryDirectory() as name:
        url = f"sqlite:///{Path(name) / 'restored.db'}"
        _backed_up(store, Path(name) / "first")
        restore(Path(name) / "first", restore_target(url))
        with connect(url) as restored:
            return _backed_up(restored, Path(name) / "second")


def _backed_up(store: Store, folder: Path) -> list[bytes]:
    backup(store, folder, store_id=store.store_id)
    lines = [line for path in sorted(folder.glob("*.rows.jsonl")) for line in path.read_bytes().splitlines()]
    return [line for line in lines if not line.startswith(b'{"operation":')]
