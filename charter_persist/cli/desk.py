"""What the commands of governance work at: a store, its `Charter`, and the names that people give to things.

An area may be given by its id or its label, a resolution by the beginning of its digest, a session by its id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import click

from charter_persist.cli.invocation import Invocation
from charter_persist.engine.charter import Charter
from charter_persist.engine.queries import Queries
from charter_persist.errors import AmbiguousError, NotFoundError
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import Resolution
from charter_persist.store import Store
from charter_persist.unit_of_work import ReadView

as_of_option = click.option(
    "--as-of", type=click.IntRange(min=0), metavar="REVISION", help="Answer as it was right after this revision."
)
actor_option = click.option("--actor", metavar="NAME", help="Who does it; for information.")
required_actor_option = click.option("--actor", metavar="NAME", required=True, help="Who does it.")


def one_of(words: type[StrEnum], *, lower: bool = False) -> click.Choice[str]:
    """The type of an option or argument that is one of these words."""
    return click.Choice([word.lower() if lower else str(word) for word in words])


@dataclass(frozen=True, slots=True)
class Desk:
    """An open store and what can be asked of it.

    Attributes:
        store: open.
        charter: the verbs.
        queries: the questions, as of the wanted revision.
        as_of: that revision; None for the present.
    """

    store: Store
    charter: Charter
    queries: Queries
    as_of: int | None

    def view(self) -> ReadView:
        """A view of the wanted revision."""
        return self.store.read(as_of=self.as_of)

    def area_id(self, given: str) -> str:
        """The id of the area that has this id or this label.

        Raises:
            NotFoundError: there is none.
            AmbiguousError: it is the id of one and the label of another.
        """
        found = [area.area_id for area in self.queries.areas() if given in (area.area_id, area.label)]
        if not found:
            raise NotFoundError(f"there is no area with the id or the label {given}", name=given)
        if len(found) > 1:
            raise AmbiguousError(f"{given} is the id of one area and the label of another", candidates=found)
        return found[0]

    def resolution_id(self, given: str) -> Digest:
        """The digest of the resolution whose digest is, or begins with, what was given.

        Raises:
            NotFoundError: there is none.
            AmbiguousError: several objects have such a digest.
            InvalidInputError: it is not hexadecimal.

        Spec: HASH-4
        """
        with self.view() as view:
            found = view.objects.find(given)
        if found.object_type != Resolution.object_type:
            raise NotFoundError(
                f"object {found.object_hash} is of type {found.object_type}, not a resolution", digest=found.object_hash
            )
        return found.object_hash

    def resolution_ids(self, given: tuple[str, ...]) -> list[Digest]:
        """The same for several."""
        return [self.resolution_id(name) for name in given]


@contextmanager
def asking(invocation: Invocation, as_of: int | None = None) -> Iterator[Desk]:
    """Open the store for questions.

    Raises:
        StoreNotOpened: it cannot be opened.
        NotFoundError: there is no such revision yet.
    """
    with invocation.open() as store:
        charter = Charter(store)
        yield Desk(store, charter, charter if as_of is None else charter.as_of(as_of), as_of)


@contextmanager
def deciding(invocation: Invocation) -> Iterator[Desk]:
    """Open the store for verbs.

    Raises:
        StoreNotOpened: it cannot be opened.
    """
    with invocation.open(read_only=False) as store:
        charter = Charter(store)
        yield Desk(store, charter, charter, None)


def first_line(text: str) -> str:
    """What stands for a text in a list."""
    return text.partition("\n")[0]
