"""`dossier erasures scrub`: what erasures deleted leaves the files of the database, while the service is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
import typer

from cli.errors import CliError, Conflict, Unavailable
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings
from cli.stored import require_database, stored_kek
from db.errors import AnotherScrub, ScrubError
from ledger.errors import AnotherRotation, KeyEncryptionError, is_unavailable
from ledger.scrubbing import Report, scrub_erasures


def scrub(
    *,
    patience: Annotated[
        float, typer.Option(min=0, help="How many seconds to wait for readers and for each table.")
    ] = 600.0,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Rewrite what erasures deleted from, drop old write-ahead log, and begin a new epoch of the key.

    The service goes on; who needs a table waits while it is rewritten, and is told to come back if that takes long.
    """
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    ring = stored_kek(settings)
    begun = time.monotonic()
    with database(settings) as conninfo, _told_plainly():
        report = scrub_erasures(
            conninfo,
            ring,
            settings.keys_conninfo,
            patience_seconds=patience,
            doing=lambda what: typer.echo(what, err=True),
        )
    _tell(report, time.monotonic() - begun)
    if report.residues:
        raise CliError("what was deleted may still be there: see above; no erasure is certified as scrubbed")


def _tell(report: Report, seconds: float) -> None:
    for name, scrubbed in report.scrubbed.items():
        for table, held_seconds in scrubbed.tables.items():
            typer.echo(f"{table}: rewritten, out of use for {held_seconds:.2f} s")
        typer.echo(f"{name}: {scrubbed.segments_dropped} segments of write-ahead log dropped")
        for residue in scrubbed.residues:
            typer.echo(f"{name}: not scrubbed: {residue}")
        for place in scrubbed.elsewhere:
            typer.echo(f"{name}: out of our reach: {place}")
    if report.kek is None:
        typer.echo("the key encryption keys are given as text: rotate them yourself, `dossier keys rotate`")
    if report.waiting:
        typer.echo(f"{report.waiting} erasures are not carried out yet, or not passed by the read models: run it again")
    typer.echo(f"{report.erasures} erasures are scrubbed; {seconds:,.1f} s")


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except (AnotherScrub, AnotherRotation) as error:
        raise Conflict(str(error)) from error
    except ScrubError as error:
        raise Unavailable(f"{error}; run it again") from error
    except KeyEncryptionError as error:
        raise CliError(str(error)) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise CliError("the login must own the tables: connect as who ran `dossier migrate`") from error
    except psycopg.Error as error:
        if is_unavailable(error):
            raise Unavailable("the connection to the database was lost; run it again") from error
        raise CliError(f"the database refused: {error.diag.message_primary or type(error).__name__}") from error
    except OSError as error:
        raise CliError(
            f"the key file cannot be written: {error.strerror or error}; run it again where it can"
        ) from error
