"""`dossier verify FOLDER`: a published log, checked without a database and without the service that published it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from cli.checkpoints import kept_checkpoints
from cli.errors import CliError, Damaged, NotFound
from cli.options import print_json
from cli.progress import progress
from ledger.checkpoint import Checkpoint
from ledger.findings import Finding, limited
from ledger.log_errors import LogError
from ledger.notes import VerifierKey
from ledger.verify_published import published_checkpoint, published_findings


def verify_folder(folder: Path, keys: Sequence[VerifierKey], against: Sequence[Path], *, as_json: bool) -> None:
    """Verify and print. Raises Damaged, or what keeps the folder from being looked at."""
    signed = _signed(folder, keys)
    kept = kept_checkpoints(against, keys)
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with progress(signed.size, hidden=as_json) as advance:
        for finding in limited(published_findings(folder, signed, against=kept, advance=advance), counts):
            findings.append(finding)
            if not as_json:
                typer.echo(f"{finding.place}: {finding.check}: {finding.detail}")
    seconds = time.monotonic() - begun
    if as_json:
        print_json(
            {
                "origin": signed.origin,
                "entries": signed.size,
                "seconds": round(seconds, 3),
                "counts": dict(sorted(counts.items())),
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        typer.echo(f"verified {signed.size:,} entries of {signed.origin} in {seconds:,.1f} s")
    if findings:
        raise Damaged(f"{counts.total():,} findings: what is published is not what was signed")


def _signed(folder: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        return published_checkpoint(folder, keys)
    except FileNotFoundError as error:
        raise NotFound(f"there is no published log in {folder}") from error
    except OSError as error:
        raise CliError(f"{error.filename} cannot be read: {error.strerror}") from error
    except LogError as error:
        raise Damaged(f"the checkpoint in {folder} proves nothing: {error}") from error
