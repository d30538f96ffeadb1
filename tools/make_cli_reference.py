"""Write docs/reference/cli.md from the commands themselves; with --check, say whether it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from charter_persist.cli.main import charter

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 78
HEAD = """# The command line

`charter` is what a person or a script does with a store without writing a program. The help texts below are those of
the commands; this page is made by `tools/make_cli_reference.py`.

## Which store

`--url` names it, before or behind the command; else the environment variable `CHARTER_URL`; else `sqlite:///charter.db`,
a file of the current folder. `charter demo` alone has another default, `sqlite:///charter-demo.db`.

There is no option for a password, and none is ever printed. Postgres takes it from `~/.pgpass` or `PGPASSWORD`; one
that stands in the URL works and is shown as `***`, but other users of the machine may see it in the list of processes.

## Exit codes

| code | meaning |
|---|---|
| 0 | fine |
| 1 | findings, or an operation that was refused: not found, a version conflict, a value that is not valid JSON, … |
| 2 | the command line itself is wrong |
| 3 | the store cannot be used: a wrong URL, a server that cannot be reached, a database that is not a store, a schema that is too old or too new, a file that cannot be written, a full disk, another writer that holds it too long |
| 130 | interrupted |

## Output

Results go to standard output: tables where it is a terminal, else plain text, where cells are divided by a tab and the
first line names them. Control characters that come out of a store are shown escaped. Progress goes to standard error,
and only where that is a terminal.

With `--json` a result is one JSON document in ASCII on standard output. `charter get` without it writes, into a pipe,
the canonical JSON byte for byte as it was hashed.

Errors go to standard error, as one line that ends with the code of the error (see `docs/reference/errors.md`), or with
`--json` as

```json
{"error": {"code": "version-conflict", "message": "…", "retryable": false, "applied": "no", "facts": {"actual": 2, "expected": 1}}}
```

`facts` says which name, digest, limit or version it is about and never holds content. Two codes are of the command line
alone: `usage`, and `file` where a file named on it cannot be read or written. What `charter verify` and `charter doctor`
find is a result and no error: it stands on standard output, and the exit code is 1.

## Verification

`charter verify` says the level that was really checked: `none` where the store is empty or something is wrong, `chain`
where the store agrees with itself, `checkpoint` where it also continues the checkpoint that was given. Without a
checkpoint kept elsewhere, a store that was rewritten as a whole, or that lost its newest entries, passes as `chain`.

The signature of the checkpoint is `verified`, `failed` (a finding, and nothing is concluded from the checkpoint), `not
checked` (it is signed and no `--public-key` was given) or `absent`. The key may be a file (PEM, or the verifier key in
one line) or the verifier key itself; a key in PEM has no name, so it is taken for that of the store.
`openssl genpkey -algorithm ed25519 -out charter.pem` makes a private key.

## Names

An area is given by its id or its label, a session by its id, and a resolution by its digest or the beginning of it,
which is enough as long as no other object begins so. `--as-of REVISION` answers as it was right after that revision;
`charter status` and `charter log` tell the revisions.

A refusal ends with the code of the error and, where there is one, the rule behind it: `[rule, GOV-5]`.

## Drawings

`charter graph` puts the newest on top. A line leads down from each resolution to those that it superseded; the longest
chain goes straight down, others branch off. What supersedes nothing and is not superseded is listed below. The SVG has a
legend, follows the light or dark theme of the reader, and tells the whole of a shortened title to whoever points at it.
Text, DOT and SVG are the same bytes for the same resolutions. A circle, which only a damaged store has, is drawn by DOT
alone.

## The demonstration

`charter demo` records 736 Python Enhancement Proposals and decides those that were accepted once more, through the same
verbs that a program uses. Each type of proposal is an area with an authority and a scope. Each commit of the repository
of the proposals is one unit of work with an audit event `STATUS_CHANGED` for each of its changes of status, 1,827 in
all. A proposal is accepted by its first change to Accepted, Active, Approved, Complete, Final, Finished or Provisional
(and to Acepted, as one change has it): at that time a session is held, each verb in a unit of its own.

Who accepts is the authority in force: the BDFL until PEP 8016 was accepted, and from then on the Steering Council, whose
authority superseded his in every area. Only actors of the authority take stances, so where the decision was delegated
the authority accepts on the advice of the delegates: they are named in the rationale of the candidate, in
`content.decided_by` of the resolution, and as the actor of the change of status.

What a proposal replaces it supersedes where the rules allow it. Every other edge of the record is a reference in the
content of the resolution, one in its context where there is a resolution to refer to, and one audit event
`SUPERSESSION_NOT_APPLIED` with the first of these rules that fits:

| rule | requirement | meaning |
|---|---|---|
| `SUCCESSOR_NEVER_ACCEPTED` | GOV-6 | what replaces was never accepted, so it replaces nothing |
| `TARGET_NEVER_ACCEPTED` | IDX-5 | what is replaced never was a resolution |
| `TARGET_ACCEPTED_LATER` | IDX-5 | it was none yet, so the edge would point forward in time |
| `TARGET_OF_ANOTHER_AREA` | IDX-6 | supersession does not leave an area |
| `TARGET_ALREADY_SUPERSEDED` | GOV-2 | only what is ACTIVE can be superseded |

Edges are those of `replaces`. The record is as of 2026-08-22.

A run that was interrupted goes on where it stopped when it is repeated.
"""


def contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for a command and for each below it, in order of the help."""
    context = click.Context(
        command, info_name=command.name, parent=parent, terminal_width=WIDTH, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from contexts(command.commands[name], context)


def page() -> str:
    """The text of the page."""
    blocks = [HEAD]
    for context in contexts(charter):
        blocks.append(f"\n## `{context.command_path}`\n\n```text\n{context.get_help()}\n```\n")
    return "".join(blocks)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/reference/cli.md is out of date")
    PAGE.write_text(page())
