"""The verb that asks about all customers at once: a page as a table or as JSON, or all of it in a file.

What must stay true: a file under the name that was asked for is whole. Until then it stands beside it as NAME.part,
and nothing is left of it when the answer breaks off.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Final

import orjson
import typer

from cli.client import Service, ServiceClient, find_service
from cli.errors import CliError, UsageError
from cli.options import DataOption, load_settings, print_json
from cli.read import AtPosition, KnownAt, ValidAt
from cli.tables import people_console, portfolio_table, the_basis

_PATH: Final = "/v1/portfolio/query"
_CONDITION: Final = re.compile(r"(?P<path>.+?)(?P<sign>\^=|>=|<=|=|>|<)(?P<value>.*)", re.DOTALL)
_OPERATORS: Final = {"=": "eq", "^=": "prefix", ">=": "ge", "<=": "le", ">": "gt", "<": "lt"}


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


_MEDIA_TYPES: Final = {
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def portfolio(
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="A condition, repeatable: PATH=VALUE (or ^= for a beginning, < <= > >=), PATH for any value, !PATH for"
            " none. VALUE is JSON, else text; a JSON list stands for any of its values."
        ),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="What to tell, such as /tier/VALUE/code,/owner/ACCOUNT_MANAGER.")
    ] = None,
    group_by: Annotated[str | None, typer.Option(help="Count by these instead, such as /tier/VALUE/code.")] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="count, or sum:PATH, min:PATH, max:PATH; repeatable.")
    ] = None,
    sort: Annotated[str | None, typer.Option(help="A path to sort by; -PATH for the other way.")] = None,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    at_position: AtPosition = None,
    limit: Annotated[int | None, typer.Option(min=1, max=500, help="Rows of a page (table, json).")] = None,
    page_token: Annotated[str | None, typer.Option(help="Where the page before ended (table, json).")] = None,
    form: Annotated[Format, typer.Option("--format", help="The last three bring all rows.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="A file instead of standard output.")] = None,
    data: DataOption = None,
) -> None:
    """Ask about all customers: which, and what of them, as known and as true at a moment."""
    body = _given(
        where={"all": [condition(text) for text in where]} if where else None,
        columns=_listed(columns),
        group_by=_listed(group_by),
        measures=[_measure(text) for text in measure] if measure else None,
        sort={"path": sort.removeprefix("-"), "descending": sort.startswith("-")} if sort else None,
        known_at=known_at,
        valid_at=valid_at,
        at_position=at_position,
        limit=limit,
        page_token=page_token,
    )
    client = find_service(load_settings(data=data))
    if form in _MEDIA_TYPES:
        with _target(output) as file:
            asyncio.run(_download(client, body, form, file))
        return
    if output is not None:
        raise UsageError("--output is for ndjson, csv and parquet")
    page = asyncio.run(_page(client, body))
    if form is Format.JSON:
        print_json(page)
    else:
        _show(page)


def _show(page: Mapping[str, Any]) -> None:
    console = people_console()
    console.print(portfolio_table(page["items"]))
    console.print(the_basis(page["basis"]), style="dim")
    if page["next_page_token"]:
        console.print(f"there is more: --page-token {page['next_page_token']}", style="dim", soft_wrap=True)


def condition(text: str) -> dict[str, Any]:
    """A condition as the service wants it, from what people write."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        return {"path": text.removeprefix("!"), "exists": not text.startswith("!")}
    value = _value(match["value"])
    operator = "in" if match["sign"] == "=" and isinstance(value, list) else _OPERATORS[match["sign"]]
    return {"path": match["path"], operator: value}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _measure(text: str) -> dict[str, Any]:
    kind, _, path = text.partition(":")
    return {kind: path or True}


def _listed(text: str | None) -> Sequence[str] | None:
    return [part for part in text.split(",") if part] if text else None


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


async def _page(service: Service, body: Mapping[str, Any]) -> Any:
    async with ServiceClient(*service) as client:
        return (await client.post(_PATH, orjson.dumps(body), {})).json()


async def _download(service: Service, body: Mapping[str, Any], form: Format, file: IO[bytes]) -> None:
    end = b""
    async with ServiceClient(*service) as client:
        async for chunk in client.download(_PATH, orjson.dumps(body), _MEDIA_TYPES[form]):
            await asyncio.to_thread(file.write, chunk)
            end = (end + chunk)[-65_536:]
    if form is Format.NDJSON and not end.rstrip(b"\n").rpartition(b"\n")[2].startswith(b'{"summary":'):
        raise CliError("the answer broke off: its last line, which says how many rows there are, is missing")


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    """Where the rows go: a file that gets its name when all is there, or standard output."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
