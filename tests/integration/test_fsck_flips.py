"""One flipped bit in any stored value is found, and the finding names table and key.

``CHARTER_FSCK_FLIPS=all`` flips a bit in every value; by default a spread of them in each column.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.integrity.fsck import fsck
from tests.damage import TABLES, Value, flip_one, unguarded, values, write
from tests.governed_store import record_everything, ticking

PER_COLUMN = 10**9 if os.environ.get("CHARTER_FSCK_FLIPS") == "all" else 20


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flips") / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}", clock=ticking()) as store:
        record_everything(store)
        assert fsck(store).findings == ()
    return path


def spread(places: list[Value]) -> list[Value]:
    """Some of them, the first and the last included."""
    if len(places) <= PER_COLUMN:
        return places
    return [places[round(n * (len(places) - 1) / (PER_COLUMN - 1))] for n in range(PER_COLUMN)]


def names(subject: str, *places: Value) -> bool:
    """Whether the subject of a finding names the row, by its key or by its other identity."""
    table = places[0].table
    if places[0].column in places[0].key_columns and subject.startswith(f"{table}/behind "):
        return True  # the key itself cannot be read any more
    return any(subject in place.subjects for place in places)


@pytest.mark.spec("P23", "GOV-11")
@pytest.mark.parametrize("table", TABLES)
def test_a_flipped_bit_in_any_value_is_found_with_its_table_and_key(path: Path, table: str) -> None:
    chance = random.Random(table)
    missed = []
    with unguarded(path) as tamper, connect(f"sqlite:///{path}", read_only=True) as store:
        everything = list(values(tamper, table))
        assert everything
        for column in dict.fromkeys(place.column for place in everything):
            for place in spread([place for place in everything if place.column == column]):
                altered = flip_one(tamper, place, chance)
                found = fsck(store).findings
                if not any(names(finding.subject, place, altered) for finding in found):
                    missed.append((place, altered.value, [f for f in found if f.code != "GUARD_MISSING"]))
                write(tamper, altered, place.value)
        assert missed == []
        assert {finding.code for finding in fsck(store).findings} == {"GUARD_MISSING"}
