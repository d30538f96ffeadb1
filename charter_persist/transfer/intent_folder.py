r"""A content-addressed folder of another program: ``index.json`` from hash to path, and a JSON file for each entity.

Everything in it is untrusted: each path must stay inside the folder, and each file must have the content that its name
says, by one of two schemes: ``rfc8785``, SHA-256 of the canonical JSON, which is ours; or ``serde_json``, SHA-256 of the
compact JSON in the order in which the fields stand in the file, which is that of the Rust programs.

Cost: each file is read and hashed once; the entities are held in memory, `FOLDER_BYTES_MAX` of text at most.

Imports ``transfer.outside``, ``model`` and ``errors``. Source: CCOS-3, CCOS-6, NEIGHBOURS 3.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from charter_persist.errors import CharterError, IntegrityError, LimitExceededError
from charter_persist.model.canonical import canonical_bytes, parse_json
from charter_persist.model.digest import parse_digest
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.model.shape import json_object
from charter_persist.transfer.outside import path_within, read_outside

INDEX: Final = "index.json"
INDEX_BYTES_MAX: Final = 64 * 1024 * 1024
FOLDER_BYTES_MAX: Final = 256 * 1024 * 1024
# A string of JSON is kept; space outside of one goes. Possessive, so the time is linear for any bytes.
_SPACE: Final = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)|[ \t\r\n]++', re.DOTALL)

Scheme = Literal["rfc8785", "serde_json"]


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """An entry of the index.

    Attributes:
        name: the hash that the index gives it.
        size_bytes: of its file; 0 where that could not be read.
        scheme: by which its content has that hash; None where it was refused.
        content_hash: by ``rfc8785``; None where the file could not be read as JSON.
        entity: the JSON object; None where it was refused.
        reason: why it was refused; None where it was not.
    """

    name: str
    size_bytes: int
    scheme: Scheme | None
    content_hash: str | None
    entity: Mapping[str, Any] | None
    reason: str | None


def read_folder(folder: Path) -> Iterator[FoundEntity]:
    """Yield the entries of the index of a folder, by their hashes; one that is refused says why.

    Raises:
        InvalidInputError: the index is no JSON object.
        LimitExceededError: the index or the files together are too large.
        UnavailableError: the index cannot be read.

    Spec: CCOS-6
    """
    data = read_outside(folder / INDEX, limit="index_bytes_max", maximum=INDEX_BYTES_MAX)
    index = json_object(parse_json(data, limit="kv_value_bytes_max"), field=INDEX)
    total = 0
    for name in sorted(index):
        found = _find(folder, name, index[name])
        total += found.size_bytes
        if total > FOLDER_BYTES_MAX:
            raise LimitExceededError(limit="folder_bytes_max", maximum=FOLDER_BYTES_MAX, actual=total)
        yield found


def _find(folder: Path, name: str, path: object) -> FoundEntity:
    content_hash, text = None, b""
    try:
        parse_digest(name)
        text = read_outside(
            path_within(folder, path), limit="object_bytes_max", maximum=DEFAULT_OPTIONS.object_bytes_max
        )
        entity = json_object(parse_json(text), field="an entity")
        content_hash = sha256(canonical_bytes(entity)).hexdigest()
        return FoundEntity(name, len(text), _scheme(name, text, content_hash), content_hash, entity, None)
    except CharterError as exc:
        return FoundEntity(name, len(text), None, content_hash, None, exc.message)


def _scheme(name: str, text: bytes, content_hash: str) -> Scheme:
    """By which scheme a file has the content that its name says.

    Raises:
        IntegrityError: by none.
    """
    if content_hash == name:
        return "rfc8785"
    if name in (sha256(text).hexdigest(), sha256(_SPACE.sub(rb"\1", text)).hexdigest()):
        return "serde_json"
    raise IntegrityError("the content of the file does not have the hash of its name")
