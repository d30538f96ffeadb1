"""fsck and boot write nothing; a hostile file makes them fail in no way but a typed one.

``CHARTER_FSCK_HOSTILE=2000`` tries so many damaged files; by default a few hundred.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.engine.boot import BootMode, boot
from charter_persist.integrity.fsck import fsck
from tests.governed_store import record_everything, ticking

EMPTY = (sha256(b"").hexdigest(), 0)
ROOT = Path(__file__).parent.parent.parent
HOSTILE = int(os.environ.get("CHARTER_FSCK_HOSTILE", "200"))

# Runs in a process of its own: little memory, and an alarm for each file.
CHILD = """
import random, resource, signal, sqlite3, sys
from pathlib import Path
from charter_persist import connect
from charter_persist.errors import CharterError
from charter_persist.integrity.fsck import fsck
from tests.damage import TABLES

first, last, sound, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20, 512 * 2**20))
before = sound.read_bytes()

def damaged(chance):
    data = bytearray(before)
    kind = chance.randrange(4)
    if kind == 0:
        for _ in range(chance.choice((1, 8, 64))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        one, two = (chance.randrange(len(data) // 4096) * 4096 for _ in range(2))
        data[one:one + 4096], data[two:two + 4096] = data[two:two + 4096], data[one:one + 4096]
    elif kind == 2:
        at = chance.randrange(len(data) // 4096) * 4096 + chance.randrange(200)
        data[at:at + 9] = b"\\xff" * 9
    else:
        del data[chance.randrange(len(data)):]
    return bytes(data)

def dump(path):
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    rows = [sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES if table != "operation"]
    connection.close()
    return rows

wanted = dump(sound)
clean = 0
for number in range(first, last):
    path = folder / f"{number}.db"
    path.write_bytes(damaged(random.Random(number)))
    signal.alarm(10)
    try:
        with connect(f"sqlite:///{path}", read_only=True) as store:
            silent = not fsck(store).counts
        if silent and dump(path) != wanted:
            raise AssertionError("a value differs, and nothing was found")
        clean += silent
    except CharterError:
        pass
    except BaseException as exc:
        print(number, type(exc).__name__, exc, flush=True)
        raise
    signal.alarm(0)
    for made in folder.glob(f"{number}.db*"):
        made.unlink()
print("clean", clean)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "charter.db"
    path.parent.mkdir()
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}", clock=ticking()) as store:
        record_everything(store)
    return path


def files(folder: Path) -> dict[str, tuple[str, int]]:
    """Hash and time of change of every file."""
    return {
        path.name: (sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())
    }


@pytest.mark.spec("P29", "GOV-11", "GOV-10")
@pytest.mark.parametrize("damaged", [False, True])
def test_every_file_is_after_a_check_and_a_boot_what_it_was_before(path: Path, damaged: bool) -> None:
    if damaged:
        data = bytearray(path.read_bytes())
        for place in range(len(data) // 2, len(data), 4_099):
            data[place] ^= 1
        path.write_bytes(data)
    before = files(path.parent)
    with connect(f"sqlite:///{path}", read_only=True) as store:
        assert bool(fsck(store).counts) is damaged
        for mode in BootMode:
            if not damaged or mode is not BootMode.NORMAL:
                boot(store, mode)
    # SQLite itself keeps these beside a file that is read; there is nothing in the log.
    after = {name: file for name, file in files(path.parent).items() if not name.endswith("-shm")}
    assert after.pop("charter.db-wal", EMPTY)[0] == EMPTY[0]
    assert after == before


@pytest.mark.spec("P29", "GOV-11")
def test_a_check_of_an_open_store_writes_nothing_either(path: Path) -> None:
    with connect(f"sqlite:///{path}") as store:
        with store.begin() as uow:
            uow.objects.put("doc", "keeps the log of SQLite")
        before = files(path.parent)
        assert fsck(store).counts == {}
        after = files(path.parent)
    for name in ("charter.db", "charter.db-wal"):
        assert after[name] == before[name]


@pytest.mark.spec("P52", "P23")
def test_a_damaged_file_ends_in_findings_or_in_a_typed_error(path: Path, tmp_path: Path) -> None:
    sound = tmp_path / "sound.db"
    shutil.copy(path, sound)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "0", str(HOSTILE), str(sound), str(path.parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10 * HOSTILE,
    )
    assert done.returncode == 0, (done.stdout, done.stderr[-2_000:])
    assert done.stdout.startswith("clean ")
