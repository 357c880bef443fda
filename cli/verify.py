"""`dossier verify`: reads everything that is stored, as of one moment, and tells what is not as it must be."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.checkpoints import AgainstOption, KeyOption, kept_checkpoints, known_keys
from cli.errors import CliError, Damaged
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings, print_json
from cli.progress import progress
from cli.stored import reading_stored, require_database, stored_kek
from cli.verify_folder import verify_folder
from ledger.errors import KeyEncryptionError
from ledger.findings import Finding, limited
from ledger.scrub_record import ScrubRecord
from ledger.verify import Extent, SnapshotKeys, extent_of, keys_at
from ledger.verify_against import against_findings
from projections.comparison import FOLLOWED, INLINE
from projections.verify import verify as verify_all
from settings import Settings


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="A published log, to be verified instead of the database.", show_default=False)
    ] = None,
    *,
    evidence_only: Annotated[
        bool, typer.Option("--evidence-only", help="Leave out the read models, which can be rebuilt.")
    ] = False,
    against: AgainstOption = None,
    key: KeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Verify streams, log, keys, requests and read models. Changes nothing; a service may be at work meanwhile.

    Of a published log: all entries and tiles, and that they are what the checkpoint says.
    """
    settings = load_settings(data=data, database_url=database_url)
    if folder is not None:
        verify_folder(folder, known_keys(settings, key), against or (), as_json=as_json)
        return
    kept = kept_checkpoints(against, known_keys(settings, key)) if against else []
    require_database(settings)
    kek = stored_kek(settings)
    read_models = () if evidence_only else (*FOLLOWED, *INLINE)
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with (
        database(settings) as conninfo,
        reading_stored(conninfo) as connection,
        keys_at(connection, kek, settings.keys_conninfo) as keys,
    ):
        _require_kek(keys, settings)
        extent = extent_of(connection)
        with progress(extent.positions + extent.events * (2 if read_models else 1), hidden=as_json) as advance:
            found = verify_all(connection, keys, read_models=read_models, counts=counts, advance=advance)
            held = chain.from_iterable(against_findings(connection, each, extent.positions) for each in kept)
            for finding in chain(limited(held, counts), found):
                findings.append(finding)
                if not as_json:
                    typer.echo(_line(finding))
    record = ScrubRecord.of(settings.data)
    for finding in _shrunk(record, extent):
        findings.append(finding)
        counts[finding.check] += 1
        if not as_json:
            typer.echo(_line(finding))
    seconds = time.monotonic() - begun
    scrubbed = _scrubbed(record, is_sound=not findings)
    if as_json:
        print_json({**_document(findings, counts, extent, seconds), "scrubber": scrubbed})
    else:
        if scrubbed:
            becomes = "stands" if findings else "is withdrawn"
            typer.echo(f"what the scrubber found {becomes}: {scrubbed['place']}: {scrubbed['detail']}")
        typer.echo(_summary(extent, seconds))
    if findings:
        raise Damaged(f"{counts.total():,} findings; what to do: docs/operating.md, Verifying")


def _line(finding: Finding) -> str:
    return f"{finding.place}: {finding.check}: {finding.detail}"


def _shrunk(record: ScrubRecord, extent: Extent) -> Iterator[Finding]:
    """Places that were removed from the end of the log together with everything about them: nothing else shows that."""
    progress = record.progress()
    if progress and progress.size > extent.positions:
        detail = f"the scrubber has seen {progress.size} places; {extent.positions} are left"
        yield Finding("log", f"log index {extent.positions}", detail, extent.positions)


def _scrubbed(record: ScrubRecord, *, is_sound: bool) -> dict[str, Any] | None:
    """What the scrubber of this data folder has found; it is forgotten where nothing is wrong any more."""
    try:
        return record.withdraw() if is_sound else record.finding()
    except OSError as error:
        raise CliError(f"what the scrubber found cannot be withdrawn: {error}") from error


def _summary(extent: Extent, seconds: float) -> str:
    customers, events, positions = extent
    return f"verified {customers:,} customers, {events:,} events, {positions:,} positions in {seconds:,.1f} s"


def _document(findings: list[Finding], counts: Counter[str], extent: Extent, seconds: float) -> dict[str, Any]:
    return {
        **extent._asdict(),
        "seconds": round(seconds, 3),
        "counts": dict(sorted(counts.items())),
        "findings": [asdict(finding) for finding in findings],
    }


def _require_kek(keys: SnapshotKeys, settings: Settings) -> None:
    try:
        keys.require_kek()
    except KeyEncryptionError as error:
        named = "DOSSIER_KEK" if settings.kek else settings.kek_file
        raise CliError(f"{named} is not the key of this database: {error}") from error
