"""Bundles of stores whose identifiers and times are the same in every run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import count
from typing import Any

from charter_persist import Store, connect
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.digest import digest
from charter_persist.transfer.export import export_bundle
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.report import ImportReport
from tests.governed_store import govern, ticking


def counting(prefix: str) -> Callable[[], str]:
    """Identifiers that count."""
    numbers = count(1)
    return lambda: f"{prefix}-{next(numbers)}"


def memory_store(prefix: str = "id") -> Store:
    """An empty store in memory."""
    return connect("memory://", clock=ticking(), new_id=counting(prefix))


def governed(*area_ids: str, prefix: str = "id") -> Store:
    """A store in memory with areas that have something of every kind, and an object of an application."""
    store = memory_store(prefix)
    for area_id in area_ids:
        govern(store, area_id)
    with store.begin() as uow:
        note = uow.objects.put("note", {"float": 1e20, "half": 0.5, "text": "é€"})
        uow.refs.set("notes/newest", note, expected=0)
        uow.audit.append("NOTED", scope="GLOBAL", subject=("note", note), details={"why": None})
    return store


def bundle_of(store: Store, areas: Iterable[str] | None = None, as_of: int | None = None) -> bytes:
    """The bundle of a store."""
    out = io.BytesIO()
    with store.read(as_of=as_of) as view:
        export_bundle(view, out.write, areas=areas)
    return out.getvalue()


def take(store: Store, bundle: bytes, mode: str = "restore") -> ImportReport:
    """Import a bundle."""
    return import_bundle(store, io.BytesIO(bundle), mode=mode, actor="ivy")


def records(bundle: bytes) -> list[dict[str, Any]]:
    """The lines of a bundle behind its header."""
    return [load_canonical(line) for line in bundle.splitlines()[1:]]


def object_record(object_type: str, content: Any, version: str = "v1") -> dict[str, Any]:
    """The line of an object, with the digest that it must have."""
    return {
        "digest": digest(object_type, content, version=version),
        "hash_version": version,
        "kind": "object",
        "object": content,
        "object_type": object_type,
    }


def pack(found: Iterable[dict[str, Any]], **header: Any) -> bytes:
    """A bundle of these lines, in the order that a bundle has, with a header that fits."""
    kinds: dict[str, list[dict[str, Any]]] = {"object": [], "ref": [], "audit_event": []}
    for record in found:
        kinds[record["kind"]].append(record)
    kinds["object"].sort(key=lambda record: str(record["digest"]))
    kinds["ref"].sort(key=lambda record: str(record["name"]).encode())
    lines = [canonical_bytes(record) + b"\n" for of_kind in kinds.values() for record in of_kind]
    return seal(
        lines,
        counts={
            "audit_events": len(kinds["audit_event"]),
            "objects": len(kinds["object"]),
            "refs": len(kinds["ref"]),
        },
        **header,
    )


def seal(lines: Iterable[bytes], **header: Any) -> bytes:
    """A header over these lines."""
    body = b"".join(lines)
    content = {
        "areas": None,
        "content_digest": sha256(body).hexdigest(),
        "format": "charter-bundle",
        "format_version": 1,
        "hash_version": "v1",
        "kind": "header",
        **header,
    }
    return canonical_bytes(content) + b"\n" + body


def event_types(store: Store, prefix: str) -> list[str]:
    """The types of the events that begin so, in their order."""
    with store.read() as view:
        return [event.event_type for event in view.audit.iter() if event.event_type.startswith(prefix)]
