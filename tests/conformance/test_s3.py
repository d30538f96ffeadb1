"""Archives in an S3 bucket pass the suite of archives, against a real server of the protocol on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import Store, connect
from charter_persist.testing import ArchiveConformance
from charter_persist.testing.archive import Overwrite
from tests.s3_server import Bucket


@pytest.mark.spec("CCOS-2")
class TestS3Archive(ArchiveConformance):
    @pytest.fixture
    def store(self, bucket: Bucket) -> Iterator[Store]:
        with connect(bucket.url("some/prefix")) as store:
            yield store

    @pytest.fixture
    def overwrite(self, bucket: Bucket) -> Overwrite:  # type: ignore[override]
        def put(kind: str, name: str, data: bytes) -> None:
            bucket.put(f"some/prefix/{kind}/{name[:2]}/{name[2:4]}/{name}.json", data)

        return put
