"""Archives in a folder pass the suite of archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist.backends.files import FileArchive
from charter_persist.testing import ArchiveConformance
from charter_persist.testing.archive import Overwrite
from tests.archive_store import ArchiveStore


@pytest.mark.spec("CCOS-3")
class TestFileArchive(ArchiveConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ArchiveStore]:  # type: ignore[override]
        backend = FileArchive(tmp_path / "archive")
        yield ArchiveStore(backend)
        backend.close()

    @pytest.fixture
    def overwrite(self, tmp_path: Path) -> Overwrite:  # type: ignore[override]
        def put(kind: str, name: str, data: bytes) -> None:
            path = tmp_path / "archive" / kind / name[:2] / name[2:4] / f"{name}.json"
            path.chmod(0o644)
            path.write_bytes(data)

        return put
