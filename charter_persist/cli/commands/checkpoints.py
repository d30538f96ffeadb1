"""``charter checkpoint`` and ``charter verify``: proof that is kept outside the store, and what it later shows.

Source: RELIABILITY P24, P26, P27; C2SP tlog-checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Block, Pairs, Table, answer
from charter_persist.cli.progress import progress
from charter_persist.errors import AlreadyExistsError, ProofError
from charter_persist.integrity.verify import VerifyReport
from charter_persist.integrity.verify import verify as verify_store
from charter_persist.journal.checkpoint import NOTE_BYTES_MAX, Checkpoint, parse_note, sign, verify_signature
from charter_persist.journal.keys import PublicKey, load_public_key, load_signer, verifier_key
from charter_persist.model.finding import Finding

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--key", type=_FILE, help="Sign with this Ed25519 private key (PEM).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this new file.")
@common_options
@pass_invocation
def checkpoint(invocation: Invocation, key: Path | None, out: Path | None) -> None:
    """Write size and root of the journal as a C2SP signed note.

    Keep it outside the store: it shows later that what was recorded by now is still there. Without --key the note is unsigned. With it the verifier key is printed as well: give it to those who verify. The
    private key is only read, never kept.
    """
    signer = None if key is None else load_signer(_read(key))
    with invocation.open() as store, store.read() as view:
        made = Checkpoint(store.store_id, view.journal.size(), view.journal.root())
    public = None
    if signer is not None:
        made = sign(made, signer.sign, made.origin, signer.public_key)
        public = verifier_key(made.origin, signer.public_key)
    if out is not None:
        _write_new(out, made.text().encode())
    document = {
        "note": made.text(),
        "origin": made.origin,
        "size": made.size,
        "root": made.root.hex(),
        "verifier_key": public,
        "file": None if out is None else str(out),
    }
    if out is None and not invocation.as_json:
        click.echo(made.text(), nl=False)
        if public is not None:
            click.echo(f"verifier key: {public}", err=True)
        return
    answer(invocation, document, Pairs({"file": out, "size": made.size, "verifier key": public}))


@click.command()
@click.option("--checkpoint", "note", type=_FILE, help="Also show that the store continues this checkpoint.")
@click.option("--public-key", metavar="FILE|KEY", help="Whose signature of the checkpoint is to be verified.")
@common_options
@pass_invocation
def verify(invocation: Invocation, note: Path | None, public_key: str | None) -> int:
    """Recompute every digest, every commitment and the root.

    Says the level that was really checked: `none` where something is wrong, `chain` where the store agrees with
    itself, `checkpoint` where it also continues a checkpoint that was kept elsewhere. Exit code 1 on findings.
    """
    if public_key is not None and note is None:
        raise click.UsageError("--public-key goes with --checkpoint FILE")
    kept = None if note is None else read_note(note)
    signature, findings = check_signature(kept, None if public_key is None else _public_key(public_key))
    # A checkpoint with a bad signature may be anybody's, so nothing is concluded from it.
    trusted = kept if not findings else None
    with invocation.open() as store, progress("verifying") as advance:
        report = verify_store(store, store_id=store.store_id, checkpoint=trusted, progress=advance)
    findings += report.findings
    document = {**report_to_json(report), "signature": signature, "findings": findings_to_json(findings)}
    answer(invocation, document, *report_blocks(report, signature, findings))
    return ExitCode.REFUSED if findings else ExitCode.FINE


def read_note(path: Path) -> Checkpoint:
    """The checkpoint in a file.

    Raises:
        InvalidInputError: it is no checkpoint.
    """
    return parse_note(_read(path, NOTE_BYTES_MAX + 1))


def check_signature(kept: Checkpoint | None, public: PublicKey | None) -> tuple[str | None, tuple[Finding, ...]]:
    """Say what is known of the signature of a checkpoint.

    Args:
        kept: the checkpoint, if there is one.
        public: the key whose signature must be there; without a name it is that of the origin.

    Returns:
        ``verified``, ``failed``, ``not checked`` or ``absent``, None without a checkpoint; and what is wrong.
    """
    if kept is None:
        return None, ()
    if public is None:
        return "not checked" if kept.signatures else "absent", ()
    try:
        verify_signature(kept, public.name or kept.origin, public.key)
    except ProofError as exc:
        return "failed", (Finding("CHECKPOINT_SIGNATURE", "checkpoint", exc.message),)
    return "verified", ()


def report_to_json(report: VerifyReport) -> dict[str, Any]:
    """What a verification showed."""
    return {
        "level": str(report.level),
        "entries": report.size,
        "revision": report.revision,
        "root": report.root.hex(),
        "objects": report.objects,
    }


def findings_to_json(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    """Each finding."""
    return [{"code": item.code, "subject": item.subject, "message": item.message} for item in findings]


def report_blocks(report: VerifyReport, signature: str | None, findings: tuple[Finding, ...]) -> list[Block]:
    """The same for people."""
    told = {} if signature is None else {"signature of the checkpoint": signature}
    blocks: list[Block] = [Pairs({**report_to_json(report), **told, "findings": len(findings)})]
    if findings:
        rows = [(item.code, item.subject, item.message) for item in findings]
        blocks.append(Table(("code", "subject", "message"), rows, "Findings"))
    return blocks


def _public_key(given: str) -> PublicKey:
    """The key of a file, or the verifier key itself."""
    path = Path(given)
    return load_public_key(_read(path, NOTE_BYTES_MAX) if path.is_file() else given.encode())


def _read(path: Path, bytes_max: int = NOTE_BYTES_MAX) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(bytes_max)
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet: an older checkpoint is evidence."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as exc:
        raise AlreadyExistsError(f"{path} exists; a checkpoint is never overwritten, name another file") from exc
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc
