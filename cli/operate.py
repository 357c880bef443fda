"""Verbs of the operator: they work on the database or the keys themselves, not through the service."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.errors import CliError, Unavailable, UsageError
from cli.key_store import migrate_all
from cli.options import DatabaseOption, DataOption, load_settings
from cli.tokens import Claims, sign_token
from db.embedded import EmbeddedPostgres, attach
from db.errors import AlreadyOwned, BinariesNotFound, DatabaseFloorError, MalformedConninfo
from db.postgres_binaries import find_bindir
from domain.access import SCOPES, Role, roles_named
from settings import Settings

_LONGEST_TTL_DAYS = 366

db = typer.Typer(name="db", help="The database itself.", no_args_is_help=True, add_completion=False)


class ActorKind(StrEnum):
    HUMAN = "HUMAN"
    SERVICE = "SERVICE"


def token(
    actor: Annotated[str, typer.Option(help="The staff id that the token speaks for, such as u-118.")],
    *,
    role: Annotated[list[str] | None, typer.Option(help="A role; give it again for more.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What of the roles' permissions is kept, such as customer:view; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name to show beside the id.")] = None,
    kind: Annotated[ActorKind, typer.Option(help="A person or a program.")] = ActorKind.HUMAN,
    on_behalf_of: Annotated[str | None, typer.Option(help="Whom a delegate or program acts for.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it is good, such as 30m, 12h or 7d.")] = "12h",
    data: DataOption = None,
) -> None:
    """Print a bearer token, signed with the development key of the data folder."""
    if not actor.strip() or not actor.isprintable():
        raise UsageError("--actor is a staff id such as u-118")
    roles, scopes = tuple(role or ()), tuple(scope or ())
    if unknown := [each for each in roles if not roles_named([each])]:
        raise UsageError(f"there is no role {unknown[0]}; the roles are {', '.join(Role)}")
    if unknown := [each for each in scopes if each not in SCOPES]:
        raise UsageError(f"there is no scope {unknown[0]}; the scopes are {', '.join(SCOPES)}")
    claims = Claims(actor.strip(), roles, name, kind, on_behalf_of, scopes)
    typer.echo(sign_token(load_settings(data=data), claims, _duration(ttl)))


def migrate(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Bring the database's schema up to date, and that of KEYS_DATABASE_URL if the data keys have their own."""
    settings = load_settings(data=data, database_url=database_url)
    with database(settings) as conninfo:
        applied = migrate_all(conninfo, settings)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")


@db.command()
def url(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Print how to connect to the database, as its owner; the embedded server must be running."""
    settings = load_settings(data=data, database_url=database_url)
    with told_plainly(settings):
        conninfo = settings.conninfo or attach(settings.data)
    if conninfo is None:
        raise Unavailable(f"no database runs in {settings.data}; start it with `dossier serve`")
    typer.echo(conninfo)


@db.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Open psql on the database, as its owner. Further arguments go to psql."""
    program = _psql_program()
    with database(load_settings(data=data, database_url=database_url)) as conninfo:
        raise typer.Exit(_run_psql(program, conninfo, context.args))


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield how to connect to the database: of the settings, of the running service, or started for this once.

    Raises Unavailable for a server that cannot be reached, CliError for one that cannot be used.
    """
    with told_plainly(settings), ExitStack() as stack:
        conninfo = settings.conninfo
        if conninfo is None:
            server = EmbeddedPostgres(settings.data)
            try:
                conninfo = stack.enter_context(server).conninfo()
            except AlreadyOwned as error:
                conninfo = attach(settings.data)
                if conninfo is None:
                    raise Unavailable(str(error)) from error
        yield conninfo


@contextmanager
def told_plainly(settings: Settings) -> Iterator[None]:
    """Turn what can go wrong with a database into one line."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database cannot be reached: {' '.join(str(error).split())}") from error
    except (psycopg.ProgrammingError, MalformedConninfo):
        # Not repeated: the address may hold a password.
        raise UsageError("the database's address is malformed") from None
    except DatabaseFloorError as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"the data folder {settings.data} cannot be used: {error.strerror or error}") from error


def _psql_program() -> str:
    """Find psql beside the server's programs, else on the path. Raises CliError."""
    with suppress(BinariesNotFound):
        if os.access(beside := find_bindir().program("psql"), os.X_OK):
            return beside
    if found := shutil.which("psql"):
        return found
    raise CliError("psql is not installed here; connect another client with what `dossier db url` prints")


def _run_psql(program: str, conninfo: str, arguments: Sequence[str]) -> int:
    """Run psql in the terminal and return its exit code. The password goes by environment, where `ps` cannot see it."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    environment = {**os.environ, "PGPASSWORD": str(password)} if password else dict(os.environ)
    # Ctrl-C is psql's while it runs: it cancels a statement there. A handler, not SIG_IGN, which psql would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(  # noqa: S603 - the operator's own words
            [program, *arguments, make_conninfo("", **parts)],
            env=environment,
            check=False,
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text, re.ASCII)
    ttl = timedelta(minutes=int(match[1]) * {"m": 1, "h": 60, "d": 1440}[match[2]]) if match else timedelta()
    if not timedelta() < ttl <= timedelta(days=_LONGEST_TTL_DAYS):
        raise UsageError(f"--ttl is a time such as 30m, 12h or 7d, up to {_LONGEST_TTL_DAYS}d; not {text!r}")
    return ttl
