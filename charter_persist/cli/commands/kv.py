"""``charter kv``: keys and values, byte for byte.

A value comes from the command line, from a file or from standard input, and goes into a pipe as it is. What others change
meanwhile, where the backend lets them, is decided anew and not told: so the exit code says what became of the keys.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any

import click

from charter_persist.cli.commands.watch import after_option, follow, limit_option
from charter_persist.cli.desk import as_of_option
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.errors import InvalidInputError
from charter_persist.model.canonical import parse_json
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, Entry, KvOperation, Set
from charter_persist.model.time import format_time, parse_time
from charter_persist.unit_of_work import UnitOfWork
from charter_persist.watch.subjects import escaped

PAGE_MAX = 10_000
COLUMNS = ("key", "version", "revision", "bytes", "updated")

value_argument = click.argument("value", required=False)
file_option = click.option(
    "--file", "source", metavar="FILE", type=click.File("rb"), help="Take the value from FILE; - is standard input."
)


@click.group(cls=OrderedGroup)
@common_options
def kv() -> None:
    """Keys and values: a hierarchical key holds bytes and has a version."""


@kv.command("get")
@click.argument("key")
@as_of_option
@common_options
@pass_invocation
def get_key(invocation: Invocation, key: str, as_of: int | None) -> None:
    """Print what KEY holds.

    Into a pipe these are the bytes as they are and nothing else; `--json` gives them in base64, beside version and
    revision.
    """
    with invocation.open() as store, store.read(as_of=as_of) as view:
        entry = view.kv.require(key)
    if not invocation.as_json and not sys.stdout.isatty():
        click.echo(entry.value, nl=False)
        return
    facts = _facts(entry)
    value = facts.pop("value")
    shown = _text(entry.value)
    answer(
        invocation,
        {**facts, "value": value},
        Pairs(facts),
        *map(Line, (value if shown is None else shown).split("\n")),
    )


@kv.command("set")
@click.argument("key")
@value_argument
@file_option
@common_options
@pass_invocation
def set_key(invocation: Invocation, key: str, value: str | None, source: IO[bytes] | None) -> None:
    """Let KEY hold VALUE, whatever it held.

    Without VALUE it comes from FILE, else from standard input.
    """
    data = _given(value, source)
    with invocation.open(read_only=False) as store:
        version = store.run(lambda uow: uow.kv.set(key, data)).value
    answer(invocation, {"key": key, "version": version}, Line(f"{key} has version {version}"))


@kv.command("cas")
@click.argument("key")
@value_argument
@file_option
@click.option(
    "--expected", metavar="VERSION", type=click.IntRange(min=0), help="The version it has now; 0 where it is absent."
)
@click.option(
    "--expected-revision",
    metavar="REVISION",
    type=click.IntRange(min=0),
    help="The revision that changed it last, which never repeats; 0 where it is absent.",
)
@common_options
@pass_invocation
def compare_and_set(
    invocation: Invocation,
    key: str,
    value: str | None,
    source: IO[bytes] | None,
    expected: int | None,
    expected_revision: int | None,
) -> None:
    """Let KEY hold VALUE if it is as expected.

    Of several that try, one succeeds.
    """
    data = _given(value, source)

    def change(uow: UnitOfWork) -> int:
        return uow.kv.compare_and_set(key, data, expected=expected, expected_revision=expected_revision)

    with invocation.open(read_only=False) as store:
        version = store.run(change).value
    answer(invocation, {"key": key, "version": version}, Line(f"{key} has version {version}"))


@kv.command("delete")
@click.argument("key")
@click.option("--missing-ok", is_flag=True, help="It is fine if KEY is absent.")
@common_options
@pass_invocation
def delete_key(invocation: Invocation, key: str, missing_ok: bool) -> None:
    """Remove KEY; what it held stays in the history."""
    with invocation.open(read_only=False) as store:
        deleted = store.run(lambda uow: uow.kv.delete(key, missing_ok=missing_ok)).value
    answer(invocation, {"key": key, "deleted": deleted}, Line(f"{key} {'is deleted' if deleted else 'was absent'}"))


@kv.command("list")
@click.argument("prefix", default="")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, PAGE_MAX), default=100, show_default=True, help="How many at most."
)
@click.option("--cursor", metavar="CURSOR", help="Go on where the page with this cursor ended, at its revision.")
@as_of_option
@common_options
@pass_invocation
def list_keys(invocation: Invocation, prefix: str, limit: int, cursor: str | None, as_of: int | None) -> None:
    """List the keys that begin with PREFIX, which is taken literally."""
    with invocation.open() as store, store.read(as_of=as_of) as view:
        page = view.kv.list(prefix, limit=limit, cursor=cursor)
    document = {"entries": [_facts(entry) for entry in page.items], "cursor": page.cursor, "revision": page.revision}
    rows = [(e.key, e.version, e.revision, len(e.value), format_time(e.updated_at)) for e in page.items]
    more = [] if page.cursor is None else [Line(f"more: --cursor {page.cursor}")]
    answer(invocation, document, Table(COLUMNS, rows), *more)


@kv.command("txn")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@common_options
@pass_invocation
def transaction(invocation: Invocation, source: IO[bytes]) -> None:
    """Make all checks, then all changes, or nothing.

    FILE, or standard input, is a JSON array of {"check": KEY, "version": N}, {"check": KEY, "revision": N},
    {"set": KEY, "text": TEXT}, {"set": KEY, "base64": DATA} and {"delete": KEY}.
    """
    operations = _operations(parse_json(source.read()))
    with invocation.open(read_only=False) as store:
        receipt = store.run(lambda uow: uow.kv.transaction(operations)).receipt
    document = {"operations": len(operations), "revision": receipt.revision if receipt else None}
    answer(invocation, document, Line("nothing was to be changed" if receipt is None else f"done: {receipt.revision}"))


@kv.command("compact")
@click.argument("prefix", default="")
@click.option("--upto", metavar="REVISION", type=click.IntRange(min=0), help="Drop what this revision replaced.")
@click.option("--before", metavar="TIME", help="Drop what was replaced before this time (RFC 3339, in Z).")
@common_options
@pass_invocation
def compact(invocation: Invocation, prefix: str, upto: int | None, before: str | None) -> None:
    """Drop older values of the keys that begin with PREFIX.

    What keys hold stays, and so does every journal entry. As of an earlier revision they are not known any more.
    """
    moment: datetime | None = None if before is None else parse_time(before)
    with invocation.open(read_only=False) as store, store.begin() as uow:
        dropped = uow.kv.compact(upto=upto, before=moment, prefix=prefix)
    answer(invocation, {"dropped": dropped}, Line("compacted" if dropped is None else f"{dropped} changes dropped"))


@kv.command("erase")
@click.argument("key")
@common_options
@pass_invocation
def erase(invocation: Invocation, key: str) -> None:
    """Remove every value that KEY ever held, from every file of the store.

    The journal entries stay and every proof still verifies. Backups that were made before are not touched. While
    another program reads, the log of a SQLite store cannot be emptied: it says so, and can be repeated.
    """
    with invocation.open(read_only=False) as store:
        with store.begin() as uow:
            removed = uow.kv.erase(key)
        store.scrub()
    answer(invocation, {"key": key, "removed": removed}, Line(f"{removed} changes of {key} removed"))


@kv.command("watch")
@click.argument("prefix", default="")
@after_option
@limit_option
@common_options
@pass_invocation
def watch_keys(invocation: Invocation, prefix: str, after: int | None, limit: int | None) -> None:
    """Print what happens to the keys that begin with PREFIX until interrupted.

    Lines are those of `charter watch`; PREFIX is taken literally.
    """
    follow(invocation, f"kv:{escaped(prefix)}", after, limit)


def _given(value: str | None, source: IO[bytes] | None) -> bytes:
    """The value, from where it is."""
    if value is not None and source is not None:
        raise click.UsageError("give VALUE or --file, not both")
    if value is not None:
        return os.fsencode(value)
    data: bytes = (source or sys.stdin.buffer).read()
    return data


def _operations(document: Any) -> list[KvOperation]:
    if type(document) is not list:
        raise InvalidInputError("a transaction is a JSON array of operations")
    return [_operation(index, one) for index, one in enumerate(document)]


def _operation(index: int, one: Any) -> KvOperation:
    """One operation, whatever the document holds."""
    fields = one if isinstance(one, Mapping) else {}
    match sorted(fields):
        case ["check", "version"]:
            return CheckVersion(fields["check"], fields["version"])
        case ["check", "revision"]:
            return CheckRevision(fields["check"], fields["revision"])
        case ["delete"]:
            return Delete(fields["delete"])
        case ["set", "text"] if type(fields["text"]) is str:
            return Set(fields["set"], fields["text"].encode())
        case ["base64", "set"] if type(fields["base64"]) is str:
            try:
                return Set(fields["set"], base64.b64decode(fields["base64"], validate=True))
            except ValueError as exc:
                raise InvalidInputError(f"operation {index}: the value is not base64", index=index) from exc
    raise InvalidInputError(
        f"operation {index} is none of check, set and delete; see `charter kv txn --help`", index=index
    )


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "version": entry.version,
        "revision": entry.revision,
        "created_at": format_time(entry.created_at),
        "updated_at": format_time(entry.updated_at),
        "value": base64.b64encode(entry.value).decode(),
    }


def _text(value: bytes) -> str | None:
    """The value as a text, where it is one."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
