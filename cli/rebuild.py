"""`dossier rebuild`: computes the read models anew, tells where they were wrong, and puts that right."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.errors import CliError, Conflict, Damaged, Unavailable
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings, print_json
from cli.processes import settle_memory
from cli.stored import require_database, stored_kek
from ledger.errors import LedgerError, is_unavailable
from projections import rebuild as rebuilding
from projections.checksums import Checksum, TableChecksums
from projections.differences import Difference
from projections.errors import AnotherRebuild, NeverFree, ProjectionError
from projections.rebuild import Summary, Watch

_MOST_LISTED: Final = 1000
"""So many differences one JSON document lists; it counts all."""


class ReadModel(StrEnum):
    FACTS = "facts"
    EVENTS = "events"
    CHANGES = "changes"
    APPROVALS = "approvals"
    PROFILE = "profile"
    IDENTIFIER = "identifier"


def rebuild(
    *,
    only: Annotated[
        list[ReadModel] | None, typer.Option(help="A read model to rebuild; give it again for more. Default: all.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare and tell; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Compute the read models anew from the events and put right what differs; a service may be at work meanwhile."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    kek = stored_kek(settings)
    names = [model.value for model in only or ReadModel]
    settle_memory()
    listed: list[Difference] = []
    begun = time.monotonic()
    with database(settings) as conninfo, _told_plainly(), _watching(conninfo, listed if as_json else None) as watch:
        work = rebuilding.check if check else rebuilding.rebuild
        summary = work(conninfo, kek, watch, names, keys_conninfo=settings.keys_conninfo)
    seconds = time.monotonic() - begun
    if as_json:
        print_json(_document(summary, listed, seconds))
    else:
        _tell("compared" if check else "rebuilt", summary, seconds)
    if check and (summary.differences or summary.unreadable):
        raise Damaged("the read models are not what the events say; `dossier rebuild` puts them right")
    if summary.unrepaired:
        raise CliError(f"could not put right {len(summary.unrepaired):,} of the differences; all others are")


def _tell(done: str, summary: Summary, seconds: float) -> None:
    for error in summary.unreadable:
        typer.echo(f"not compared: {error}")
    for difference in summary.unrepaired:
        typer.echo(f"not put right: {_line(difference)}")
    for checksums in summary.checksums:
        typer.echo(_checksum_line(checksums))
    repaired = " put right" if done == "rebuilt" and summary.differences and not summary.unrepaired else ""
    typer.echo(
        f"{done} {summary.customers:,} customers, {summary.events:,} events in {seconds:,.1f} s: "
        f"{summary.differences:,} differences{repaired}"
    )


def _checksum_line(checksums: TableChecksums) -> str:
    line = f"read.{checksums.table} at position {checksums.position}: {_rows(checksums.live)}"
    if checksums.shadow is None:
        return line
    if checksums.shadow == checksums.live:
        return f"{line}, as computed anew"
    return f"{line}; computed anew: {_rows(checksums.shadow)}"


def _rows(checksum: Checksum) -> str:
    return f"{checksum.rows:,} rows, checksum {checksum.digest}"


def _document(summary: Summary, listed: list[Difference], seconds: float) -> dict[str, Any]:
    return {
        "customers": summary.customers,
        "events": summary.events,
        "seconds": round(seconds, 3),
        "tables": [
            {
                "table": f"read.{each.table}",
                "position": each.position,
                "live": _json(each.live),
                "shadow": None if each.shadow is None else _json(each.shadow),
            }
            for each in summary.checksums
        ],
        "difference_count": summary.differences,
        "differences": [_plain(difference) for difference in listed],
        "unrepaired": [_plain(difference) for difference in summary.unrepaired],
        "unreadable": [str(error) for error in summary.unreadable],
    }


def _json(checksum: Checksum) -> dict[str, Any]:
    return {"rows": checksum.rows, "checksum": checksum.digest}


def _plain(difference: Difference) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(difference).items()}


def _line(difference: Difference) -> str:
    place = f"{difference.table} of customer {difference.customer_id} {difference.key}".rstrip()
    return f"{place}: {difference.detail}"


@contextmanager
def _watching(conninfo: str, listed: list[Difference] | None) -> Iterator[Watch]:
    """Print each difference as it is found, or list it; on a terminal, show how far it is."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    hidden = listed is not None or not console.is_terminal
    # On a terminal differences are printed above the bar; they go where they are sent when they are not.
    bar = Progress(*columns, console=console, disable=hidden, transient=True, redirect_stdout=sys.stdout.isatty())

    def found(difference: Difference) -> None:
        if listed is None:
            typer.echo(_line(difference))
        elif len(listed) < _MOST_LISTED:
            listed.append(difference)

    with bar:
        task = bar.add_task("", total=None if hidden else rebuilding.count_events(conninfo))
        yield Watch(
            found,
            lambda events: bar.advance(task, events),
            lambda what: bar.update(task, description=what),
        )


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what can stop a rebuild into one line."""
    try:
        yield
    except (AnotherRebuild, NeverFree) as error:
        raise Conflict(str(error)) from error
    except ProjectionError as error:
        raise CliError(f"{error}; nothing was switched") from error
    except LedgerError as error:
        raise CliError(str(error)) from error
    except psycopg.Error as error:
        if is_unavailable(error):
            raise Unavailable("the connection to the database was lost; run it again") from error
        raise CliError(_refused(error)) from error


def _refused(error: psycopg.Error) -> str:
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return "the login must own the read models' tables: connect as who ran `dossier migrate`"
        case psycopg.errors.UndefinedTable() | psycopg.errors.InvalidSchemaName() | psycopg.errors.UndefinedColumn():
            return "the schema is not this program's; try `dossier migrate`"
        case _:
            return f"the database refused: {error.diag.message_primary or type(error).__name__}"
