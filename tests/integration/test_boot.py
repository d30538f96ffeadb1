"""A boot runs its phases in order, in each mode as its row of the table says, and names what failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.engine.boot import BootMode, BootReport, boot
from charter_persist.errors import CorruptStoreError, IntegrityError, MigrationRequiredError
from tests.damage import unguarded
from tests.governed_store import record_everything, ticking

PHASES = ("attach", "objects", "integrity", "refs", "ref consistency", "liveness", "sessions", "readiness")
# What is done to the file, the phase that fails first, and the code that it fails with.
DAMAGE = {
    "a journal entry that is no text": (
        "UPDATE journal SET store = CAST(x'ff' AS TEXT) WHERE position = (SELECT max(position) FROM journal)",
        0,
        "VALUE_UNREADABLE",
    ),
    "an unknown hash version": ("UPDATE object SET hash_version = 'v9' WHERE position = 1", 1, "UNKNOWN_OBJECT_KIND"),
    "a type that is no name": ("UPDATE object SET type = '?' WHERE position = 1", 1, "UNKNOWN_OBJECT_KIND"),
    "a wrong size": ("UPDATE object SET size = 1 WHERE position = 1", 1, "UNKNOWN_OBJECT_KIND"),
    "altered bytes": ("UPDATE object SET data = x'5b5d', size = 2 WHERE position = 1", 2, "HASH_MISMATCH"),
    "a ref without a target": ("UPDATE ref SET digest = zeroblob(32) WHERE name = 'label/0'", 3, "DANGLING_REF"),
    "a ref without a name": ("UPDATE ref SET name = 'a//b' WHERE name = 'label/0'", 3, "MALFORMED_REF"),
    "a ref to the wrong authority": (
        "UPDATE ref SET digest = (SELECT digest FROM ref WHERE name = 'area/b/authority') WHERE name = 'area/a/authority'",
        4,
        "REF_MISMATCH",
    ),
    "a governing ref that is gone": ("DELETE FROM ref WHERE name = 'area/a/scope'", 4, "REF_MISMATCH"),
    "a session object that is gone": (
        "DELETE FROM object WHERE position = (SELECT min(position) FROM object WHERE type = 'session')",
        5,
        "MISSING_SESSION",
    ),
    "a session in another state": (
        "UPDATE session SET state = 'PAUSED' WHERE session_id = 'a-open-1'",
        6,
        "PROJECTION_MISMATCH",
    ),
    "a session that cannot be read": (
        "UPDATE session_log SET data = x'7b7d' WHERE session_id = 'a-open-1'",
        6,
        "VALUE_UNREADABLE",
    ),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("boot") / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}", clock=ticking()) as store:
        record_everything(store)
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "charter.db"))


def booted(path: Path, mode: BootMode) -> BootReport:
    with connect(f"sqlite:///{path}", read_only=True) as store:
        return boot(store, mode)


def failed(report: BootReport) -> dict[int, set[str]]:
    return {phase.number: {item.code for item in phase.findings} for phase in report.phases if not phase.ok}


@pytest.mark.spec("GOV-10")
@pytest.mark.parametrize(
    ("mode", "last", "ready"),
    [
        (BootMode.NORMAL, 7, True),
        (BootMode.READ_ONLY, 7, True),
        (BootMode.VERIFY_ONLY, 5, False),
        (BootMode.RECOVERY, 6, False),
    ],
)
def test_a_sound_store_passes_the_phases_of_each_mode(path: Path, mode: BootMode, last: int, ready: bool) -> None:
    report = booted(path, mode)
    assert [(phase.number, phase.name) for phase in report.phases] == list(enumerate(PHASES[: last + 1]))
    assert failed(report) == {}
    assert all(phase.findings == () for phase in report.phases)
    assert (report.mode, report.ready) == (mode, ready)
    assert (report.initialised, report.uninitialised) == (("a", "b"), ("c",))


@pytest.mark.spec("GOV-10")
@pytest.mark.parametrize(("statement", "number", "code"), DAMAGE.values(), ids=DAMAGE)
def test_a_normal_boot_ends_at_the_first_phase_that_fails(path: Path, statement: str, number: int, code: str) -> None:
    with unguarded(path) as tamper:
        tamper.execute(statement)
    if number == 0:
        with pytest.raises(CorruptStoreError):
            booted(path, BootMode.NORMAL)
        return
    with pytest.raises(IntegrityError, match=f"phase {number}, {PHASES[number]}: {code}") as caught:
        booted(path, BootMode.NORMAL)
    report = caught.value.report
    assert [phase.ok for phase in report.phases] == [True] * number + [False]
    assert code in failed(report)[number]
    assert not report.ready


@pytest.mark.spec("GOV-10")
@pytest.mark.parametrize(("statement", "number", "code"), DAMAGE.values(), ids=DAMAGE)
def test_the_other_modes_go_on_and_report_all(path: Path, statement: str, number: int, code: str) -> None:
    with unguarded(path) as tamper:
        tamper.execute(statement)
    for mode, last in ((BootMode.READ_ONLY, 7), (BootMode.VERIFY_ONLY, 5), (BootMode.RECOVERY, 6)):
        report = booted(path, mode)
        assert len(report.phases) == last + 1
        assert not report.ready
        found = failed(report)
        if number <= last:
            assert min(found) == number
            assert code in found[number]
        else:
            assert found == {}


@pytest.mark.spec("GOV-10", "GOV-7")
def test_a_session_that_goes_on_under_what_is_not_in_force_fails_readiness(path: Path) -> None:
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        active = uow.sessions.require("b-open-1")
        former = next(ref.digest for ref in uow.refs.history("area/b/authority"))
        uow.sessions.create(
            session_id="forged",
            area_id="b",
            problem_statement="why",
            authority_resolution_id=former,
            scope_resolution_id=active.scope_resolution_id,
            constraints=dict(active.constraints),
            references=dict(active.references),
        )
        uow.sessions.set_state("forged", "ACTIVE")
    report = booted(path, BootMode.READ_ONLY)
    assert failed(report) == {7: {"SESSION_INVALID_CONTEXT"}}
    assert not report.ready


@pytest.mark.spec("GOV-10")
def test_an_empty_store_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    report = booted(path, BootMode.NORMAL)
    assert report.ready
    assert (report.initialised, report.uninitialised) == ((), ())


@pytest.mark.spec("GOV-10")
def test_a_boot_never_migrates(tmp_path: Path) -> None:
    path = tmp_path / "charter.db"
    path.touch()
    with pytest.raises(MigrationRequiredError):
        booted(path, BootMode.RECOVERY)
    assert path.read_bytes() == b""
