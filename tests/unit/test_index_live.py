"""The index of a handle follows what any handle wrote, and is lost rather than wrong."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.backends.contract import JOURNAL, OBJECT, JournalRow, Reader
from charter_persist.errors import CharterError, IntegrityError
from charter_persist.index import live as module
from charter_persist.index.follow import follow
from charter_persist.index.live import LiveIndex
from charter_persist.index.rebuild import digest_of, rebuild
from charter_persist.index.scan import Scan
from tests.index_rows import Rows, area, every_answer, general, planted, resolution, session


@pytest.fixture
def rows() -> Rows:
    """A store with an area, a session and a resolution."""
    made = Rows()
    made.commit([planted("a", 0, area()), planted("c", 0, session()), general(0)])
    return made


def journalled(rows: Rows, subject: str) -> None:
    """One more entry of the object store, with no object behind it."""
    transaction = rows.backend.transaction(1)
    position = transaction.position + 1
    entry = JournalRow(position, transaction.revision + 1, "object", subject, "put", b"", 0, b"")
    transaction.commit({JOURNAL: {(position,): entry}}, None)


@pytest.mark.spec("IDX-10", "IDX-14")
def test_it_is_built_once_and_then_follows(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Reader] = []
    monkeypatch.setattr(module, "rebuild", lambda reader: built.append(reader) or rebuild(reader))
    live = LiveIndex()
    for number in range(1, 4):
        rows.commit([general(number, number - 1)])
        snapshot = rows.backend.snapshot()
        with live.at(snapshot) as index:
            assert every_answer(index) == every_answer(Scan(snapshot))
    assert len(built) == 1
    live.drop()
    with live.at(snapshot) as index:
        assert every_answer(index) == every_answer(Scan(snapshot))
    assert len(built) == 2


@pytest.mark.spec("IDX-9", "P31")
def test_a_reader_behind_the_index_is_answered_as_of_its_own_position(rows: Rows) -> None:
    live = LiveIndex()
    old = rows.backend.snapshot()
    rows.commit([general(1, 0)])
    new = rows.backend.snapshot()
    for snapshot in (new, old, new):
        with live.at(snapshot) as index:
            assert every_answer(index) == every_answer(Scan(snapshot))


@pytest.mark.spec("IDX-9", "IDX-14")
@pytest.mark.parametrize("subject", [f"resolution/{'d' * 64}", "resolution/no digest"])
def test_a_failure_half_way_loses_the_index_and_not_its_truth(rows: Rows, subject: str) -> None:
    live = LiveIndex()
    with live.at(rows.backend.snapshot()):
        pass
    rows.commit([general(1, 0)])
    journalled(rows, subject)
    snapshot = rows.backend.snapshot()
    with pytest.raises(CharterError), live.at(snapshot):
        pass
    with live.at(snapshot) as index:  # what is stored is all that there is to know
        assert every_answer(index) == every_answer(Scan(snapshot))


@pytest.mark.spec("IDX-10")
def test_following_backwards_is_refused(rows: Rows) -> None:
    old = rows.backend.snapshot()
    rows.commit([general(1)])
    index = rebuild(rows.backend.snapshot())
    with pytest.raises(IntegrityError):
        follow(index, old)


@pytest.mark.spec("IDX-10")
def test_entries_of_other_objects_and_stores_are_passed_over(rows: Rows) -> None:
    index = rebuild(rows.backend.snapshot())
    before = digest_of(index)
    transaction = rows.backend.transaction(1)
    entries = [
        JournalRow(4, 2, "object", "decision/zz", "put", b"", 0, b""),
        JournalRow(5, 2, "ref", "resolution/zz", "set", b"", 0, b""),
    ]
    transaction.commit({JOURNAL: {(entry.position,): entry for entry in entries}}, None)
    follow(index, rows.backend.snapshot())
    assert index.position == 5
    assert digest_of(index) == before


@pytest.mark.spec("IDX-10")
def test_a_row_whose_type_was_altered_is_no_object_of_the_index(rows: Rows) -> None:
    index = rebuild(rows.backend.snapshot())
    rows.commit([general(1)])
    key = (bytes.fromhex(general(1)[0]),)
    table = rows.backend.tables["object"]
    ((commit, stored),) = table.versions[key]
    table.versions[key] = [(commit, stored._replace(type="decision"))]
    snapshot = rows.backend.snapshot()
    assert snapshot.get(OBJECT, key) is not None
    follow(index, snapshot)
    assert digest_of(index) == digest_of(rebuild(snapshot))


@contextmanager
def two_handles(folder: Path) -> Iterator[tuple[Store, Store]]:
    """Two stores on one new file."""
    url = f"sqlite:///{folder / 'charter.db'}"
    upgrade(url)
    with connect(url) as one, connect(url) as other:
        yield one, other


def put_some(store: Store, tag: str, count: int) -> None:
    """Resolutions in a chain, one a unit."""
    previous: list[str] = []
    for number in range(count):
        with store.begin() as uow:
            content: Any = resolution(content={"text": f"{tag} {number}"}, supersedes=previous)
            previous = [uow.objects.put("resolution", content)]


@pytest.mark.spec("IDX-10", "P31")
def test_the_index_of_one_handle_follows_what_another_wrote(tmp_path: Path) -> None:
    live = LiveIndex()
    with two_handles(tmp_path) as (one, other):
        for number in range(3):
            put_some(other, f"round {number}", 3)
            with live.lock, one.read() as view, live.at(view.reader) as index:
                assert index.position == view.journal.size() == 3 * (number + 1)
                assert len(index.resolutions("x")) == index.position
                assert every_answer(index) == every_answer(Scan(view.reader))


def write_elsewhere(url: str) -> None:
    """What another process does."""
    with connect(url) as store:
        put_some(store, "elsewhere", 5)


@pytest.mark.spec("IDX-10", "P31")
def test_the_index_follows_what_another_process_wrote(tmp_path: Path) -> None:
    live = LiveIndex()
    with two_handles(tmp_path) as (store, _):
        put_some(store, "here", 2)
        with store.read() as view, live.at(view.reader) as index:
            assert len(index.resolutions("x")) == 2
        process = multiprocessing.get_context("spawn").Process(
            target=write_elsewhere, args=(f"sqlite:///{tmp_path / 'charter.db'}",)
        )
        process.start()
        process.join()
        assert process.exitcode == 0
        with store.read() as view, live.at(view.reader) as index:
            assert digest_of(index) == digest_of(rebuild(view.reader))
            assert len(index.resolutions("x")) == 7


@pytest.mark.spec("IDX-9", "IDX-10")
def test_threads_see_whole_states_and_none_older_than_before(tmp_path: Path) -> None:
    live, failures, done = LiveIndex(), [], threading.Event()

    def ask(store: Store) -> None:
        seen = 0
        while not done.is_set():
            with live.lock, store.read() as view, live.at(view.reader) as index:
                states = [entry.state for d in index.resolutions("x") if (entry := index.resolution(d))]
                if index.position < seen or states.count("ACTIVE") != min(1, len(states)):
                    failures.append((index.position, seen, states))
                seen = index.position

    with two_handles(tmp_path) as (one, other):
        threads = [threading.Thread(target=ask, args=(store,)) for store in (one, one, other)]
        for thread in threads:
            thread.start()
        put_some(other, "chain", 40)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
