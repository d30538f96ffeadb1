"""``charter intents`` and ``charter migrate-from-file``: the intent graph, its backup, and what comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from charter_persist.cli.desk import as_of_option
from charter_persist.cli.failure import ExitCode
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.location import shown_url
from charter_persist.cli.output import Block, Line, Pairs, Table, answer
from charter_persist.model.intent import IntentFilter, IntentStatus
from charter_persist.model.time import format_time
from charter_persist.transfer.intent_backup import backup_intents, restore_intents
from charter_persist.transfer.migrating import MigrationReport, Outcome, migrate_from_file

PAGE_MAX = 10_000
COLUMNS = ("id", "status", "priority", "name", "goal")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=OrderedGroup)
@common_options
def intents() -> None:
    """The intent graph: what is wanted, and what depends on what."""


@intents.command("list")
@click.option("--status", type=click.Choice([str(status) for status in IntentStatus]), help="Only with this status.")
@click.option("--name", "name_contains", metavar="TEXT", help="Only with TEXT in the name.")
@click.option("--goal", "goal_contains", metavar="TEXT", help="Only with TEXT in the goal.")
@click.option("--priority-min", metavar="N", type=int, help="Only with this priority or more.")
@click.option("--priority-max", metavar="N", type=int, help="Only with this priority or less.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, PAGE_MAX), default=100, show_default=True, help="How many at most."
)
@click.option("--cursor", metavar="CURSOR", help="Go on where the page with this cursor ended.")
@as_of_option
@common_options
@pass_invocation
def list_intents(
    invocation: Invocation,
    status: str | None,
    name_contains: str | None,
    goal_contains: str | None,
    priority_min: int | None,
    priority_max: int | None,
    limit: int,
    cursor: str | None,
    as_of: int | None,
) -> None:
    """List the intents that fit all that is asked, by id."""
    where = IntentFilter(
        status=None if status is None else IntentStatus(status),
        name_contains=name_contains,
        goal_contains=goal_contains,
        priority_min=priority_min,
        priority_max=priority_max,
    )
    with invocation.open() as store, store.read(as_of=as_of) as view:
        page = view.intents.list(where, limit=limit, cursor=cursor)
    rows = [(found.intent_id, found.status, found.priority, found.name, found.goal) for found in page.items]
    document = {
        "intents": [found.to_json() for found in page.items],
        "cursor": page.cursor,
        "revision": page.revision,
    }
    more = [] if page.cursor is None else [Line(f"more: --cursor {page.cursor}")]
    answer(invocation, document, Table(COLUMNS, rows), *more)


@intents.command("check")
@common_options
@pass_invocation
def check_intents(invocation: Invocation) -> int:
    """Read the whole graph and say what is wrong with it.

    Exit code 1 where something is.
    """
    with invocation.open() as store, store.read() as view:
        health = view.intents.health_check()
    facts = {"intents": health.intents, "edges": health.edges}
    answer(invocation, {**facts, "problems": list(health.problems)}, Pairs(facts), *map(Line, health.problems))
    return ExitCode.FINE if health.ok else ExitCode.REFUSED


@intents.command("backup")
@click.argument("file", type=_FILE)
@click.option("--note", metavar="TEXT", help="A note for its manifest.")
@as_of_option
@common_options
@pass_invocation
def backup_graph(invocation: Invocation, file: Path, note: str | None, as_of: int | None) -> None:
    """Write the intents and edges to FILE, as JSON of version 1.1 with a text for people."""
    with invocation.open() as store, store.read(as_of=as_of) as view:
        made = backup_intents(view, file, source=shown_url(invocation.target()), note=note)
    facts = {
        "file": str(file),
        "version": made.version,
        "made_at": format_time(made.made_at),
        "intents": len(made.intents),
        "edges": len(made.edges),
    }
    answer(invocation, facts, Pairs(facts))


@intents.command("restore")
@click.argument("file", type=_FILE)
@common_options
@pass_invocation
def restore_graph(invocation: Invocation, file: Path) -> None:
    """Replace all intents and edges by those in FILE, a backup of version 1.0 or 1.1.

    A file that is not sound changes nothing.
    """
    with invocation.open(read_only=False) as store:
        done = restore_intents(store, file)
    facts = {
        "file": str(file),
        "intents": len(done.backup.intents),
        "edges": len(done.backup.edges),
        "revision": None if done.receipt is None else done.receipt.revision,
    }
    answer(invocation, facts, Pairs(facts))


@click.command("migrate-from-file")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Write nothing, and say what would be done.")
@common_options
@pass_invocation
def migrate(invocation: Invocation, path: Path, dry_run: bool) -> int:
    """Bring what is in PATH into the store: a folder with an index.json, or a backup of intents.

    Nothing that is here is replaced, and a second run changes nothing. Exit code 1 where something was refused.
    """
    with invocation.open(read_only=False) as store:
        report = migrate_from_file(store, path, dry_run=dry_run)
    answer(invocation, report.to_json(), *_blocks(report))
    return ExitCode.REFUSED if report.count(Outcome.REFUSED) else ExitCode.FINE


def _blocks(report: MigrationReport) -> list[Block]:
    blocks: list[Block] = [Pairs({str(outcome): report.count(outcome) for outcome in Outcome})]
    refused = [(item.kind, item.identity, item.reason) for item in report.items if item.outcome is Outcome.REFUSED]
    if refused:
        blocks.append(Table(("kind", "identity", "reason"), refused, title="refused"))
    return blocks
