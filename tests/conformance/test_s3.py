"""Archives in an S3 bucket pass the suite of archives, against a real server of the protocol on this machine."""

from __future__ import annotations

import pytest

from charter_persist.backends.s3 import S3Archive
from charter_persist.testing import ArchiveConformance
from charter_persist.testing.archive import Overwrite
from tests.archive_store import ArchiveStore
from tests.s3_server import Bucket


@pytest.mark.spec("CCOS-2")
class TestS3Archive(ArchiveConformance):
    @pytest.fixture
    def store(self, bucket: Bucket) -> ArchiveStore:  # type: ignore[override]
        return ArchiveStore(S3Archive(bucket.address("some/prefix")))

    @pytest.fixture
    def overwrite(self, bucket: Bucket) -> Overwrite:  # type: ignore[override]
        def put(kind: str, name: str, data: bytes) -> None:
            bucket.put(f"some/prefix/{kind}/{name[:2]}/{name[2:4]}/{name}.json", data)

        return put
