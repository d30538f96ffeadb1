"""The whole job: record, open the store anew, verify every digest and the root, sum up."""

from __future__ import annotations

from dataclasses import dataclass

from charter_persist.cli.demo.peps import Record
from charter_persist.cli.demo.recording import Recorded, open_for_recording, record_all
from charter_persist.cli.demo.summary import Summary, summarise
from charter_persist.cli.location import is_private
from charter_persist.cli.progress import progress
from charter_persist.commit import JournalReceipt
from charter_persist.integrity.verify import VerifyReport, verify
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.store import Store, connect


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What a run of the demonstration gave.

    Attributes:
        recorded: what was written.
        report: of the verification after the store was opened anew.
        summary: rebuilt from that store.
    """

    recorded: Recorded
    report: VerifyReport
    summary: Summary


def demonstrate(url: str, record: Record) -> Demonstration:
    """Record, close, open again, verify every digest and the root, and sum up.

    The root of the last receipt serves as a checkpoint, so the verification shows that what was reopened is what was
    recorded. A store that is gone when it is closed is verified as it stands.

    Args:
        url: of a store at head.
        record: what to record.

    Raises:
        ConflictError: the store holds something else.
        BackendError: the database failed.
        SchemaError: the schema is not at head.
    """
    store, tape = open_for_recording(url)
    with store:
        with progress("recording") as advance:
            recorded = record_all(store, tape, record, advance)
        kept = None
        if isinstance(recorded.receipt, JournalReceipt):
            kept = Checkpoint(store.store_id, recorded.receipt.size, recorded.receipt.root)
        if is_private(url):
            return _look_back(store, recorded, kept)
    with connect(url) as reopened:
        return _look_back(reopened, recorded, kept)


def _look_back(store: Store, recorded: Recorded, kept: Checkpoint | None) -> Demonstration:
    """Verify a store and sum it up."""
    with progress("verifying") as advance:
        report = verify(store, store_id=store.store_id, checkpoint=kept, progress=advance)
    with store.read() as view:
        return Demonstration(recorded, report, summarise(view))
