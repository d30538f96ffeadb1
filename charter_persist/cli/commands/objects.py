"""``charter put`` and ``charter get``: one object in, one object out."""

from __future__ import annotations

import json
import sys
from typing import IO

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, answer
from charter_persist.model.canonical import canonical_bytes, parse_json


@click.command()
@click.argument("object_type", metavar="TYPE")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@common_options
@pass_invocation
def put(invocation: Invocation, object_type: str, source: IO[bytes]) -> None:
    """Store JSON as an object of TYPE and print its digest.

    It comes from FILE or from standard input, and is read strictly: what has no canonical form is refused. An object
    that is there already stays as it is.
    """
    content = parse_json(source.read())
    with invocation.open(read_only=False) as store:
        store.stage(object_type, content)
        with store.begin() as uow:
            digest = uow.objects.put(object_type, content)
        receipt = uow.receipt
    document = {
        "digest": digest,
        "object_type": object_type,
        "stored": receipt is not None,
        "revision": receipt.revision if receipt else None,
        "position": receipt.size if receipt else None,
    }
    answer(invocation, document, Line(digest))


@click.command()
@click.argument("prefix", metavar="DIGEST")
@common_options
@pass_invocation
def get(invocation: Invocation, prefix: str) -> None:
    """Print the object whose digest is, or begins with, DIGEST.

    It is verified as it is read. In a pipe this is the canonical JSON, byte for byte what was hashed; `--json` gives the envelope around it.
    """
    with invocation.open() as store, store.read() as view:
        envelope = view.objects.find(prefix)
    if not invocation.as_json and not sys.stdout.isatty():
        click.echo(canonical_bytes(envelope.object))
        return
    head = f"{envelope.object_type} {envelope.object_hash}"
    answer(invocation, envelope.to_json(), Line(head), *map(Line, json.dumps(envelope.object, indent=2).split("\n")))
