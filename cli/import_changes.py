"""`dossier import-changes`: a change log of another system becomes customer files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.client import ServiceClient, find_service
from cli.errors import CliError, UsageError
from cli.importing.change_log import BrokenLine, ChangeLog, Line
from cli.importing.commands import Command, EffectiveFrom, Translator
from cli.importing.mapping import PathMap, read_map
from cli.importing.report import Report
from cli.importing.sender import Files, Sender
from cli.options import DataOption, JsonOption, load_settings
from domain.events.lifecycle import CustomerKind
from settings import Settings

_LINES_PER_REFRESH = 500


@dataclass(frozen=True)
class Import:
    """One import as it was asked for."""

    file: Path
    files: Files
    translator: Translator
    concurrency: int


def import_changes(
    file: Annotated[Path, typer.Argument(help="The change log: one JSON object a line, perhaps gzip'd.")],
    *,
    kind: Annotated[CustomerKind, typer.Option(help="What the entities are.")] = CustomerKind.ORGANISATION,
    id_scheme: Annotated[
        str, typer.Option(help="The identifier scheme of person_id / entity_id, such as LEI or BIOGUIDE.")
    ] = "OTHER",
    map_file: Annotated[
        Path | None, typer.Option("--map", help="TOML file that says which paths fill which of our slots.")
    ] = None,
    name_path: Annotated[str | None, typer.Option(help="The path that holds the customer's legal name.")] = None,
    effective_from: Annotated[
        EffectiveFrom, typer.Option(help="Which time of a line says from when it is true, where the line states it.")
    ] = EffectiveFrom.RECORDED_AT,
    source: Annotated[
        str | None,
        typer.Option(help="What the log is called, in every part of it; default: the file's name. Makes re-runs safe."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Commands on their way at the same time.")] = 64,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and translate; print what would be sent.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Import a change log of another system. Running it again adds nothing."""
    paths = read_map(map_file) if map_file else {}
    if name_path is not None:
        paths.setdefault(name_path, "/identity/legal_name")
    if source is not None and not (source.strip() and source.isprintable() and len(source) <= 300):  # noqa: PLR2004
        raise UsageError("--source is a name of up to 300 printable characters")
    translator = Translator(source or _log_name(file), PathMap(paths), effective_from)
    order = Import(file, Files(kind, id_scheme), translator, concurrency)
    report = _dry_run(order, as_json=as_json) if dry_run else _run(order, load_settings(data=data), as_json=as_json)
    typer.echo(orjson.dumps(report.summary()).decode() if as_json else report.sentences())
    if not report.is_complete:
        raise typer.Exit(CliError.exit_code)


def _run(order: Import, settings: Settings, *, as_json: bool) -> Report:
    console = Console(stderr=True)
    report = Report(tell=lambda sentence: console.print(sentence, markup=False, highlight=False, soft_wrap=True))
    url, token, _ = find_service(settings)

    async def send(commands: Iterable[Command]) -> None:
        async with ServiceClient(url, token, connections=order.concurrency) as client:
            await Sender(client, order.files, report, concurrency=order.concurrency).send_all(commands)

    with ExitStack() as stack:
        log, size = stack.enter_context(_Opened(order.file))
        progress = stack.enter_context(_progress_bar(console, hidden=as_json or not console.is_terminal))
        lines = _readable_lines(_watched(log, size, report, progress), report)
        try:
            uvloop.run(send(order.translator.commands(lines)))
        except (CliError, KeyboardInterrupt) as error:
            report.tell(f"stopped: {report.sentences()}; the same command again goes on from here")
            if isinstance(error, KeyboardInterrupt):
                raise CliError("interrupted") from error
            raise
    return report


def _dry_run(order: Import, *, as_json: bool) -> Report:
    """Print each request as one line of JSON, or only the figures; nothing is sent."""
    report = Report(tell=lambda sentence: typer.echo(sentence, err=True))
    with _Opened(order.file) as (log, _):
        for command in order.translator.commands(_readable_lines(log, report)):
            opens = command.entity not in report.entities
            report.entities.add(command.entity)
            report.commands += 1
            report.changes += sum(not entry.is_mapped for entry in command.entries)
            for number, reason in command.untranslatable:
                report.refuse_line(number, reason)
            if as_json:
                sys.stdout.buffer.write(_request_line(order, command, opens=opens))
    sys.stdout.buffer.flush()
    report.tell("dry run: nothing was sent")
    return report


def _request_line(order: Import, command: Command, *, opens: bool) -> bytes:
    nothing: frozenset[int] = frozenset()
    files = order.files
    body = (
        command.to_registration(nothing, files.customer_kind, files.id_scheme) if opens else command.to_changes(nothing)
    )
    path = "/v1/customers" if opens else f"/v1/customers/{{{files.id_scheme}:{command.entity}}}/changes"
    request = {"path": path, "idempotency_key": command.key, "body": orjson.Fragment(body)}
    return orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE)


class _Opened:
    """A change log and its size in bytes, for as long as it is open. Raises UsageError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
            self._size = path.stat().st_size
        except OSError as error:
            raise UsageError(f"the change log cannot be read: {error}") from error

    def __enter__(self) -> tuple[ChangeLog, int]:
        return ChangeLog(self._file), self._size

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _readable_lines(log: Iterable[Line | BrokenLine], report: Report) -> Iterator[Line]:
    for line in log:
        report.lines += 1
        if isinstance(line, BrokenLine):
            report.break_line(line.number, line.reason)
        else:
            yield line


def _watched(log: ChangeLog, size: int, report: Report, progress: Progress) -> Iterator[Line | BrokenLine]:
    task = progress.add_task("importing", total=size)
    for number, line in enumerate(log):
        if number % _LINES_PER_REFRESH == 0:
            rate = f"{report.changes:,} changes, {report.changes_per_second:,.0f}/s"
            progress.update(task, completed=log.bytes_read, description=rate)
        yield line


def _progress_bar(console: Console, *, hidden: bool) -> Progress:
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=hidden, transient=True)


def _log_name(file: Path) -> str:
    """Return the file's name without the ending of a compression, which does not change what the log is."""
    return file.name.removesuffix(".gz")
