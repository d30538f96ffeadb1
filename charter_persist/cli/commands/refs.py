"""``charter refs``: named pointers and their history."""

from __future__ import annotations

from collections.abc import Iterable

import click

from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Table, answer
from charter_persist.model.records import Ref

PAGE_MAX = 10_000
COLUMNS = ("name", "digest", "version", "revision")


@click.group(cls=OrderedGroup)
@common_options
def refs() -> None:
    """Named pointers to objects, changed by compare-and-set only."""


@refs.command("list")
@click.argument("prefix", default="")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, PAGE_MAX), default=100, show_default=True, help="How many at most."
)
@click.option("--cursor", metavar="CURSOR", help="Go on where the page with this cursor ended.")
@common_options
@pass_invocation
def list_refs(invocation: Invocation, prefix: str, limit: int, cursor: str | None) -> None:
    """List the refs whose names begin with PREFIX."""
    with invocation.open() as store, store.read() as view:
        page = view.refs.list(prefix, limit=limit, cursor=cursor)
    document = {"refs": [ref.to_json() for ref in page.items], "cursor": page.cursor, "revision": page.revision}
    more = [] if page.cursor is None else [Line(f"more: --cursor {page.cursor}")]
    answer(invocation, document, _table(page.items), *more)


@refs.command("get")
@click.argument("name")
@common_options
@pass_invocation
def get_ref(invocation: Invocation, name: str) -> None:
    """Print the digest that NAME points to."""
    with invocation.open() as store, store.read() as view:
        ref = view.refs.require(name)
    answer(invocation, ref.to_json(), Line(str(ref.digest)))


@refs.command("set")
@click.argument("name")
@click.argument("digest")
@click.option(
    "--expected",
    metavar="VERSION",
    type=click.IntRange(min=0),
    required=True,
    help="The version it has now; 0 where it must not exist.",
)
@common_options
@pass_invocation
def set_ref(invocation: Invocation, name: str, digest: str, expected: int) -> None:
    """Point NAME to DIGEST if its version is the expected one."""
    with invocation.open(read_only=False) as store, store.begin() as uow:
        ref = uow.refs.set(name, digest, expected=expected)
    answer(invocation, ref.to_json(), Line(f"{ref.name} has version {ref.version}"))


@refs.command("delete")
@click.argument("name")
@click.option(
    "--expected", metavar="VERSION", type=click.IntRange(min=1), required=True, help="The version it has now."
)
@common_options
@pass_invocation
def delete_ref(invocation: Invocation, name: str, expected: int) -> None:
    """Remove NAME if its version is the expected one.

    Its history and the object stay.
    """
    with invocation.open(read_only=False) as store, store.begin() as uow:
        uow.refs.delete(name, expected=expected)
    answer(invocation, {"name": name, "deleted": True}, Line(f"{name} is deleted"))


@refs.command("history")
@click.argument("name")
@common_options
@pass_invocation
def ref_history(invocation: Invocation, name: str) -> None:
    """List each state that NAME ever had, oldest first.

    Where there is no digest it was deleted.
    """
    with invocation.open() as store, store.read() as view:
        states = list(view.refs.history(name))
    answer(invocation, {"history": [ref.to_json() for ref in states]}, _table(states))


def _table(items: Iterable[Ref]) -> Table:
    return Table(COLUMNS, [(ref.name, ref.digest, ref.version, ref.revision) for ref in items])
