"""The second pass over a bundle: what every import does while it writes.

Cost: one read of each line, one look-up for 500 objects, and what a repository writes. Imports ``repositories``, ``engine``,
``index`` and what they stand on. Source: GOV-12, RELIABILITY P40.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from charter_persist.backends.contract import SESSION
from charter_persist.engine.work import Work
from charter_persist.errors import ConflictError, IntegrityError
from charter_persist.model.finding import Finding
from charter_persist.transfer.bundle import ObjectLine, RefLine, read_ref, split_object
from charter_persist.transfer.checking import Checked, refuse
from charter_persist.transfer.report import Totals
from charter_persist.transfer.source import Source

CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Import:
    """One import inside its unit of work.

    Attributes:
        work: the unit, what was in force when it took the writer lock, and the actor.
        source: the bundle.
        checked: what the first pass found out.
        progress: called with the lines done and the lines in all.
        totals: what is counted.
    """

    work: Work
    source: Source
    checked: Checked
    progress: Callable[[int, int], None]
    totals: Totals = field(default_factory=Totals)

    def lines(self) -> Iterator[bytes]:
        """Every line behind the header, once more.

        Raises:
            IntegrityError: the file was changed since the first pass.
        """
        lines = self.source.lines()
        next(lines, None)
        yield from lines
        if self.source.fingerprint != self.checked.fingerprint:
            raise IntegrityError("the bundle was changed while it was read; nothing of it was imported")

    def put_objects(self, lines: Iterator[bytes], took: Callable[[ObjectLine], None] | None = None) -> None:
        """Store the objects; ``took`` is called for each that is new."""
        objects = map(split_object, islice(lines, self.checked.header.objects))
        done = 0
        while chunk := list(islice(objects, CHUNK)):
            news = self.work.uow.objects.adopt_many([(line.type, line.version, line.data) for line in chunk])
            for line, new in zip(chunk, news, strict=True):
                if new and took is not None:
                    took(line)
            self.totals.objects_new += sum(news)
            self.totals.objects_known += len(news) - sum(news)
            done += len(chunk)
            self.progress(done, self.checked.header.records)

    def refs(self, lines: Iterator[bytes]) -> Iterator[RefLine]:
        """The refs that stand next."""
        options = self.work.uow.options
        return (read_ref(line, options) for line in islice(lines, self.checked.header.refs))

    def put_ref(self, ref: RefLine) -> None:
        """Set a ref that is not here; one that points to the same object stays as it is.

        Raises:
            ConflictError: it points elsewhere here.
        """
        refs = self.work.uow.refs
        here = refs.get(ref.name)
        if here is None:
            refs.set(ref.name, ref.digest, expected=0)
            self.totals.refs_new += 1
        elif here.digest == ref.digest:
            self.totals.refs_left += 1
        else:
            raise ConflictError(f"the ref {ref.name} points to another object here; nothing was imported")

    def put_event(self, data: bytes) -> None:
        """Append an event of the bundle.

        Raises:
            AlreadyExistsError: there is an event of that id.
        """
        self.work.uow.audit.adopt(data)
        self.totals.events_new += 1

    def check_surroundings(self) -> None:
        """Refuse a bundle that leads to what is not here, or tells of an area that is here and not in it.

        Raises:
            BundleError: it does.
        """
        lookups, checked = self.work.lookups, self.checked
        found = [
            Finding("DANGLING_REFERENCE", f"{what}/{name}", "sessions of the bundle refer to it; it is nowhere")
            for what, name in sorted(checked.references)
            if (lookups.area(name) if what == "area" else lookups.resolution(name)) is None
        ]
        found += [
            Finding("FOREIGN_AREA", f"area/{area_id}", "the bundle tells of it and does not hold it, and it is here")
            for area_id in sorted(checked.outside)
            if lookups.area(area_id) is not None
        ]
        refuse(found)

    def check_sessions(self, session_ids: Iterable[str]) -> None:
        """Refuse sessions whose id is that of another session here.

        Raises:
            ConflictError: one is; ``session_id`` names it.
        """
        waiting = iter(session_ids)
        while chunk := list(islice(waiting, CHUNK)):
            rows = self.work.uow.reader.get_many(SESSION, [(name,) for name in chunk])
            open_here = {row.session_id for row in rows if row.digest is None}
            for name in chunk:
                here, there = self.work.lookups.session(name), self.checked.index.session(name)
                other = here is not None and there is not None and here.digest != there.digest
                if other or name in open_here:
                    raise ConflictError(
                        f"session {name} of the bundle is another one here; nothing was imported", session_id=name
                    )
