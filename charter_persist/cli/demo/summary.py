"""The summary: rebuilt from what the store holds, never from the file it was recorded from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from charter_persist.cli.commands.audit import event_to_json
from charter_persist.cli.demo.recording import NOT_APPLIED, STATUS_CHANGED
from charter_persist.cli.output import Block, Table
from charter_persist.index.lookups import Lookups
from charter_persist.index.rebuild import rebuild
from charter_persist.model.digest import Envelope
from charter_persist.model.records import AuditEvent
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.time import format_time
from charter_persist.unit_of_work import ReadView

LAST_EVENTS = 10
NO_STATUS = "(no change)"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a store says of the decisions in it.

    Attributes:
        areas: ids of the areas, sorted.
        states: by status, then by area, how many proposals are in it now.
        resolutions: by state, then by area, how many; authorities and scopes are not counted.
        not_applied: by rule and the requirement behind it, how many replacements of the record supersede nothing.
        chain: texts of the longest chain of supersession, oldest first.
        events: how many audit events there are.
        status_changes: how many of them are changes of status.
        last_changes: the newest of those, oldest first.
        revision, entries, root: where the journal ends.
    """

    areas: tuple[str, ...]
    states: dict[str, Counter[str]]
    resolutions: dict[str, Counter[str]]
    not_applied: Counter[tuple[str, str]]
    chain: tuple[str, ...]
    events: int
    status_changes: int
    last_changes: tuple[AuditEvent, ...]
    revision: int
    entries: int
    root: str

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "areas": list(self.areas),
            "states": {state: dict(counts) for state, counts in self.states.items()},
            "resolutions": {state: dict(counts) for state, counts in self.resolutions.items()},
            "supersession_not_applied": {rule: count for (rule, _), count in self.not_applied.items()},
            "longest_chain": list(self.chain),
            "events": self.events,
            "status_changes": self.status_changes,
            "last_changes": [event_to_json(event) for event in self.last_changes],
            "revision": self.revision,
            "entries": self.entries,
            "root": self.root,
        }

    def blocks(self) -> list[Block]:
        """All of it, for people."""
        columns = ("", *self.areas, "all")
        rules = [(*names, count) for names, count in self.not_applied.items()]
        title = f"Replacements that supersede nothing, {self.not_applied.total()}, by rule"
        return [
            Table(columns, self._rows(self.states), "Proposals by state and area"),
            Table(columns, self._rows(self.resolutions), "Resolutions by state and area"),
            Table(("rule", "requirement", "count"), rules, title),
            Table(("step", "resolution"), list(enumerate(self.chain, 1)), "Longest chain of supersession"),
            self._last_changes(),
        ]

    def _last_changes(self) -> Table:
        rows = [
            (format_time(e.occurred_at), e.subject[1], e.details["from"], e.details["to"], e.actor)
            for e in self.last_changes
        ]
        title = f"Last {len(rows)} of {self.status_changes} changes of status, in {self.events} audit events"
        return Table(("occurred_at", "subject", "from", "to", "actor"), rows, title)

    def _rows(self, counts: dict[str, Counter[str]]) -> list[tuple[Any, ...]]:
        return [(state, *(row[area] for area in self.areas), row.total()) for state, row in counts.items()]


def summarise(view: ReadView) -> Summary:
    """Rebuild the summary from one view; every object is verified as it is read."""
    lookups = rebuild(view.reader)
    changes = list(view.audit.iter(event_type=STATUS_CHANGED))
    status = {event.subject[1]: event.details["to"] for event in changes}
    rules = (event.details for event in view.audit.iter(event_type=NOT_APPLIED))
    not_applied = Counter((item["rule"], item["requirement"]) for item in rules)
    return Summary(
        areas=tuple(area.area_id for area in lookups.areas()),
        states=_count_states(view.objects.iter("proposal"), status),
        resolutions=_count_resolutions(lookups),
        not_applied=Counter(dict(sorted(not_applied.items()))),
        chain=longest_chain(view.objects.iter("resolution")),
        events=sum(1 for _ in view.audit.iter()),
        status_changes=len(changes),
        last_changes=tuple(changes[-LAST_EVENTS:]),
        revision=view.revision,
        entries=view.journal.size(),
        root=view.journal.root().hex(),
    )


def longest_chain(resolutions: Iterable[Envelope]) -> tuple[str, ...]:
    """Texts of the longest chain in which each supersedes the one before; the earliest one of equals.

    Args:
        resolutions: in the order they were accepted, so what one supersedes stands before it.
    """
    chains: dict[str, tuple[str, ...]] = {}
    longest: tuple[str, ...] = ()
    for item in resolutions:
        before: tuple[str, ...] = max((chains[digest] for digest in item.object["supersedes"]), key=len, default=())
        chain = chains[item.object_hash] = (*before, str(item.object["content"]["text"]))
        longest = max(longest, chain, key=len)
    return longest


def _count_states(proposals: Iterable[Envelope], status: dict[str, str]) -> dict[str, Counter[str]]:
    """Count proposals by their last recorded status, the most frequent status first."""
    counts: dict[str, Counter[str]] = {}
    for item in proposals:
        state = status.get(item.object["proposal_id"], NO_STATUS)
        counts.setdefault(state, Counter())[item.object["area_id"]] += 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1].total(), pair[0])))


def _count_resolutions(lookups: Lookups) -> dict[str, Counter[str]]:
    return {
        str(state): Counter(
            {
                area.area_id: len(lookups.in_state(area.area_id, state, ResolutionType.GENERAL))
                for area in lookups.areas()
            }
        )
        for state in ResolutionState
    }
