"""Results on standard output: tables for a terminal, plain lines for a pipe, one JSON document for a program.

What comes out of a store is never trusted with the terminal: control characters are shown escaped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from charter_persist.cli.invocation import Invocation


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and values, one pair a line."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; in plain form the cells are divided by tabs."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str | None = None


Block = Line | Pairs | Table


def answer(invocation: Invocation, document: Mapping[str, Any], *blocks: Block) -> None:
    """Print a result once: the document with ``--json``, else the blocks.

    Args:
        invocation: says which.
        document: JSON; complete, because programs read nothing else.
        *blocks: the same for people.
    """
    if invocation.as_json:
        # ASCII alone: it can be written whatever the locale, and it cannot steer a terminal.
        click.echo(json.dumps(document, indent=2 if sys.stdout.isatty() else None))
    elif sys.stdout.isatty():
        _print_rich(blocks)
    else:
        for block in blocks:
            click.echo("\n".join(_plain_lines(block)))


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey or hide."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(value: Any) -> str:
    """A value as one cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _plain_lines(block: Block) -> Iterable[str]:
    if isinstance(block, Line):
        return [printable(block.text)]
    if isinstance(block, Pairs):
        return [f"{name}: {cell(value)}" for name, value in block.values.items()]
    title = [] if block.title is None else ["", block.title]
    return [*title, "\t".join(block.columns), *("\t".join(map(cell, row)) for row in block.rows)]


def _print_rich(blocks: Iterable[Block]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    for block in blocks:
        if isinstance(block, Line):
            console.print(Text(printable(block.text)))
            continue
        if isinstance(block, Pairs):
            table = RichTable(box=None, show_header=False, pad_edge=False)
            table.add_column(style="bold")
            table.add_column(overflow="fold")
            rows: Iterable[Sequence[Any]] = block.values.items()
        else:
            table = RichTable(title=block.title, title_justify="left", header_style="bold")
            for name in block.columns:
                table.add_column(name, overflow="fold")
            rows = block.rows
        for row in rows:
            table.add_row(*(Text(cell(value)) for value in row))
        console.print(table)
