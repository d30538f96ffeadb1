"""Archives in a folder pass the suite of archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist import Store, connect
from charter_persist.testing import ArchiveConformance
from charter_persist.testing.archive import Overwrite


@pytest.mark.spec("CCOS-3")
class TestFileArchive(ArchiveConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with connect(f"file://{tmp_path / 'archive'}") as store:
            yield store

    @pytest.fixture
    def overwrite(self, tmp_path: Path) -> Overwrite:  # type: ignore[override]
        def put(kind: str, name: str, data: bytes) -> None:
            path = tmp_path / "archive" / kind / name[:2] / name[2:4] / f"{name}.json"
            path.chmod(0o644)
            path.write_bytes(data)

        return put
