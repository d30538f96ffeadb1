"""The manifest of a segment, and the chain that the manifests of a backup make.

A backup is a folder of segments. Each has a file of rows and, written after it, a manifest: a segment without a
manifest does not exist. A manifest says what stands in the rows, carries its own digest and names the digest of the
manifest before it, so nothing in a chain can be edited, swapped or left out without a trace; only its newest
segments can be, which leaves an older backup.

Cost of reading a chain: one small file a segment. Imports ``files``, ``model``, ``proofs`` and ``errors``.

Source: GOV-12, RELIABILITY P37, P40.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from charter_persist.errors import CharterError, IntegrityError, NotFoundError, NotSupportedError
from charter_persist.files import file_faults
from charter_persist.model.canonical import canonical_bytes, parse_json
from charter_persist.proofs import EMPTY_ROOT, HASH_BYTES

FORMAT: Final = 1
MANIFEST_BYTES_MAX: Final = 65_536
_MANIFEST_NAME: Final = re.compile(r"[0-9]{6}\.manifest\.json")


class State(NamedTuple):
    """Where a journal ends.

    Attributes:
        revision: of the newest unit of work.
        size: number of entries.
        root: over all of them, 32 bytes.
    """

    revision: int
    size: int
    root: bytes


EMPTY: Final = State(0, 0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one segment holds.

    Attributes:
        number: of the segment, from 1.
        store_id: of the store that it was taken from.
        made_at: time in RFC 3339.
        made_by: name and version of the program.
        previous: SHA-256 of the manifest before it; None for the first.
        after: where the segment before it ends.
        upto: where it ends itself: the state of the store that the backup shows.
        counts: number of rows by relation.
        data_bytes: size of the file of rows.
        data_sha256: its digest, 32 bytes.
    """

    number: int
    store_id: str
    made_at: str
    made_by: str
    previous: bytes | None
    after: State
    upto: State
    counts: dict[str, int]
    data_bytes: int
    data_sha256: bytes

    def text(self) -> bytes:
        """The file: JSON for people, one spelling for each manifest, with the digest of its content."""
        content = {
            "format": FORMAT,
            "number": self.number,
            "store_id": self.store_id,
            "made_at": self.made_at,
            "made_by": self.made_by,
            "previous": None if self.previous is None else self.previous.hex(),
            "after": _state_to_json(self.after),
            "upto": _state_to_json(self.upto),
            "counts": self.counts,
            "data": {"bytes": self.data_bytes, "sha256": self.data_sha256.hex()},
        }
        content["sha256"] = sha256(canonical_bytes(content)).hexdigest()
        return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"

    def digest(self) -> bytes:
        """What the next manifest names this one by, 32 bytes."""
        return sha256(self.text()).digest()


def manifest_path(folder: Path, number: int) -> Path:
    """Where the manifest of a segment is."""
    return folder / f"{number:06}.manifest.json"


def rows_path(folder: Path, number: int) -> Path:
    """Where the rows of a segment are."""
    return folder / f"{number:06}.rows.jsonl"


def read_chain(folder: Path) -> tuple[Manifest, ...]:
    """Read and check the manifests of a backup; of the rows it checks that they are there, in their full length.

    Args:
        folder: of the backup.

    Returns:
        The manifests, oldest first; at least one.

    Raises:
        NotFoundError: there is no backup in that folder.
        IntegrityError: a manifest was changed, is missing or belongs elsewhere, or a file of rows is missing or cut.
        NotSupportedError: the backup was made by a newer release.
        UnavailableError: a file cannot be read.
    """
    with file_faults(folder):
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in names if _MANIFEST_NAME.fullmatch(name)]
    if not found:
        raise NotFoundError(f"there is no backup in {folder}; name the folder of one")
    chain: list[Manifest] = []
    for number, name in enumerate(found, 1):
        if name != manifest_path(folder, number).name:
            raise IntegrityError(
                f"segment {number} of the backup {folder} is missing; look for its files", number=number
            )
        manifest = _read(folder / name)
        _check_link(manifest, number, chain[-1] if chain else None)
        _check_rows_are_there(folder, manifest)
        chain.append(manifest)
    return tuple(chain)


def _read(path: Path) -> Manifest:
    with file_faults(path), path.open("rb") as file:
        data = file.read(MANIFEST_BYTES_MAX)
    try:
        content = parse_json(data)
        if content["format"] != FORMAT:
            raise NotSupportedError(f"{path.name} has format {content['format']}, this release reads {FORMAT}")
        manifest = _from_json(content)
    except NotSupportedError:
        raise
    except (CharterError, ValueError, KeyError, TypeError) as exc:
        raise IntegrityError(f"{path.name} is not a manifest of a backup: it was changed or damaged") from exc
    if manifest.text() != data:
        raise IntegrityError(f"{path.name} was changed after it was written; use another copy of the backup")
    return manifest


def _from_json(content: dict[str, Any]) -> Manifest:
    previous, data = content["previous"], content["data"]
    return Manifest(
        number=_count(content["number"]),
        store_id=_text(content["store_id"]),
        made_at=_text(content["made_at"]),
        made_by=_text(content["made_by"]),
        previous=None if previous is None else _digest(previous),
        after=_state_from_json(content["after"]),
        upto=_state_from_json(content["upto"]),
        counts={_text(name): _count(count) for name, count in content["counts"].items()},
        data_bytes=_count(data["bytes"]),
        data_sha256=_digest(data["sha256"]),
    )


def _check_link(manifest: Manifest, number: int, before: Manifest | None) -> None:
    """A segment must begin where the one before it ends."""
    expected = (
        (number, None, EMPTY, manifest.store_id)
        if before is None
        else (number, before.digest(), before.upto, before.store_id)
    )
    if (manifest.number, manifest.previous, manifest.after, manifest.store_id) != expected:
        raise IntegrityError(f"segment {number} does not continue the one before it; use another copy", number=number)


def _check_rows_are_there(folder: Path, manifest: Manifest) -> None:
    path = rows_path(folder, manifest.number)
    with file_faults(path):
        found = path.stat().st_size if path.is_file() else None
    if found != manifest.data_bytes:
        what = "is missing" if found is None else f"has {found} bytes instead of {manifest.data_bytes}"
        raise IntegrityError(f"{path.name} {what}; use another copy of the backup", number=manifest.number)


def _state_to_json(state: State) -> dict[str, Any]:
    return {"revision": state.revision, "size": state.size, "root": state.root.hex()}


def _state_from_json(content: dict[str, Any]) -> State:
    return State(_count(content["revision"]), _count(content["size"]), _digest(content["root"]))


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a number of things")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a text")
    return value


def _digest(value: Any) -> bytes:
    digest = bytes.fromhex(_text(value))
    if len(digest) != HASH_BYTES:
        raise ValueError("not a digest")
    return digest
