"""Laws of backup: a line gives back its row, and however a history is cut into segments, the store comes back."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist import canonical_bytes
from charter_persist.backends.contract import OPERATION, Relation
from charter_persist.errors import CompactedError, IntegrityError
from charter_persist.transfer.rows import from_line, logs, to_line
from tests.backups import Dump, back_up, bring_back, dump, new_url, record

CARRIED = (*logs(), OPERATION)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(2**53) + 1, 2**53 - 1),
    bytes: st.binary() | TEXTS.map(str.encode),
    type(None): st.none(),
}


def rows(relation: Relation[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(relation.row)
    columns = [st.one_of([VALUES[kind] for kind in get_args(hint) or (hint,)]) for hint in hints.values()]
    return st.tuples(*columns).map(relation.make)


ANY_ROW = st.sampled_from(CARRIED).flatmap(lambda relation: st.tuples(st.just(relation), rows(relation)))


@given(ANY_ROW)
def test_a_line_gives_back_its_row(item: tuple[Relation[Any], Any]) -> None:
    relation, row = item
    line = to_line(relation, row)
    assert from_line(line) == (relation, row)
    assert line.count(b"\n") == 1
    assert line == canonical_bytes(json.loads(line)) + b"\n"


@given(ANY_ROW, st.data())
def test_a_line_of_two_rows_is_never_the_same(item: tuple[Relation[Any], Any], data: st.DataObject) -> None:
    relation, row = item
    other = data.draw(rows(relation))
    assert (to_line(relation, row) == to_line(relation, other)) == (row == other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([name for r in CARRIED for name in (r.name, *r.columns)]), inner, max_size=9)
    ),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_other_line_is_refused_with_a_typed_error(line: bytes) -> None:
    try:
        relation, row = from_line(line)
    except IntegrityError:
        return
    assert from_line(to_line(relation, row)) == (relation, row)


UNITS = 24


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Dump]]:
    """A folder with the store as it was after each unit, and what it held then."""
    folder = tmp_path_factory.mktemp("history")
    url = new_url(folder)
    then = [dump(url)]
    for number in range(UNITS + 1):
        shutil.copyfile(folder / "source.db", folder / f"{number}.db")
        if number < UNITS:
            record(url, number, number + 1)
            then.append(dump(url))
    return folder, then


@pytest.mark.spec("GOV-12", "P37")
@settings(max_examples=40)
@given(st.sets(st.integers(0, UNITS), min_size=1, max_size=5), st.data())
def test_however_it_is_cut_the_store_of_a_revision_comes_back(
    history: tuple[Path, list[Dump]], cuts: set[int], data: st.DataObject
) -> None:
    """Or the revision is refused, because a compaction came before the backup that could have had it."""
    stores, then = history
    newest = max(cuts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for cut in sorted(cuts):
            back_up(f"sqlite:///{stores / f'{cut}.db'}", folder / "b", incremental=True)
        revision = data.draw(st.integers(0, newest), label="revision")
        url = f"sqlite:///{folder / 'target.db'}"
        try:
            bring_back(folder / "b", url, revision=revision)
        except CompactedError as exc:
            assert revision not in cuts
            revision = exc.oldest
            bring_back(folder / "b", url, revision=revision)
        assert dump(url) == then[revision]
