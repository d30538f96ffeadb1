"""``charter log``: the journal, entry by entry."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Table, answer
from charter_persist.journal.entry import Entry
from charter_persist.journal.ledger import JournalReader
from charter_persist.model.time import format_micros

LIMIT_MAX = 10_000


@click.command()
@click.option("--after", type=click.IntRange(min=0), metavar="POSITION", help="Only entries behind this position.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, LIMIT_MAX),
    default=20,
    show_default=True,
    help="How many entries at most.",
)
@click.option("--store", metavar="NAME", help="Only entries of this store, such as object or audit.")
@common_options
@pass_invocation
def log(invocation: Invocation, after: int | None, limit: int, store: str | None) -> None:
    """List journal entries in their order.

    The newest ones, or with --after the first ones behind that position. `--json` adds the commitments.
    """
    with invocation.open() as opened, opened.read() as view:
        entries = list(choose_entries(view.journal, after=after, limit=limit, store=store))
    document = {"entries": [entry_to_json(entry) for entry in entries]}
    columns = ("position", "revision", "recorded_at", "store", "operation", "subject")
    answer(invocation, document, Table(columns, [[item[name] for name in columns] for item in document["entries"]]))


def choose_entries(journal: JournalReader, *, after: int | None, limit: int, store: str | None) -> Iterator[Entry]:
    """Entries in order of position, in memory bounded by ``limit``.

    Args:
        journal: of a view.
        after: only entries behind this position, the first ones; None for the newest ones.
        limit: at most so many.
        store: only entries of this store.

    Returns:
        The entries.
    """
    start = max(0, journal.size() - limit) if after is None and store is None else after or 0
    entries = (entry for entry in journal.entries(after=start) if store in (None, entry.store))
    return islice(entries, limit) if after is not None else iter(deque(entries, maxlen=limit))


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """All facts of an entry, as its leaf has them."""
    return {
        "position": entry.position,
        "revision": entry.revision,
        "recorded_at": format_micros(entry.recorded_at),
        "store": entry.store,
        "operation": entry.operation,
        "subject": entry.subject,
        "commitment": entry.commitment.hex(),
    }
