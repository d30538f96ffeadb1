"""``charter init`` and ``charter upgrade``: making a store, and bringing its schema to head."""

from __future__ import annotations

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation, upgrade_store
from charter_persist.cli.location import location, shown_url
from charter_persist.cli.output import Pairs, answer


@click.command()
@common_options
@pass_invocation
def init(invocation: Invocation) -> None:
    """Create the store, or upgrade it, and say where it is.

    The database itself must exist on Postgres; on SQLite the file is made.
    """
    _upgrade_and_answer(invocation)


@click.command()
@common_options
@pass_invocation
def upgrade(invocation: Invocation) -> None:
    """Bring the schema to head; the same as `alembic upgrade head`.

    Safe to repeat and to run from several processes at once. It never goes back, and it leaves a database of
    another application alone.
    """
    _upgrade_and_answer(invocation)


def _upgrade_and_answer(invocation: Invocation) -> None:
    url = invocation.target()
    upgrade_store(url)
    with invocation.open() as store:
        facts = {"backend": store.name, "store_id": store.store_id}
    document = {"url": shown_url(url), "location": location(url), **facts}
    answer(invocation, document, Pairs({"store": document["location"], **facts, "schema": "at head"}))
