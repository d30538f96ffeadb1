"""The lines of a bundle: what each looks like, and the strict reading of one.

A bundle is UTF-8, one canonical JSON object a line, each line ended by one line feed: a header, then objects by digest,
refs by name, audit events in their order. Bytes that are stored are put into a line as they are, so a line costs no
encoding to write; to read it, it is cut at fixed places, and what lies between must be the canonical form of itself.

Imports ``errors`` and ``model``. Source: GOV-12, RELIABILITY 4.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from charter_persist.errors import (
    DigestMismatchError,
    InvalidInputError,
    NotCanonicalError,
    NotSupportedError,
)
from charter_persist.model.canonical import canonical_bytes, parse_json, read_canonical
from charter_persist.model.digest import HASH_VERSION, Digest, hash_version, parse_digest
from charter_persist.model.limits import Options
from charter_persist.model.shape import exact_fields, names
from charter_persist.model.text import POSITION_MAX, check_ref_name

FORMAT: Final = "charter-bundle"
FORMAT_VERSION: Final = 1
OVERHEAD_BYTES: Final = 4_096
"""What a line may be longer than the largest object."""

_HEADER_FIELDS: Final = frozenset(
    {"areas", "content_digest", "counts", "format", "format_version", "hash_version", "kind"}
)
_COUNTS: Final = frozenset({"audit_events", "objects", "refs"})
_REF_FIELDS: Final = frozenset({"digest", "kind", "name"})
_OBJECT: Final = re.compile(
    rb'\{"digest":"([0-9a-f]{64})","hash_version":"([A-Za-z0-9]{1,16})","kind":"object","object":'
)
_OBJECT_TYPE: Final = re.compile(rb'"([A-Za-z][A-Za-z0-9_.-]{0,63})"\}')
_TYPE_KEY: Final = b',"object_type":'
_EVENT: Final = b'{"event":'
_EVENT_END: Final = b',"kind":"audit_event"}'


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a bundle.

    Attributes:
        areas: ids of the areas that were asked for, sorted; None for a whole store.
        objects, refs, audit_events: how many lines of each follow.
        content_digest: SHA-256 of all lines that follow, 64 hexadecimal characters.
    """

    areas: tuple[str, ...] | None
    objects: int
    refs: int
    audit_events: int
    content_digest: Digest

    @property
    def records(self) -> int:
        """How many lines follow."""
        return self.objects + self.refs + self.audit_events

    @property
    def counts(self) -> dict[str, int]:
        """The counts as they stand in the line."""
        return {"audit_events": self.audit_events, "objects": self.objects, "refs": self.refs}

    def line(self) -> bytes:
        """The line."""
        content = {
            "areas": None if self.areas is None else list(self.areas),
            "content_digest": self.content_digest,
            "counts": self.counts,
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "hash_version": HASH_VERSION,
            "kind": "header",
        }
        return canonical_bytes(content) + b"\n"


class ObjectLine(NamedTuple):
    """An object of a bundle: its bytes have its digest and are canonical.

    Attributes:
        digest: 32 bytes.
        version: name of the hash version.
        type: of the object.
        data: canonical bytes.
    """

    digest: bytes
    version: str
    type: str
    data: bytes


class RefLine(NamedTuple):
    """A ref of a bundle."""

    name: str
    digest: Digest


def object_line(line: ObjectLine) -> bytes:
    """Write the line of an object."""
    return b'{"digest":"%b","hash_version":"%b","kind":"object","object":%b,"object_type":"%b"}\n' % (
        line.digest.hex().encode(),
        line.version.encode(),
        line.data,
        line.type.encode(),
    )


def ref_line(name: str, digest: bytes) -> bytes:
    """Write the line of a ref."""
    return canonical_bytes({"digest": digest.hex(), "kind": "ref", "name": name}) + b"\n"


def event_line(data: bytes) -> bytes:
    """Write the line of an audit event, given its canonical bytes."""
    return b'{"event":%b,"kind":"audit_event"}\n' % data


def read_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        InvalidInputError: it is no header of a bundle.
        NotSupportedError: the bundle is of a format version or hash version that this release does not know.
    """
    content = parse_json(line[:-1])
    if type(content) is not dict or content.get("format") != FORMAT:
        raise InvalidInputError(f"that is not a {FORMAT}: its first line does not say so")
    if content.get("format_version") != FORMAT_VERSION or type(content["format_version"]) is not int:
        raise NotSupportedError(
            f"the bundle is of format version {str(content.get('format_version'))[:20]}, "
            f"this release reads {FORMAT_VERSION}; export it with a release that writes that"
        )
    exact_fields(content, _HEADER_FIELDS, form="the header")
    hash_version(str(content["hash_version"]))
    header = _header(content)
    if header.line() != line:
        raise NotCanonicalError("the header is not the canonical form of what it says")
    return header


def _header(content: Mapping[str, Any]) -> Header:
    counts = exact_fields(content["counts"], _COUNTS, form="the counts of the header")
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count <= POSITION_MAX:
            raise InvalidInputError(f"the count {name} of the header must be a whole number, 0 or more")
    areas = None if content["areas"] is None else names(content["areas"], field="areas of the header")
    return Header(
        areas, counts["objects"], counts["refs"], counts["audit_events"], parse_digest(content["content_digest"])
    )


def split_object(line: bytes) -> ObjectLine:
    """Cut the line of an object into its parts, as they are.

    Raises:
        InvalidInputError: it has not the form of such a line.
    """
    head = _OBJECT.match(line)
    end = line.rfind(_TYPE_KEY)
    kind = (
        None if head is None or end < head.end() else _OBJECT_TYPE.fullmatch(line, end + len(_TYPE_KEY), len(line) - 1)
    )
    if head is None or kind is None:
        raise InvalidInputError("that is not the line of an object where one is due")
    return ObjectLine(bytes.fromhex(head[1].decode()), head[2].decode(), kind[1].decode(), line[head.end() : end])


def read_object(line: bytes, options: Options) -> tuple[ObjectLine, Any]:
    """Read the line of an object in full.

    Returns:
        Its parts, and the content.

    Raises:
        InvalidInputError: it has not the form of such a line.
        DigestMismatchError: the bytes do not have the digest.
        NotCanonicalError: they are not the canonical form of what they say.
        LimitExceededError: they are too large, or nested too deep.
        NotSupportedError: the hash version is unknown.
    """
    parts = split_object(line)
    if hash_version(parts.version).digest_bytes(parts.type, parts.data) != parts.digest:
        raise DigestMismatchError(
            f"the bytes of {parts.type!r} {parts.digest.hex()} do not have that digest",
            object_type=parts.type,
            digest=parts.digest.hex(),
        )
    return parts, read_canonical(parts.data, options=options)


def read_ref(line: bytes, options: Options) -> RefLine:
    """Read the line of a ref.

    Raises:
        InvalidInputError: it has not the form of such a line.
    """
    content = exact_fields(parse_json(line[:-1]), _REF_FIELDS, form="the line of a ref")
    if content["kind"] != "ref":
        raise InvalidInputError("that is not the line of a ref where one is due")
    name = check_ref_name(content["name"], maximum=options.ref_name_bytes_max)
    digest = parse_digest(content["digest"])
    if ref_line(name, bytes.fromhex(digest)) != line:
        raise NotCanonicalError("the line of the ref is not the canonical form of what it says")
    return RefLine(name, digest)


def split_event(line: bytes) -> bytes:
    """Cut the bytes of the event out of its line.

    Raises:
        InvalidInputError: it has not the form of such a line.
    """
    if not line.startswith(_EVENT) or not line.endswith(_EVENT_END + b"\n"):
        raise InvalidInputError("that is not the line of an audit event where one is due")
    return line[len(_EVENT) : -len(_EVENT_END) - 1]
