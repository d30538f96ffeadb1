"""The summary: rebuilt from what the store holds, never from the file it was recorded from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from charter_persist.cli.commands.audit import event_to_json
from charter_persist.cli.output import Block, Table
from charter_persist.model.digest import Envelope
from charter_persist.model.records import AuditEvent
from charter_persist.model.time import format_time
from charter_persist.unit_of_work import ReadView

LAST_EVENTS = 10
NO_STATUS = "(no change)"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a store says of the decisions in it.

    Attributes:
        areas: ids of the areas, in the order they were made.
        states: by status, then by area, how many proposals are in it now.
        resolutions: ``in force`` and ``superseded``, then by area, how many; authorities are not counted.
        chain: titles of the longest chain of replacement, oldest first.
        events: how many audit events there are.
        last_events: the newest ones, oldest first.
        revision, entries, root: where the journal ends.
    """

    areas: tuple[str, ...]
    states: dict[str, Counter[str]]
    resolutions: dict[str, Counter[str]]
    chain: tuple[str, ...]
    events: int
    last_events: tuple[AuditEvent, ...]
    revision: int
    entries: int
    root: str

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "areas": list(self.areas),
            "states": {state: dict(counts) for state, counts in self.states.items()},
            "resolutions": {state: dict(counts) for state, counts in self.resolutions.items()},
            "longest_chain": list(self.chain),
            "events": self.events,
            "last_events": [event_to_json(event) for event in self.last_events],
            "revision": self.revision,
            "entries": self.entries,
            "root": self.root,
        }

    def blocks(self) -> list[Block]:
        """All of it, for people."""
        columns = ("", *self.areas, "all")
        return [
            Table(columns, self._rows(self.states), "Proposals by state and area"),
            Table(columns, self._rows(self.resolutions), "Resolutions by state and area"),
            Table(("step", "title"), list(enumerate(self.chain, 1)), "Longest chain of replacement"),
            self._last_events(),
        ]

    def _last_events(self) -> Table:
        rows = [
            (format_time(e.occurred_at), e.subject[1], e.details["from"], e.details["to"], e.actor)
            for e in self.last_events
        ]
        title = f"Last {len(self.last_events)} of {self.events} audit events"
        return Table(("occurred_at", "subject", "from", "to", "actor"), rows, title)

    def _rows(self, counts: dict[str, Counter[str]]) -> list[tuple[Any, ...]]:
        return [(state, *(row[area] for area in self.areas), row.total()) for state, row in counts.items()]


def summarise(view: ReadView) -> Summary:
    """Rebuild the summary from one view; every object is verified as it is read."""
    status = {event.subject[1]: event.details["to"] for event in view.audit.iter(event_type="STATUS_CHANGED")}
    last = tuple(islice(view.audit.iter(reverse=True), LAST_EVENTS))[::-1]
    resolutions = [item for item in view.objects.iter("resolution") if item.object["kind"] == "proposal"]
    return Summary(
        areas=tuple(item.object["area_id"] for item in view.objects.iter("area")),
        states=_count_states(view.objects.iter("proposal"), status),
        resolutions=_count_resolutions(resolutions),
        chain=longest_chain(resolutions),
        events=sum(1 for _ in view.audit.iter()),
        last_events=last,
        revision=view.revision,
        entries=view.journal.size(),
        root=view.journal.root().hex(),
    )


def longest_chain(resolutions: Iterable[Envelope]) -> tuple[str, ...]:
    """Titles of the longest chain in which each supersedes the one before; the earliest one of equals.

    Args:
        resolutions: in the order they were taken, so what one supersedes stands before it.
    """
    chains: dict[str, tuple[str, ...]] = {}
    longest: tuple[str, ...] = ()
    for item in resolutions:
        before: tuple[str, ...] = max((chains[digest] for digest in item.object["supersedes"]), key=len, default=())
        name = f"{item.object['session_id']} {item.object['title']}"
        chain = chains[item.object_hash] = (*before, name)
        longest = max(longest, chain, key=len)
    return longest


def _count_states(proposals: Iterable[Envelope], status: dict[str, str]) -> dict[str, Counter[str]]:
    """Count proposals by their last recorded status, the most frequent status first."""
    counts: dict[str, Counter[str]] = {}
    for item in proposals:
        state = status.get(item.object["proposal_id"], NO_STATUS)
        counts.setdefault(state, Counter())[item.object["area_id"]] += 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1].total(), pair[0])))


def _count_resolutions(resolutions: list[Envelope]) -> dict[str, Counter[str]]:
    superseded = {digest for item in resolutions for digest in item.object["supersedes"]}
    counts: dict[str, Counter[str]] = {"in force": Counter(), "superseded": Counter()}
    for item in resolutions:
        state = "superseded" if item.object_hash in superseded else "in force"
        counts[state][item.object["area_id"]] += 1
    return counts
