"""Backup v1.1 of the intent graph: one JSON file that other programs of the format read, and its text for people.

The JSON is canonical (RFC 8785), so the same graph, clock and release give the same bytes. It is what counts: `rtfs`
tells the same for people and is never read. A restore reads and checks the whole file before it touches the store.

Cost: the graph in memory; a backup is one view and two fsyncs, a restore one unit. The largest file is
`BACKUP_BYTES_MAX`; larger graphs are carried by the backup of the store.

Imports ``unit_of_work`` and what it stands on, ``files`` and ``errors``. Source: CCOS-5, NEIGHBOURS 3.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from charter_persist.errors import AlreadyExistsError, CharterError, InvalidInputError, LimitExceededError
from charter_persist.files import write_file
from charter_persist.model.canonical import canonical_bytes, load_canonical, parse_json
from charter_persist.model.intent import Edge, StorableIntent, from_seconds, to_seconds
from charter_persist.model.intent_graph import graph_faults
from charter_persist.model.shape import json_object, optional_text
from charter_persist.transfer.outside import read_outside
from charter_persist.unit_of_work import ReadView, Receipt, Units

FORMAT: Final = "1.1"
READABLE: Final = ("1.0", "1.1")
BACKUP_BYTES_MAX: Final = 64 * 1024 * 1024
RESTORE_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who made a backup.

    Attributes:
        created_by: the program and its release.
        source: what was backed up, or None.
        note: a text for people, or None.
    """

    created_by: str
    source: str | None
    note: str | None

    def to_json(self) -> dict[str, str | None]:
        """All fields."""
        return {"created_by": self.created_by, "note": self.note, "source": self.source}


@dataclass(frozen=True, slots=True)
class IntentBackup:
    """What a backup holds.

    Attributes:
        version: of its format.
        made_at: aware, whole seconds.
        manifest: None where it has none, as in 1.0.
        intents: by id.
        edges: in the order of the file.
    """

    version: str
    made_at: datetime
    manifest: Manifest | None
    intents: Mapping[str, StorableIntent]
    edges: tuple[Edge, ...]


def backup_intents(
    view: ReadView,
    path: Path,
    *,
    source: str | None = None,
    note: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> IntentBackup:
    """Write the intent graph of a view to a file, which is there whole and durable, or as it was before.

    Args:
        view: of one revision, a past one included.
        path: of the file; one of that name is replaced.
        source: what was backed up, for the manifest.
        note: for people.
        clock: gives the time, of which whole seconds are kept.

    Returns:
        What was written.

    Raises:
        LimitExceededError: it would be larger than `BACKUP_BYTES_MAX`; back up the store instead.
        StorageFullError: there is no space left.
        UnavailableError: the file cannot be written.

    Spec: CCOS-5
    """
    found = {intent.intent_id: intent for intent in view.intents.iter()}
    backup = IntentBackup(
        version=FORMAT,
        made_at=from_seconds(to_seconds(clock()), field="timestamp"),
        manifest=Manifest(f"charter-persist {version('charter-persist')}", source, note),
        intents={name: found[name] for name in sorted(found, key=_by_utf16)},
        edges=tuple(view.intents.get_edges()),
    )
    write_file(path, backup_bytes(backup))
    return backup


def backup_bytes(backup: IntentBackup) -> bytes:
    """The canonical JSON of a backup; the intents must be in the order of RFC 8785.

    Raises:
        LimitExceededError: it is larger than `BACKUP_BYTES_MAX`.
    """
    members = (canonical_bytes(name) + b":" + canonical_bytes(i.to_json()) for name, i in backup.intents.items())
    rest = {
        "manifest": None if backup.manifest is None else backup.manifest.to_json(),
        "rtfs": rtfs_text(backup.intents.values(), backup.edges),
        "timestamp": to_seconds(backup.made_at),
        "version": backup.version,
    }
    # Part by part, for the graph may be larger than any one object; "edges" and "intents" sort before the others.
    parts = (
        b'{"edges":[' + b",".join(canonical_bytes(edge.to_json()) for edge in backup.edges),
        b'],"intents":{' + b",".join(members),
        b"}," + canonical_bytes(rest, limit="kv_value_bytes_max")[1:],
    )
    _check_size(sum(map(len, parts)))
    return b"".join(parts)


def read_backup(path: Path) -> IntentBackup:
    """Read a backup of version 1.0 or 1.1 and check all of it; unknown fields are ignored, and so is `rtfs`.

    Raises:
        InvalidInputError: it is no such backup; the message names the field.
        NotCanonicalError: it is no JSON that has one meaning: bad UTF-8, a byte order mark, a key that comes twice, …
        LimitExceededError: the file is larger than `BACKUP_BYTES_MAX`, or nested too deep.
        AlreadyExistsError: an edge comes twice.
        DanglingReferenceError: an edge names an intent that is not in it.
        CycleError: edges of an acyclic type form a cycle.
        UnavailableError: the file cannot be read.

    Spec: CCOS-5
    """
    return parse_backup(parse_document(read_outside(path, limit="backup_bytes_max", maximum=BACKUP_BYTES_MAX)))


def parse_document(data: bytes) -> Any:
    """Read JSON from outside strictly; integers beyond ±(2^53−1) only where RFC 8785 writes floats so.

    Raises:
        NotCanonicalError: it is no JSON that has one meaning.
        LimitExceededError: it is nested too deep.
    """
    with suppress(CharterError):  # what is not our own writing is read again, strictly
        value = load_canonical(data)
        if canonical_bytes(value, limit="kv_value_bytes_max") == data:
            return value
    return parse_json(data, limit="kv_value_bytes_max")


def parse_backup(document: object) -> IntentBackup:
    """Read the document of a backup; raises as `read_backup`."""
    data = json_object(document, field="a backup of intents")
    for name in ("version", "timestamp", "intents", "edges"):
        if name not in data:
            raise InvalidInputError(f"a backup of intents has no field {name}")
    if data["version"] not in READABLE:
        raise InvalidInputError(f"version {data['version']!r:.40} of the backup is none of {', '.join(READABLE)}")
    if type(data["edges"]) is not list:
        raise InvalidInputError(f"edges must be a list, got {type(data['edges']).__name__}")
    backup = IntentBackup(
        version=data["version"],
        made_at=from_seconds(data["timestamp"], field="timestamp"),
        manifest=_manifest(data.get("manifest")),
        intents=dict(map(_intent, json_object(data["intents"], field="intents").items())),
        edges=tuple(_edge(number, item) for number, item in enumerate(data["edges"])),
    )
    _refuse_repeated(backup.edges)
    for fault in graph_faults(backup.intents, backup.edges):
        raise fault
    return backup


@dataclass(frozen=True, slots=True)
class RestoredIntents:
    """What a restore did.

    Attributes:
        backup: what the graph is now.
        receipt: of the unit; None where the store held that graph already.
    """

    backup: IntentBackup
    receipt: Receipt | None


def restore_intents(store: Units, path: Path, *, timeout_s: float = RESTORE_TIMEOUT_S) -> RestoredIntents:
    """Replace the whole intent graph by that of a backup, in one unit; where it raises, nothing was changed.

    What is the same already is left alone, so a second restore changes nothing.

    Args:
        store: to be changed.
        path: of a backup of version 1.0 or 1.1.
        timeout_s: how long the unit may take.

    Returns:
        What was done.

    Raises:
        CharterError: as `read_backup` and `Store.begin`.

    Spec: CCOS-5
    """
    backup = read_backup(path)
    with store.begin(timeout_s=timeout_s) as uow:
        uow.intents.replace_all(backup.intents.values(), backup.edges)
    return RestoredIntents(backup, uow.receipt)


def rtfs_text(intents: Iterable[StorableIntent], edges: Iterable[Edge]) -> str:
    """The graph as RTFS, one line an intent and one an edge, in the order given."""
    return "\n".join(
        (
            ";; Intent Graph Snapshot (hybrid backup)",
            "(intent-graph",
            "  (intents",
            *(f"    (intent {{{_intent_text(intent)} }})" for intent in intents),
            "  )",
            "  (edges",
            *(f"    (edge {{{_edge_text(edge)} }})" for edge in edges),
            "  )",
            ")",
            "",
        )
    )


def _intent_text(intent: StorableIntent) -> str:
    members = [
        f":id {_quoted(intent.intent_id)} :goal {_quoted(intent.goal)}",
        f":status {_quoted(intent.status)} :priority {intent.priority}",
    ]
    if intent.name is not None:
        members.append(f":name {_quoted(intent.name)}")
    if intent.rtfs_intent_source:
        members.append(f":rtfs-intent {_quoted(intent.rtfs_intent_source)}")
    return " ".join(members)


def _edge_text(edge: Edge) -> str:
    text = f":from {_quoted(edge.from_)} :to {_quoted(edge.to)} :type {_quoted(edge.edge_type)}"
    return text if edge.weight is None else f"{text} :weight {canonical_bytes(edge.weight).decode()}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _by_utf16(name: str) -> bytes:
    """The order of keys in RFC 8785."""
    return name.encode("utf-16-be")


def _check_size(size: int) -> None:
    if size > BACKUP_BYTES_MAX:
        raise LimitExceededError(
            f"the backup would have {size} bytes, backup_bytes_max is {BACKUP_BYTES_MAX}; use `charter backup create`",
            limit="backup_bytes_max",
            maximum=BACKUP_BYTES_MAX,
            actual=size,
        )


def _manifest(document: object) -> Manifest | None:
    if document is None:
        return None
    data = json_object(document, field="manifest")
    created_by = optional_text(data.get("created_by"), field="manifest.created_by")
    if created_by is None:
        raise InvalidInputError("manifest has no field created_by")
    for name in ("source", "note"):
        if type(data.get(name)) not in (str, type(None)):
            raise InvalidInputError(f"manifest.{name} must be a text, got {type(data[name]).__name__}")
    return Manifest(created_by, data.get("source"), data.get("note"))


def _intent(item: tuple[str, Any]) -> tuple[str, StorableIntent]:
    name, document = item
    with _named(f"intents.{name[:80]}"):
        intent = StorableIntent.from_json(document)
    if intent.intent_id != name:
        raise InvalidInputError(f"intents.{name[:80]}: its intent_id is {intent.intent_id[:80]!r}")
    return name, intent


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Say where in the document something is wrong."""
    try:
        yield
    except InvalidInputError as exc:
        raise InvalidInputError(f"{place}: {exc.message}") from exc


def _refuse_repeated(edges: Iterable[Edge]) -> None:
    keys = Counter(edge.key.text for edge in edges)
    for key, count in keys.most_common(1):
        if count > 1:
            raise AlreadyExistsError(f"edge {key} comes twice in the backup; leave one of them out", edge=key)


def _edge(number: int, document: Any) -> Edge:
    with _named(f"edges.{number}"):
        return Edge.from_json(document)
