"""``charter demo``: the main job on real input, from the first unit of work to the verified root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import click

from charter_persist.cli.commands.checkpoints import findings_to_json, report_blocks, report_to_json
from charter_persist.cli.demo.peps import Record, read_record
from charter_persist.cli.demo.recording import Recorded, open_for_recording, record_all
from charter_persist.cli.demo.summary import Summary, summarise
from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, StoreNotOpened, common_options, pass_invocation, upgrade_store
from charter_persist.cli.location import is_private, location, shown_url
from charter_persist.cli.output import Line, answer
from charter_persist.cli.progress import progress
from charter_persist.errors import CharterError
from charter_persist.integrity.verify import VerifyReport, verify
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.store import Store, connect

DEMO_URL: Final = "sqlite:///charter-demo.db"


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


@click.command()
@common_options
@pass_invocation
def demo(invocation: Invocation) -> int:
    """Record 736 real decisions, reopen the store and verify it.

    They are the Python Enhancement Proposals with their whole history; at the end they are summed up. Without --url and CHARTER_URL it goes into the file
    charter-demo.db of this folder. The store must be empty; where it holds the record already, it is only verified.
    Time, identifiers and nonces come from the record, so SQLite and Postgres end with the same root.
    """
    url = invocation.target(DEMO_URL)
    upgrade_store(url)
    done = demonstrate(url, read_record())
    document = {
        "url": shown_url(url),
        "location": location(url),
        "already_recorded": done.recorded.repeated,
        "verified": {**report_to_json(done.report), "findings": findings_to_json(done.report.findings)},
        **done.summary.to_json(),
    }
    what = "was recorded already in" if done.recorded.repeated else "is recorded in"
    answer(
        invocation,
        document,
        Line(f"The record of {sum(row.total() for row in done.summary.states.values())} proposals {what}"),
        Line(location(url)),
        *done.summary.blocks(),
        *report_blocks(done.report, None, done.report.findings),
    )
    return ExitCode.REFUSED if done.report.findings else ExitCode.FINE


def demonstrate(url: str, record: Record) -> Demonstration:
    """Record, close, open again, verify every digest and the root, and sum up.

    The root of the last receipt serves as a checkpoint, so the verification shows that what was reopened is what was
    recorded. A store that is gone when it is closed is verified as it stands.

    Args:
        url: of a store at head.
        record: what to record.

    Raises:
        StoreNotOpened: the store cannot be opened.
        ConflictError: it holds something else.
        BackendError: the database failed.
    """
    try:
        store, tape = open_for_recording(url)
    except CharterError as exc:
        raise StoreNotOpened(exc) from exc
    with store:
        with progress("recording") as advance:
            recorded = record_all(store, tape, record, advance)
        kept = None
        if recorded.receipt is not None:
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
