"""``charter watch``: what happens in a store, one line of JSON for each unit of work, as it happens."""

from __future__ import annotations

import base64
import json
from itertools import islice
from typing import Any

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.watch.event import WatchBatch, WatchEvent

after_option = click.option(
    "--after",
    metavar="REVISION",
    type=click.IntRange(min=0),
    help="Begin behind this revision, 0 at the beginning; without it, now.",
)
limit_option = click.option("--limit", metavar="N", type=click.IntRange(min=1), help="End after N lines.")


@click.command()
@click.argument("pattern")
@after_option
@limit_option
@common_options
@pass_invocation
def watch(invocation: Invocation, pattern: str, after: int | None, limit: int | None) -> None:
    """Print what happens to the subjects of PATTERN until interrupted.

    PATTERN is like kv:/nodes/*, ref:area/*, audit:AREA:x or object:resolution. Each line is a JSON document: the
    revision, to go on with --after, and the events of its unit of work. Values are in base64, those of refs are digests.
    """
    follow(invocation, pattern, after, limit)


def follow(invocation: Invocation, pattern: str, after: int | None, limit: int | None) -> None:
    """Print batches as they come."""
    with invocation.open() as store, store.watch(pattern, after=after) as batches:
        for batch in islice(batches, limit):
            click.echo(json.dumps(_document(batch)))


def _document(batch: WatchBatch) -> dict[str, Any]:
    return {"revision": batch.revision, "events": [_event(event) for event in batch.events]}


def _event(event: WatchEvent) -> dict[str, Any]:
    return {
        "type": event.type,
        "store": event.store,
        "key": event.key,
        "version": event.version,
        "old_value": _value(event.old_value),
        "new_value": _value(event.new_value),
    }


def _value(value: bytes | str | None) -> str | None:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
