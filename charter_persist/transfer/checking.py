"""The first pass over a bundle: everything that can be said of it without a store to bring it into.

Every line is read strictly, every digest recomputed, every count and the content digest compared, every domain object
read by its form; then the decisions, the graph, the refs and the order of the audit events are judged. What is wrong with
a line ends the pass at once; what contradicts itself is collected and refused together.

Cost: one parse, one encoding and two hashes for each line. Kept in memory: 32 bytes for each object, about 1 KiB for
each resolution with its session, about 150 bytes for each audit event.

Imports ``index``, ``repositories`` and what they stand on. Source: GOV-12, NEIGHBOURS 2.7 (steps 0 and 1), P40, P41.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final

from charter_persist.errors import BundleError, CharterError, DigestMismatchError, InvalidInputError
from charter_persist.index.index import Index
from charter_persist.index.rebuild import ref_findings
from charter_persist.index.stored import TYPES, StoredObject
from charter_persist.model.digest import HASH_VERSION, Digest, digest_bytes
from charter_persist.model.finding import Finding
from charter_persist.model.forms import FORMS
from charter_persist.model.limits import Options
from charter_persist.repositories.audit import read_event
from charter_persist.transfer.audit_order import AuditOrder
from charter_persist.transfer.bundle import Header, ObjectLine, RefLine, read_header, read_object, read_ref, split_event
from charter_persist.transfer.soundness import Decisions
from charter_persist.transfer.source import Source

FINDINGS_SHOWN: Final = 5
PROGRESS_EVERY: Final = 4_096
_TYPES: Final = frozenset(TYPES)
_DIGEST_BYTES: Final = 32


class DigestList(Sequence[bytes]):
    """Digests in ascending order, 32 bytes each and nothing more."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // _DIGEST_BYTES

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # nobody takes slices
        return bytes(self._bytes[index * _DIGEST_BYTES : (index + 1) * _DIGEST_BYTES])

    def __contains__(self, digest: object) -> bool:
        if not isinstance(digest, bytes):
            return False
        index = bisect_left(self, digest)
        return index < len(self) and self[index] == digest

    def append(self, digest: bytes) -> None:
        """Add a digest.

        Raises:
            InvalidInputError: it is not above the last one.
        """
        if self._bytes and digest <= self._bytes[-_DIGEST_BYTES:]:
            raise InvalidInputError("objects must be sorted by digest, and no two the same")
        self._bytes += digest


@dataclass(frozen=True, slots=True)
class Checked:
    """A bundle that is sound by itself.

    Attributes:
        header: its first line.
        fingerprint: SHA-256 of all its bytes.
        index: over its objects.
        decisions: what its objects say.
        governing: where its refs to authorities and scopes point, by name.
        references: what it leads to and does not hold, as (what, id): it must be in the store.
        outside: ids of areas that it tells of and does not hold: none of them may be in the store.
    """

    header: Header
    fingerprint: str
    index: Index
    decisions: Decisions
    governing: dict[str, Digest]
    references: frozenset[tuple[str, str]]
    outside: frozenset[str]


def check_bundle(source: Source, options: Options, progress: Callable[[int, int], None]) -> Checked:
    """Read a bundle once and verify all of it.

    Args:
        source: the open bundle.
        options: limits of the store that it is meant for.
        progress: called now and then with the lines done and the lines in all.

    Returns:
        What the second pass needs to know.

    Raises:
        BundleError: it contradicts itself; ``findings`` says all that is wrong.
        DigestMismatchError: an object, or the whole, does not have its digest.
        NotCanonicalError: a line is not the canonical form of what it says.
        LimitExceededError: a line, an object or an event is too large, or nested too deep.
        NotSupportedError: its format version or a hash version is unknown.
        InvalidInputError: anything else is wrong with a line; ``line`` is its number.

    Spec: GOV-12, P40, P41
    """
    with at_line(source):
        return _Check(source, options, progress).run()


@contextmanager
def at_line(source: Source) -> Iterator[None]:
    """Say in what is raised which line of the bundle it is about."""
    try:
        yield
    except BundleError:
        raise
    except CharterError as exc:
        exc.args = (f"line {source.line_number}: {exc.message}",)
        exc.__dict__["line"] = source.line_number
        raise


def area_ids_in(name: str) -> Iterator[str]:
    """The ids of areas that a ref of this name may belong to; an id may hold a slash itself."""
    head, _, rest = name.partition("/")
    parts = rest.split("/")
    if head == "area":
        for end in range(1, len(parts)):
            yield "/".join(parts[:end])


class _Check:
    """State of one pass."""

    def __init__(self, source: Source, options: Options, progress: Callable[[int, int], None]) -> None:
        self._source = source
        self._options = options
        self._progress = progress
        self._lines = source.lines()
        self._content = sha256()
        self._digests = DigestList()
        self._index = Index()
        self._decisions = Decisions(self._index, lambda name: bytes.fromhex(name) in self._digests)
        self._governing: dict[str, Digest] = {}
        self._outside: set[str] = set()
        self._findings: list[Finding] = []

    def run(self) -> Checked:
        """Read everything once."""
        header = read_header(next(self._lines, b"\n"))
        self._index.apply(self._objects(self._take(header.objects, "objects")))
        self._refs(self._take(header.refs, "refs"))
        order = AuditOrder(self._index, self._decisions.area_ids, self._decisions.brought)
        for line in self._take(header.audit_events, "audit events"):
            order.take(read_event(split_event(line), self._options))
        if next(self._lines, None) is not None:
            raise InvalidInputError("there are more lines than the header counts")
        if self._content.hexdigest() != header.content_digest:
            raise DigestMismatchError(
                "the lines do not have the content digest of the header", digest=header.content_digest
            )
        self._progress(header.records, header.records)
        self._judge(order)
        outside = frozenset(self._outside | order.outside)
        references = frozenset(self._leading_out())
        return Checked(
            header,
            self._source.fingerprint,
            self._index,
            self._decisions,
            self._governing,
            references,
            outside,
        )

    def _take(self, count: int, what: str) -> Iterator[bytes]:
        """So many lines."""
        taken = 0
        for line in islice(self._lines, count):
            taken += 1
            self._content.update(line)
            if taken % PROGRESS_EVERY == 0:
                self._progress(taken, count)
            yield line
        if taken < count:
            raise InvalidInputError(f"the bundle is cut off: it has {taken} of {count} {what}")

    def _objects(self, lines: Iterator[bytes]) -> Iterator[StoredObject]:
        """Verify each object; give those that an index is made of."""
        for line in lines:
            parts, content = read_object(line, self._options)
            self._digests.append(parts.digest)
            form = FORMS.get(parts.type)
            value = None if form is None else form(content)
            domain = parts.type in _TYPES
            name = Digest(parts.digest.hex())
            if parts.version != HASH_VERSION:
                self._decisions.take_second(name, _first_digest(parts), domain=domain)
            if domain:
                stored = StoredObject(name, parts.type, value)
                if parts.version == HASH_VERSION:
                    self._decisions.take(stored)
                yield stored

    def _refs(self, lines: Iterator[bytes]) -> None:
        """Verify each ref."""
        last = ""
        for line in lines:
            ref = read_ref(line, self._options)
            if ref.name <= last:
                raise InvalidInputError("refs must be sorted by name, and no two the same")
            last = ref.name
            if bytes.fromhex(ref.digest) not in self._digests:
                why = f"it points to {ref.digest}, which is not in the bundle"
                self._findings.append(Finding("DANGLING_REF", f"ref/{ref.name}", why))
            self._place(ref)

    def _place(self, ref: RefLine) -> None:
        ids = list(area_ids_in(ref.name))
        if not self._decisions.area_ids.isdisjoint(ids):
            if ref.name.endswith(("/authority", "/scope")):
                self._governing[ref.name] = ref.digest
        else:
            self._outside.update(ids)

    def _leading_out(self) -> Iterator[tuple[str, str]]:
        """What sessions refer to that is not in the bundle."""
        for what, name in self._decisions.references:
            here = name in self._decisions.area_ids if what == "area" else self._index.resolution(name) is not None
            if not here:
                yield what, name

    def _judge(self, order: AuditOrder) -> None:
        """Refuse everything that contradicts itself, all at once."""
        # What resolutions refer to follows from their sessions, and may be in the store instead.
        graph = [found for found in self._index.findings() if found.code != "DANGLING_RESOLUTION"]
        refs = ref_findings(self._index, self._governing.items())
        refuse([*graph, *self._decisions.findings(), *self._findings, *refs, *order.findings()])


def refuse(findings: Sequence[Finding]) -> None:
    """Raise if there is a finding.

    Raises:
        BundleError: there is; it carries all of them, and its message shows the first.
    """
    if not findings:
        return
    shown = "; ".join(f"{found.code} {found.subject}: {found.message}" for found in findings[:FINDINGS_SHOWN])
    more = f" and {len(findings) - FINDINGS_SHOWN} more" if len(findings) > FINDINGS_SHOWN else ""
    raise BundleError(f"the bundle was refused: {shown}{more}", findings=findings)


def _first_digest(parts: ObjectLine) -> Digest:
    return Digest(digest_bytes(parts.type, parts.data).hex())
