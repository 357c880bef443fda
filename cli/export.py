"""`dossier export`: what is stored, as files for other engines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.errors import CliError, UsageError
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings
from cli.stored import reading_stored, require_database
from projections.errors import FolderTaken
from projections.export import Manifest, count_rows, export_facts

export = typer.Typer(name="export", help="What is stored, as files.", no_args_is_help=True, add_completion=False)


@export.callback()
def _group() -> None:
    """Keep `facts` a verb of its own: a group of one would be that one."""


@export.command()
def facts(
    *,
    parquet: Annotated[Path, typer.Option("--parquet", help="The folder to write, new or empty.")],
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Write what every slot of every customer has been, over both times, as Parquet; a service may be at work."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    begun = time.monotonic()
    with (
        database(settings) as conninfo,
        reading_stored(conninfo) as connection,
        _told_plainly(parquet),
        _progress(connection) as advance,
    ):
        manifest = export_facts(connection, parquet, advance=advance)
    typer.echo(_summary(manifest, time.monotonic() - begun))


def _summary(manifest: Manifest, seconds: float) -> str:
    rows = manifest.document()["rows"]
    size = sum(part.bytes for part in (*manifest.facts, *manifest.log))
    return (
        f"exported {rows['facts']:,} facts as of position {manifest.extent.position:,}: "
        f"{len(manifest.facts) + len(manifest.log)} files, {size / 1e6:,.1f} MB, in {seconds:,.1f} s"
    )


@contextmanager
def _told_plainly(folder: Path) -> Iterator[None]:
    """Turn what can be wrong with the folder into one line."""
    try:
        yield
    except FolderTaken as error:
        raise UsageError(f"--parquet: {error}") from error
    except OSError as error:
        raise CliError(f"the folder {folder} cannot be written: {error.strerror or error}") from error


@contextmanager
def _progress(connection: Connection[Any]) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; what moves it on."""
    console = Console(stderr=True)
    columns = (TextColumn("exporting"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, disable=hidden, transient=True) as progress:
        task = progress.add_task("", total=None if hidden else count_rows(connection))
        yield lambda number: progress.advance(task, number)
