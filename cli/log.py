"""`dossier log`: the signed log, for whoever verifies it without asking the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from cli.errors import CliError, Damaged, NotFound
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings
from cli.stored import require_database
from db.pool import connect
from ledger import publishing
from ledger.checkpoint import opened
from ledger.errors import TreeError
from ledger.log_errors import LogError, LogKeyUnusable, LogRefused, NotSigned
from ledger.log_key import log_key_from
from ledger.notes import Note, VerifierKey
from ledger.signer_memory import SignerMemory
from settings import Settings

log = typer.Typer(name="log", help="The signed log.", no_args_is_help=True, add_completion=False)


@log.command()
def key(data: DataOption = None) -> None:
    """Print the key that the log's signatures are verified with."""
    typer.echo(str(_key(load_settings(data=data))))


@log.command()
def checkpoint(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Print the newest signed checkpoint, for somebody outside to keep."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    with database(settings) as conninfo, _told_plainly(), connect(conninfo, "dossier_reader") as connection:
        typer.echo(publishing.newest_note(connection), nl=False)


@log.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Made if it is not there; only what is new is written.")],
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Write the signed checkpoint and all tiles to a folder, for a web server or an auditor."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    verifier = _key(settings)
    with database(settings) as conninfo, _told_plainly(), connect(conninfo, "dossier_reader") as connection:
        connection.autocommit = True
        published = publishing.publish(connection, folder, verifier)
    size = published.checkpoint.size
    typer.echo(
        f"{folder}: {size:,} entries, {size - published.size_before:,} of them new, in {published.tiles:,} tiles"
    )


@log.command()
def remember(
    checkpoint: Annotated[Path, typer.Argument(help="A signed checkpoint that somebody outside has kept.")],
    data: DataOption = None,
) -> None:
    """Give the signer of this machine a checkpoint to go on from, when its own memory is lost or was never here."""
    settings = load_settings(data=data)
    verifier = _key(settings)
    with _told_plainly():
        message = _read(checkpoint)
        known = opened(message, [verifier], verifier.name)
        if not SignerMemory(settings.log_memory_file, verifier).keep(Note.parse(message)):
            raise CliError(f"{settings.log_memory_file} remembers a larger log already")
    typer.echo(f"the signer goes on from size {known.size:,}")


def _key(settings: Settings) -> VerifierKey:
    try:
        return log_key_from(settings.log_key_file).verifier
    except LogKeyUnusable as error:
        raise CliError(str(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what is wrong with a log into one line, and what is wrong with its history into the exit code of damage."""
    try:
        yield
    except NotSigned as error:
        raise NotFound(str(error)) from error
    except (LogRefused, TreeError) as error:
        raise Damaged(str(error)) from error
    except LogError as error:
        raise CliError(str(error)) from error
    except psycopg.ProgrammingError as error:
        raise CliError(f"the schema is not this program's ({error.sqlstate}); try `dossier migrate`") from error
    except OSError as error:
        raise CliError(f"{error.filename} cannot be used: {error.strerror or error}") from error
