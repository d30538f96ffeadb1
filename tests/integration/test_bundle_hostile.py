"""A bundle that was made to do harm, or was damaged, is refused with a typed error, and costs little."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from charter_persist.errors import CharterError, NotCanonicalError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.report import Mode
from tests.bundles import bundle_of, governed, memory_store, object_record, pack, records, seal, take
from tests.hostile_bundles import all_hostile, sound, split
from tests.integration.test_bundle import rows

ROOT = Path(__file__).parent.parent.parent
ADDRESS_SPACE_BYTES = 700 * 1024 * 1024
RESIDENT_KIB_MAX = 256 * 1024
LARGE_BYTES = 1024 * 1024
CHILD_S = 120
MUTATIONS = 2_000


def main(folder: Path) -> None:
    """What the child does: every bundle, in both modes, into one store that is not empty."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    outcomes: dict[str, list[Any]] = {}
    with governed("z", prefix="here") as store:
        for path in sorted(folder.iterdir()):
            for mode in Mode:
                before = rows(store)
                code = _outcome(lambda path=path, mode=mode: import_bundle(store, path, mode=mode))  # type: ignore[misc]
                outcomes[f"{path.stem} {mode}"] = [code, _changes(before, rows(store))]
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"outcomes": outcomes, "peak": peak}))


def _outcome(attempt: Callable[[], Any]) -> str | None:
    try:
        attempt()
    except CharterError as exc:
        return exc.code
    return None


def _changes(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> list[str]:
    """What was added, by relation; the events by their types."""
    named = [name for name in after if name not in ("audit_event", "journal_tile")]
    added = [name for name in named for row in after[name] if row not in set(before[name])]
    return added + [row.event_type for row in after["audit_event"] if row not in set(before["audit_event"])]


@pytest.mark.spec("GOV-12", "P40", "P41")
def test_every_hostile_bundle_is_refused_with_a_typed_error_and_little_memory(tmp_path: Path) -> None:
    made = all_hostile()
    assert len(made) >= 60
    numbers = {f"{number:03}": name for number, name in enumerate(made)}
    small = tmp_path / "small"
    small.mkdir()
    folders = [small]
    for number, name in numbers.items():
        folder = small if len(made[name]) < LARGE_BYTES else tmp_path / number
        folder.mkdir(exist_ok=True)
        (folder / number).write_bytes(made[name])
        if folder is not small:
            folders.append(folder)
    for folder in folders:
        told = in_a_child(folder)
        assert told["peak"] < RESIDENT_KIB_MAX
        assert len(told["outcomes"]) == 2 * len(list(folder.iterdir()))
        for key, (code, changes) in told["outcomes"].items():
            name = numbers[key.split()[0]]
            assert code is not None, f"{name} was accepted"
            assert changes == ["journal", "IMPORT_REJECTED"], name


def in_a_child(folder: Path) -> dict[str, Any]:
    """What `main` says of the bundles of a folder; a child that takes too long is killed, and the test fails."""
    command = [sys.executable, "-m", "tests.integration.test_bundle_hostile", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CHILD_S)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def refused_or_verbatim(bundle: bytes) -> bool:
    """Import; True where it was refused. What is accepted means what its bytes say: exported, it is the same again."""
    with memory_store("here") as store:
        try:
            take(store, bundle)
        except CharterError:
            assert bundle_of(store).count(b"\n") == 1
            return True
        with memory_store("there") as again:
            take(again, bundle_of(store))
        assert bundle_of(store) == bundle
    return False


@pytest.mark.spec("GOV-12", "P40")
def test_no_damaged_bundle_is_misread() -> None:
    """Bytes changed, removed, doubled or moved; half of them under a header that fits again."""
    chance = random.Random(7)
    refused = sum(refused_or_verbatim(damaged(chance, sealed=bool(n % 2))) for n in range(MUTATIONS // 2))
    assert refused > MUTATIONS // 2 * 0.9


@pytest.mark.spec("GOV-12", "P41")
def test_no_altered_decision_is_misread() -> None:
    """Values changed, and every digest recomputed: what is refused here is refused for what it says."""
    chance = random.Random(11)
    outcomes = [refused_or_verbatim(bundle) for bundle in (rewritten(chance) for _ in range(MUTATIONS // 2)) if bundle]
    assert outcomes.count(True) > len(outcomes) // 2


def damaged(chance: random.Random, *, sealed: bool) -> bytes:
    """The sound bundle after one change of bytes."""
    data = bytearray(sound())
    at = chance.randrange(len(data))
    end = min(len(data), at + chance.choice((1, 1, 1, 7, 200)))
    kind = chance.randrange(5)
    if kind == 0:
        data[at] = chance.randrange(256)
    elif kind == 1:
        del data[at:end]
    elif kind == 2:
        data[at:at] = data[at:end]
    elif kind == 3:
        data[at:at] = chance.choice((b'"', b"\\", b"{", b"[", b"\n", b"\x00", b"\xff", b"1e9", b" ", b"null"))
    else:
        lines = bytes(data).splitlines(keepends=True)
        one, other = chance.randrange(1, len(lines)), chance.randrange(1, len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        data = bytearray(b"".join(lines))
    if not sealed:
        return bytes(data)
    lines = split(bytes(data))
    counts = {
        "audit_events": sum(line.startswith(b'{"event"') for line in lines),
        "objects": sum(b'"kind":"object"' in line[:140] for line in lines),
        "refs": sum(b'"kind":"ref"' in line for line in lines),
    }
    return seal(lines, counts=counts)


def rewritten(chance: random.Random) -> bytes | None:
    """The sound bundle after one change of a value, with digests that fit; None where it cannot be written."""
    found = deepcopy(records(sound()))
    record = chance.choice(found)
    inside = record.get("object", record.get("event", record))
    place = chance.choice(list(_places(inside)))
    container, key = place
    pool = [value for other in found for _, _, value in _values(other.get("object", other.get("event", {})))]
    strange = [None, True, 0, -1, 1.5, "", "x", [], {}, [[]], {"": None}, "0" * 64, "2026-01-01T00:00:00Z", "ACTIVE"]
    what = chance.randrange(3)
    if what == 0 and isinstance(container, dict):
        del container[key]
    elif what == 1:
        container[key] = chance.choice(strange)
    else:
        container[key] = deepcopy(chance.choice(pool))
    if record.get("kind") == "object":
        try:
            record.update(object_record(record["object_type"], record["object"]))
        except NotCanonicalError:
            return None
    try:
        return pack(found)
    except (CharterError, TypeError, KeyError):
        return None


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value, as container and key."""
    return [(container, key) for container, key, _ in _values(value)]


def _values(value: Any) -> list[tuple[Any, Any, Any]]:
    found: list[tuple[Any, Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key, item))
        found += _values(item)
    return found


def test_the_sound_bundle_is_accepted() -> None:
    assert not refused_or_verbatim(sound())
    assert not refused_or_verbatim(pack(records(sound())))
    assert canonical_bytes(records(sound())[0]) + b"\n" == split(sound())[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
