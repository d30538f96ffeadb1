"""Reading what may be damaged: a row that cannot be read is a finding, and the reading goes on behind it.

Costs nothing while rows can be read; a bad row costs the rows of its page one by one, and a bisection.

Imports ``unit_of_work``, ``repositories``, ``backends.contract``, ``model`` and ``errors``. Source: RELIABILITY P23, P52.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args, get_type_hints

from charter_persist.backends.contract import Key, Reader, Relation, Row
from charter_persist.errors import CorruptStoreError
from charter_persist.integrity.collected import Findings
from charter_persist.model.text import POSITION_MAX
from charter_persist.repositories.contents import WholeObjects
from charter_persist.unit_of_work import ReadView

BY_POSITION: Final = ("position",)
UNREADABLE_MAX: Final = 1_000
# A damaged page, a text that is no text, a payload that is a number.
UNREADABLE_ROW: Final = (CorruptStoreError, TypeError)


def damaged(view: ReadView) -> Reader:
    """What a view reads, where objects whose content is missing are read without it."""
    return WholeObjects(view.rows, view.contents, lenient=True)


@cache
def _types(row_class: type[Any]) -> tuple[tuple[type, ...], ...]:
    """The types that each column of a row may have."""
    return tuple(get_args(hint) or (hint,) for hint in get_type_hints(row_class).values())


def is_well_typed(row: tuple[Any, ...]) -> bool:
    """Whether each value of a row has the type of its column; in a damaged file it may have any."""
    return all(isinstance(value, kinds) for value, kinds in zip(row, _types(type(row)), strict=True))


def rows_by_position(reader: Reader, relation: Relation[Row], findings: Findings) -> Iterator[Row]:
    """Yield the rows of a log in order of position; each that cannot be read is reported and left out."""
    place = relation.columns.index("position")
    try:
        yield from reader.scan(relation, BY_POSITION, stop=(1,))  # nothing of ours stands there
    except UNREADABLE_ROW as exc:
        findings.add("VALUE_UNREADABLE", f"{relation.name}/0", f"a row below the first cannot be read: {exc}")
    after = 0
    for _ in range(UNREADABLE_MAX):
        try:
            for row in reader.scan(relation, BY_POSITION, after=(after,)):
                after = row[place]
                yield row
            return
        except UNREADABLE_ROW:  # somewhere in that page: now row by row, up to it
            pass
        try:
            while (one := _first_row(reader, relation, after + 1)) is not None:
                after = one[place]
                yield one
            return
        except UNREADABLE_ROW as exc:
            start = after + 1
            beyond = range(POSITION_MAX)
            after = bisect_left(beyond, True, start, key=lambda n: not _is_readable(reader, relation, start, n + 1))
            findings.add("VALUE_UNREADABLE", f"{relation.name}/{after}", f"the row cannot be read: {exc}")
            if after >= POSITION_MAX:
                return
    findings.add(
        "VALUE_UNREADABLE", f"{relation.name}/{after}", "too many rows cannot be read; the rest was not looked at"
    )


def _first_row(reader: Reader, relation: Relation[Row], start: int) -> Row | None:
    """The first row from a position on, or None where there is none."""
    return next(reader.scan(relation, BY_POSITION, start=(start,), limit=1), None)


def _is_readable(reader: Reader, relation: Relation[Any], start: int, stop: int) -> bool:
    """Whether the first row from a position on and below another can be read, or there is none."""
    try:
        next(reader.scan(relation, BY_POSITION, start=(start,), stop=(stop,), limit=1), None)
    except UNREADABLE_ROW:
        return False
    return True


def rows_by_key(
    reader: Reader, relation: Relation[Row], findings: Findings, order: tuple[str, ...] = ()
) -> Iterator[Row]:
    """Yield the rows of a table in an order, by default that of its key, up to the first page that cannot be read.

    That page is reported.
    """
    last: Key | None = None
    try:
        for row in reader.scan(relation, order or relation.key):
            last = relation.key_of(row)
            yield row
    except UNREADABLE_ROW as exc:
        where = "the beginning" if last is None else "/".join(map(str, last))
        findings.add("VALUE_UNREADABLE", f"{relation.name}/behind {where}", f"rows cannot be read: {exc}")
