"""Records 736 real decisions, opens the store anew, verifies it and tells what is in it.

    python examples/peps.py [URL]

The URL is that of an empty store, by default the new file peps.db of this folder. The same job, with tables and
``--json``, is ``charter demo``.
"""

import sys

from charter_persist import upgrade
from charter_persist.cli.demo.job import demonstrate
from charter_persist.cli.demo.peps import read_record
from charter_persist.cli.location import shown_url


def main(url: str) -> None:
    """Run the job and print what came of it."""
    upgrade(url)
    done = demonstrate(url, read_record())
    summary, report = done.summary, done.report
    print("recorded already" if done.recorded.repeated else "recorded", "in", shown_url(url))
    for state, areas in summary.states.items():
        print(f"{areas.total():5} {state:12}", ", ".join(f"{count} {area}" for area, count in areas.items()))
    for (rule, requirement), count in summary.not_applied.items():
        print(f"{count:5} replacements supersede nothing: {rule} ({requirement})")
    print("longest chain:", " -> ".join(summary.chain))
    for event in summary.last_changes:
        print(event.occurred_at.date(), event.subject[1], event.details["from"], "->", event.details["to"])
    print(f"{summary.events} events, {report.objects} objects, {report.size} entries, revision {report.revision}")
    print(f"verified to the level {report.level}, {len(report.findings)} findings, root {report.root.hex()}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///peps.db")
