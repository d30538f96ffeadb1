"""What the record of the demonstration means: a pure mapping, so no store is needed to check it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from charter_persist.cli.demo import peps
from charter_persist.cli.demo.peps import Obstacle, Record, read_record, record_path
from charter_persist.cli.demo.summary import longest_chain
from charter_persist.cli.demo.tape import Tape
from charter_persist.errors import NotCanonicalError, NotFoundError
from charter_persist.model.digest import Envelope

START = datetime(2001, 1, 1, tzinfo=UTC)


def line(number: int, *history: tuple[str, str], **facts: Any) -> dict[str, Any]:
    """A line of the record; history is pairs of time within the day and status."""
    return {
        "number": number,
        "title": f"Title {number}",
        "type": "Standards Track",
        "authors": ["A"],
        "topic": [],
        "created": "01-Jan-2001",
        "python_version": None,
        "requires": [],
        "replaces": [],
        "delegate": [],
        "resolution": None,
        "status": "ignored",
        "superseded_by": [],
        "history": [
            {"at": f"2001-01-01T{clock}Z", "status": status, "commit": f"c{clock}"} for clock, status in history
        ],
        **facts,
    }


def read(tmp_path: Path, *lines: dict[str, Any]) -> Record:
    file = tmp_path / "record.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in lines), encoding="utf-8")
    return read_record(file)


GOVERNANCE = line(8016, ("12:00:00", "Accepted"))


@pytest.mark.parametrize("status", sorted(peps.ACCEPTING))
def test_the_first_status_that_says_yes_is_the_acceptance(tmp_path: Path, status: str) -> None:
    record = read(tmp_path, GOVERNANCE, line(1, ("01:00:00", "Draft"), ("02:00:00", status), ("03:00:00", "Final")))
    acceptance = record.proposals[1].acceptance
    assert acceptance is not None
    assert (acceptance.ordinal, acceptance.status, acceptance.before) == (2, status, "Draft")
    assert 1 in record.accepted


@pytest.mark.parametrize("status", ["Draft", "Rejected", "Withdrawn", "Deferred", "Superseded", "Replaced", ""])
def test_what_never_said_yes_is_no_resolution(tmp_path: Path, status: str) -> None:
    record = read(tmp_path, GOVERNANCE, line(1, ("01:00:00", status)))
    assert record.proposals[1].acceptance is None
    assert 1 not in record.accepted


def obstacles(record: Record, number: int) -> dict[int, Obstacle | None]:
    return {edge.target: edge.obstacle for edge in record.edges(number)}


def test_every_edge_supersedes_or_has_the_first_rule_that_stands_against_it(tmp_path: Path) -> None:
    record = read(
        tmp_path,
        GOVERNANCE,
        line(1, ("01:00:00", "Final")),
        line(2, ("01:30:00", "Rejected")),
        line(3, ("03:00:00", "Final"), replaces=[4, 1]),
        line(4, ("02:00:00", "Final"), replaces=[1, 2, 3, 99, 5]),
        line(5, ("01:45:00", "Final"), type="Process"),
        line(6, ("04:00:00", "Draft"), replaces=[1]),
    )
    assert obstacles(record, 4) == {
        1: None,
        2: Obstacle.TARGET_NEVER_ACCEPTED,
        3: Obstacle.TARGET_ACCEPTED_LATER,
        99: Obstacle.TARGET_NEVER_ACCEPTED,
        5: Obstacle.TARGET_OF_ANOTHER_AREA,
    }
    assert obstacles(record, 3) == {4: None, 1: Obstacle.TARGET_ALREADY_SUPERSEDED}
    assert obstacles(record, 6) == {1: Obstacle.SUCCESSOR_NEVER_ACCEPTED}
    assert {edge.target for edge in record.edges(4) if edge.target_accepted} == {1, 5}


def test_two_that_replace_each_other_make_no_cycle(tmp_path: Path) -> None:
    record = read(
        tmp_path,
        GOVERNANCE,
        line(1, ("01:00:00", "Final"), replaces=[2]),
        line(2, ("01:00:00", "Final"), replaces=[1]),
        line(3, ("01:00:00", "Final"), replaces=[3]),
    )
    assert obstacles(record, 1) == {2: Obstacle.TARGET_ACCEPTED_LATER}
    assert obstacles(record, 2) == {1: None}
    assert obstacles(record, 3) == {3: Obstacle.TARGET_ACCEPTED_LATER}


def test_every_obstacle_names_a_requirement() -> None:
    assert {obstacle.requirement for obstacle in Obstacle} == {"GOV-2", "GOV-6", "IDX-5", "IDX-6"}


def test_a_delegate_says_yes_or_else_the_authority_of_the_day(tmp_path: Path) -> None:
    record = read(
        tmp_path,
        GOVERNANCE,
        line(1, ("11:59:59", "Final")),
        line(2, ("12:00:01", "Final")),
        line(3, ("13:00:00", "Final"), delegate=["One", "Two"]),
    )
    told = {number: record.deciders(record.proposals[number].changes[-1]) for number in record.accepted}
    assert told == {1: ["BDFL"], 8016: ["BDFL"], 2: ["Steering Council"], 3: ["One", "Two"]}


def test_a_commit_is_one_unit_and_units_are_in_order_of_time(tmp_path: Path) -> None:
    record = read(
        tmp_path,
        line(7, ("02:00:00", "Draft"), ("02:00:00", "Active")),
        line(5, ("02:00:00", "Draft"), ("04:00:00", "Final")),
        line(6, ("01:00:00", "Draft")),
        GOVERNANCE,
    )
    told = [[(change.number, change.ordinal) for change in unit.changes] for unit in record.units]
    assert told == [[(6, 1)], [(5, 1), (7, 1), (7, 2)], [(5, 2)], [(8016, 1)]]


def test_the_order_of_the_lines_does_not_matter(tmp_path: Path) -> None:
    lines = [line(1, ("01:00:00", "Final")), line(2, ("01:00:00", "Final"), replaces=[1]), GOVERNANCE]
    one, two = read(tmp_path, *lines), read(tmp_path, *reversed(lines))
    assert one.units == two.units
    assert one.accepted == two.accepted
    assert one.edges(2) == two.edges(2)


def test_what_never_changed_is_recorded_last(tmp_path: Path) -> None:
    record = read(tmp_path, line(9), line(2), GOVERNANCE)
    assert [proposal.number for proposal in record.unchanging()] == [2, 9]


def test_a_proposal_says_nothing_of_its_fate(tmp_path: Path) -> None:
    content = read(tmp_path, GOVERNANCE, line(1, ("01:00:00", "Final"))).proposals[1].content
    assert not {"status", "superseded_by", "replaces", "history", "resolution"} & set(content)
    assert content["proposal_id"] == "pep-0001"
    assert content["area_id"] == "standards-track"


def test_a_record_without_the_change_of_governance_says_so_when_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="pep-8016"):
        read(tmp_path, line(8016), line(1, ("01:00:00", "Final"))).authority(START)


@pytest.mark.parametrize("text", ['{"number": 1', '{"number": 1, "number": 2}', "[NaN]"])
def test_a_line_that_is_not_strict_json_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.jsonl"
    file.write_text(text)
    with pytest.raises(NotCanonicalError):
        read_record(file)


def test_an_installation_without_the_record_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert record_path().is_file()
    monkeypatch.setattr(peps, "__file__", str(tmp_path / "a" / "b" / "c" / "peps.py"))
    with pytest.raises(NotFoundError, match="wheel"):
        record_path()


def test_time_ids_and_nonces_depend_on_the_unit_alone() -> None:
    tapes = Tape(), Tape()
    tapes[0].wind(START, "other")
    tapes[0].nonce()
    for tape in tapes:
        tape.wind(START, "seed")
    assert tapes[0].clock() == tapes[1].clock() == START
    drawn = [[tape.nonce(), tape.nonce(), tape.new_id()] for tape in tapes]
    assert drawn[0] == drawn[1]
    assert len({*drawn[0]}) == 3
    assert [len(drawn[0][0]), len(drawn[0][1])] == [16, 16]


def test_the_longest_chain_follows_supersession_and_the_earliest_of_equals_wins() -> None:
    def resolution(name: str, *supersedes: str) -> Envelope:
        content = {"content": {"text": name.upper()}, "supersedes": list(supersedes)}
        return Envelope("v1", "sha256", "resolution", name, content)

    taken = [
        resolution("a"),
        resolution("b"),
        resolution("c", "a"),
        resolution("d", "b"),
        resolution("e", "b", "c"),
        resolution("f", "d"),
    ]
    assert longest_chain(taken) == ("A", "C", "E")
    assert longest_chain([]) == ()
