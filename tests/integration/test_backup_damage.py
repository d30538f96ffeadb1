"""Whatever is done to the files of a backup is refused with a typed error, and nothing is restored from it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from charter_persist.errors import CharterError, IntegrityError, NotFoundError, NotSupportedError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.store import restore_target
from charter_persist.transfer.drill import drill
from charter_persist.transfer.manifest import read_chain
from charter_persist.transfer.restore import verify_backup
from tests.backups import back_up, bring_back, new_url, record

FILES = [f"{number:06}.{kind}" for number in (1, 2, 3) for kind in ("manifest.json", "rows.jsonl")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of three segments."""
    folder = tmp_path_factory.mktemp("sound")
    url = new_url(folder)
    for first in (0, 5, 10):
        record(url, first, first + 5)
        back_up(url, folder / "b", incremental=True)
    return folder / "b"


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    shutil.copytree(sound, tmp_path / "b")
    return tmp_path / "b"


def refuses(folder: Path, kind: type[CharterError] = IntegrityError) -> None:
    """Verification, drill and restore all refuse, and leave nothing."""
    target = folder.parent / "target.db"
    url = f"sqlite:///{target}"
    for attempt in (
        lambda: verify_backup(folder, restore_target(url)),
        lambda: drill(folder, restore_target(url), lambda: pytest.fail("opened"), lambda _store, _kept: 0),
        lambda: bring_back(folder, url),
    ):
        with pytest.raises(kind):
            attempt()
        assert not list(folder.parent.glob("target*"))


def edit_manifest(folder: Path, number: int, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a manifest and make its own digest fit again, as a forger would."""
    path = folder / f"{number:06}.manifest.json"
    content = json.loads(path.read_bytes())
    del content["sha256"]
    change(content)
    content["sha256"] = sha256(canonical_bytes(content)).hexdigest()
    path.write_bytes(json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")


def replace_rows(folder: Path, number: int, data: bytes) -> None:
    """Other rows, with a manifest whose digests fit them; of the newest segment, which no other one names."""
    (folder / f"{number:06}.rows.jsonl").write_bytes(data)
    edit_manifest(
        folder, number, lambda content: content.update(data={"bytes": len(data), "sha256": sha256(data).hexdigest()})
    )


def test_the_control_is_sound(folder: Path) -> None:
    verify_backup(folder, restore_target(f"sqlite:///{folder.parent / 'target.db'}"))


@pytest.mark.spec("P38")
@pytest.mark.parametrize("name", FILES)
def test_a_byte_that_flipped_anywhere_is_refused(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    places = random.Random(name).sample(range(len(data)), 25)
    for place in [0, len(data) - 1, *places]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        (folder / name).write_bytes(flipped)
        with pytest.raises(IntegrityError):
            verify_backup(folder, restore_target(f"sqlite:///{folder.parent / 'target.db'}"))


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("manifest.json")])
def test_every_flip_of_a_manifest_is_refused_without_reading_rows(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for place in range(len(data)):
        for bit in (0, 5):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            (folder / name).write_bytes(flipped)
            with pytest.raises((IntegrityError, NotSupportedError)):
                read_chain(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_file_that_was_cut_is_refused(folder: Path, name: str, part: float) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * part)])
    refuses(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_grew_is_refused(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    refuses(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name != "000003.manifest.json"])
def test_a_file_that_is_missing_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refuses(folder)


def test_without_its_newest_manifest_it_is_the_older_backup(folder: Path) -> None:
    """Nothing in the folder can tell; a checkpoint that is kept elsewhere can."""
    (folder / "000003.manifest.json").unlink()
    assert bring_back(folder, f"sqlite:///{folder.parent / 'target.db'}").state.revision == 10


def test_an_empty_folder_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    refuses(tmp_path / "b", NotFoundError)


@pytest.mark.parametrize("kinds", [["rows.jsonl"], ["manifest.json"], ["rows.jsonl", "manifest.json"]], ids=str)
def test_segments_that_were_swapped_are_refused(folder: Path, kinds: list[str]) -> None:
    for kind in kinds:
        (folder / f"000002.{kind}").rename(folder / "aside")
        (folder / f"000003.{kind}").rename(folder / f"000002.{kind}")
        (folder / "aside").rename(folder / f"000003.{kind}")
    refuses(folder)


def test_a_segment_of_another_backup_is_refused(folder: Path, tmp_path: Path) -> None:
    url = new_url(tmp_path, "other")
    for first in (0, 5, 10):
        record(url, first, first + 5)
        back_up(url, tmp_path / "other", incremental=True)
    for kind in ("rows.jsonl", "manifest.json"):
        shutil.copyfile(tmp_path / "other" / f"000003.{kind}", folder / f"000003.{kind}")
    refuses(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "000002.rows.jsonl").unlink()
    (folder / "000002.rows.jsonl").mkdir()
    refuses(folder)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "root": lambda content: content["upto"].update(root="00" * 32),
    "size": lambda content: content["upto"].update(size=content["upto"]["size"] + 1),
    "revision": lambda content: content["upto"].update(revision=1),
    "after": lambda content: content["after"].update(size=content["after"]["size"] + 1),
    "count": lambda content: content["counts"].update(object=0),
    "another count": lambda content: content["counts"].update(nothing=0),
    "bytes": lambda content: content["data"].update(bytes=1),
    "sha256": lambda content: content["data"].update(sha256="00" * 32),
    "store": lambda content: content.update(store_id="another"),
    "number": lambda content: content.update(number=2),
    "previous": lambda content: content.update(previous="00" * 32),
    "size as text": lambda content: content["upto"].update(size="9"),
    "negative": lambda content: content["upto"].update(size=-1),
    "true": lambda content: content.update(number=True),
    "a member more": lambda content: content.update(more=1),
    "a member less": lambda content: content.pop("made_at"),
    "short digest": lambda content: content["data"].update(sha256="00"),
    "time": lambda content: content.update(made_at=7),
}


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("name", EDITS)
def test_a_manifest_that_was_edited_with_its_digest_is_refused(folder: Path, name: str, number: int) -> None:
    edit_manifest(folder, number, EDITS[name])
    refuses(folder)


def test_the_format_of_a_later_release_is_named(folder: Path) -> None:
    edit_manifest(folder, 1, lambda content: content.update(format=2))
    refuses(folder, NotSupportedError)


LINES = {
    "no JSON": b"{",
    "another relation": b'{"secret":{}}',
    "a derived relation": b'{"ref":{"digest":"00","name":"a","position":1,"revision":1,"version":1}}',
    "a list": b"[]",
    "two relations": b'{"journal":{},"object":{}}',
    "no columns": b'{"journal":{}}',
    "a number": b"7",
    "bad UTF-8": b'{"journal":"\xff"}',
    "deep": b"[" * 100_000,
    "a long number": b'{"journal":' + b"9" * 10_000 + b"}",
    "a text for a number": b'{"ref_log":{"digest":null,"name":"a","position":"1","revision":1,"version":1}}',
    "a huge number": b'{"ref_log":{"digest":null,"name":"a","position":99999999999999999999,"revision":1,"version":1}}',
    "a fraction": b'{"ref_log":{"digest":null,"name":"a","position":1.0,"revision":1,"version":1}}',
    "true": b'{"ref_log":{"digest":null,"name":"a","position":true,"revision":1,"version":1}}',
    "no hex": b'{"ref_log":{"digest":"xx","name":"a","position":1,"revision":1,"version":1}}',
    "a lone surrogate": b'{"ref_log":{"digest":null,"name":"\\ud800","position":1,"revision":1,"version":1}}',
    "NUL": b'{"ref_log":{"digest":null,"name":"\\u0000","position":1,"revision":1,"version":1}}',
    "null": b'{"ref_log":{"digest":null,"name":null,"position":1,"revision":1,"version":1}}',
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("at", ["first", "last"])
def test_a_forged_line_is_refused_although_all_digests_fit(folder: Path, name: str, at: str) -> None:
    lines = (folder / "000003.rows.jsonl").read_bytes().splitlines(keepends=True)
    lines.insert(0 if at == "first" else len(lines), LINES[name] + b"\n")
    replace_rows(folder, 3, b"".join(lines))
    refuses(folder)


def test_lines_in_another_order_are_refused_although_all_digests_fit(folder: Path) -> None:
    lines = (folder / "000003.rows.jsonl").read_bytes().splitlines(keepends=True)
    for first in range(0, len(lines) - 2, 5):
        swapped = lines.copy()
        swapped[first], swapped[first + 2] = swapped[first + 2], swapped[first]
        replace_rows(folder, 3, b"".join(swapped))
        with pytest.raises(IntegrityError):
            verify_backup(folder, restore_target(f"sqlite:///{folder.parent / 'target.db'}"))


def test_a_session_that_nobody_can_read_is_refused_although_all_digests_fit(folder: Path) -> None:
    lines = (folder / "000003.rows.jsonl").read_bytes().splitlines(keepends=True)
    place = max(n for n, line in enumerate(lines) if line.startswith(b'{"session_log"'))
    row = json.loads(lines[place])
    row["session_log"]["data"] = "[]"
    lines[place] = canonical_bytes(row) + b"\n"
    replace_rows(folder, 3, b"".join(lines))
    refuses(folder, CharterError)
