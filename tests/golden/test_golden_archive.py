"""Content hashes and what the journal commits to for an entity: frozen, so that old archives verify with later releases."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from charter_persist import Store, connect
from charter_persist.backends.contract import ArchiveRow
from charter_persist.journal.entry import commitment
from charter_persist.model.archive import content_hash
from charter_persist.model.digest import digest
from charter_persist.repositories.archive_ledger import entry_bytes
from charter_persist.testing import CountingSources
from charter_persist.testing.archive import ENTITIES

HASHES = [
    "87e63d9d4410072a0147619a6f1a83c79c97b8938f5583bad2e9c9a4978f78ea",
    "3dfab3f63dff4cce94ac0eff1c6ea8154cfffd054b76739c77ff55ec4a30141e",
    "3f41c8b552f5d6ca18253cd28fc6227c405f8696fd945b06d608309686e5295a",
]
VECTORS = {
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a": {},
    "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862": {"a": 1},
}
ROW = ArchiveRow(7, "plan", bytes(range(32)), 2, 'p"\u20ac', 5, 1_700_000_000_000_000, bytes(range(16)), b'{"a"}')
DATA = b'{"content_hash":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","entity_id":"p\\"\xe2\x82\xac","entity_type":"plan","generation":2,"size":5,"stored_at":"2023-11-14T22:13:20Z"}'
COMMITMENT = "52f11a305dd9c6b57d4d47a070657f40cef39ab29f6db7a6d1f7b5103a758626"
ROOT = "1ef46579174bfc3c6342998a7bf0d04557ac13bedc96db8ac13a54dbc890fd26"
PROGRAM = """
from datetime import UTC, datetime
from charter_persist.model.archivable import ArchivablePlan
moment = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
plan = ArchivablePlan(plan_id="p", body="(do it)", created_at=moment, intent_ids=("i1", "i2"), policies={"max": 1.5})
print(plan.content_hash())
"""


def end_of(store: Store) -> str:
    """The root after a short history."""
    with store.begin() as uow:
        hashes = [uow.archive(entity.entity_type()).store(entity) for entity in ENTITIES]
    with store.begin() as uow:
        uow.archive("plan").erase(hashes[0])
    with store.begin() as uow:
        uow.archive("plan").store(ENTITIES[0])
    assert uow.receipt is not None
    return uow.receipt.root.hex()


@pytest.mark.spec("CCOS-1", "CCOS-7")
def test_content_hashes_are_frozen() -> None:
    assert [entity.content_hash() for entity in ENTITIES] == HASHES
    for expected, value in VECTORS.items():
        assert content_hash(value) == expected
        assert digest("plan", value) != expected, "the two schemes are never mixed"


@pytest.mark.spec("CCOS-1", "CCOS-7")
def test_content_hashes_are_the_same_in_every_process() -> None:
    for seed in range(21):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        assert ended.stdout.split() == HASHES[:1]


@pytest.mark.spec("CCOS-2")
def test_the_form_of_an_entry_is_frozen() -> None:
    assert entry_bytes(ROW) == DATA
    assert commitment(ROW.nonce, DATA).hex() == COMMITMENT


@pytest.mark.spec("CCOS-2", "CCOS-7")
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_a_history_of_an_archive_ends_with_the_same_root(url: str) -> None:
    with connect(url, **CountingSources().arguments()) as store:
        assert end_of(store) == ROOT
