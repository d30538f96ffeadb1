"""``charter events`` and ``charter threads``: what executions left behind, for reading."""

from __future__ import annotations

from typing import Any

import click

from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Table, answer
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.event import StoredEvent
from charter_persist.model.plain import to_json
from charter_persist.model.records import Page
from charter_persist.model.time import format_time

PAGE_MAX = 10_000
limit_option = click.option(
    "--limit", metavar="N", type=click.IntRange(1, PAGE_MAX), default=100, show_default=True, help="How many at most."
)
cursor_option = click.option("--cursor", metavar="CURSOR", help="Go on where the page with this cursor ended.")


@click.group(cls=OrderedGroup)
@common_options
def events() -> None:
    """Events of executions."""


@events.command("list")
@click.argument("execution")
@limit_option
@cursor_option
@common_options
@pass_invocation
def list_events(invocation: Invocation, execution: str, limit: int, cursor: str | None) -> None:
    """List the events of EXECUTION in their order; of an erased one its number and type."""
    with invocation.open() as store, store.read() as view:
        page = view.events.list(execution, limit=limit, cursor=cursor)
    rows = [_event(event) for event in page.items]
    columns = ("sequence", "type", "timestamp", "event")
    shown = [(*(row[name] for name in columns[:3]), _text(row["event"])) for row in rows]
    _answer(invocation, {"events": rows}, page, Table(columns, shown))


@events.command("executions")
@click.argument("tenant")
@limit_option
@cursor_option
@common_options
@pass_invocation
def list_executions(invocation: Invocation, tenant: str, limit: int, cursor: str | None) -> None:
    """List the executions of TENANT."""
    with invocation.open() as store, store.read() as view:
        page = view.events.list_executions(tenant, limit=limit, cursor=cursor)
    _answer(invocation, {"executions": list(page.items)}, page, Table(("execution",), [(name,) for name in page.items]))


@click.group(cls=OrderedGroup)
@common_options
def threads() -> None:
    """Threads of messages."""


@threads.command("list")
@click.argument("tenant")
@click.option("--user", metavar="USER", help="Only threads of this user.")
@limit_option
@cursor_option
@common_options
@pass_invocation
def list_threads(invocation: Invocation, tenant: str, user: str | None, limit: int, cursor: str | None) -> None:
    """List the threads of TENANT in the order they were created."""
    with invocation.open() as store, store.read() as view:
        page = view.messages.list_threads(tenant, user, limit=limit, cursor=cursor)
    rows = [to_json(thread) for thread in page.items]
    columns = ("id", "user_id", "title", "updated_at")
    _answer(invocation, {"threads": rows}, page, Table(columns, [tuple(map(row.get, columns)) for row in rows]))


@threads.command("show")
@click.argument("thread")
@limit_option
@cursor_option
@common_options
@pass_invocation
def show_thread(invocation: Invocation, thread: str, limit: int, cursor: str | None) -> None:
    """Print the messages of THREAD in the order they were created."""
    with invocation.open() as store, store.read() as view:
        found = view.messages.require_thread(thread)
        page = view.messages.list_messages(thread, limit=limit, cursor=cursor)
    rows = [to_json(message) for message in page.items]
    columns = ("id", "role", "parent_id", "content")
    table = Table(columns, [tuple(map(row.get, columns)) for row in rows])
    _answer(invocation, {"thread": to_json(found), "messages": rows}, page, table)


def _event(event: StoredEvent) -> dict[str, Any]:
    return {
        "execution_id": event.execution_id,
        "sequence": event.sequence,
        "tenant_id": event.tenant_id,
        "type": event.type,
        "event": None if event.event is None else event.event.to_json(),
        "timestamp": format_time(event.timestamp),
        "position": event.position,
        "revision": event.revision,
    }


def _text(event: Any) -> str:
    return "erased" if event is None else canonical_bytes(event).decode()


def _answer(invocation: Invocation, document: dict[str, Any], page: Page[Any], table: Table) -> None:
    more = [] if page.cursor is None else [Line(f"more: --cursor {page.cursor}")]
    answer(invocation, {**document, "cursor": page.cursor, "revision": page.revision}, table, *more)
