"""The verb that compares two moments of all customers: how many came from what to what, then each of them and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import orjson
import typer

from cli.client import Service, ServiceClient, find_service
from cli.errors import UsageError
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.portfolio import condition
from cli.read import AtPosition, KnownAt, ValidAt
from cli.tables import matrix_table, movements_table, people_console, the_basis

_PATH: Final = "/v1/portfolio/diff"


class Axis(StrEnum):
    KNOWN = "known"
    VALID = "valid"


def portfolio_diff(
    from_point: Annotated[str, typer.Option("--from", help="A time, a date, or a position of the log.")],
    to_point: Annotated[str | None, typer.Option("--to", help="The same; now unless it is said.")] = None,
    *,
    where: Annotated[
        list[str] | None, typer.Option(help="Of whom: conditions as of `dossier portfolio`, repeatable.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="What to compare, such as /tier/VALUE/code.")] = None,
    axis: Annotated[Axis, typer.Option(help="known (what we knew) or valid (what was true).")] = Axis.KNOWN,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    at_position: AtPosition = None,
    limit: Annotated[int | None, typer.Option(min=1, max=500, help="Rows of a page.")] = None,
    page_token: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say who entered, left or moved between two moments, and why."""
    fixed = {"known_at": known_at, "valid_at": valid_at, "at_position": at_position}
    body = {
        "from": _point(axis, from_point, fixed),
        "to": _point(axis, to_point, fixed),
        "where": {"all": [condition(text) for text in where or []]},
        **_given({"path": path, "limit": limit, "page_token": page_token}),
    }
    answer = asyncio.run(_ask(find_service(load_settings(data=data)), body))
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _point(axis: Axis, text: str | None, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What is said on the axis, and what stays the same on the other one."""
    own = ("valid_at",) if axis is Axis.VALID else ("known_at", "at_position")
    for name in own:
        if fixed[name] is not None:
            raise UsageError(f"on the axis {axis}, --from and --to stand for --{name.replace('_', '-')}")
    if text is None or axis is Axis.VALID:
        return _given({**fixed, "valid_at": text or fixed["valid_at"]})
    said = {"at_position": int(text)} if text.isdecimal() else {"known_at": text}
    return _given({**fixed, **said})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _show(answer: Mapping[str, Any]) -> None:
    console = people_console()
    if answer["matrix"]:
        console.print(matrix_table(answer["matrix"]))
    console.print(", ".join(f"{count} {movement.lower()}" for movement, count in answer["counts"].items()))
    if answer["items"]:
        console.print(movements_table(answer["items"]))
    for name in ("from", "to"):
        console.print(f"{name}:", the_basis(answer[name]), style="dim")
    if answer["next_page_token"]:
        console.print(f"there is more: --page-token {answer['next_page_token']}", style="dim", soft_wrap=True)


async def _ask(service: Service, body: Mapping[str, Any]) -> Any:
    async with ServiceClient(*service) as client:
        return (await client.post(_PATH, orjson.dumps(body), {})).json()
