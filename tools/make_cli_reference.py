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

## The demonstration

`charter demo` records 736 Python Enhancement Proposals. Each commit of their repository is one unit of work, each of
the 1,827 changes of status one audit event, each type of proposal an area. A proposal is accepted by its first change
to Accepted, Active, Approved, Complete, Final, Finished or Provisional (and to Acepted, as one change has it): then its
session is sealed and a resolution is put, which supersedes the resolutions of what it replaces. What it replaces that
was never accepted, or only later, is named under `references`. Who accepts is the delegate, else the BDFL until
PEP 8016 was accepted and the Steering Council from then on; each area has a ref to the authority and one to its newest
resolution. The record is as of 2026-08-22.

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
