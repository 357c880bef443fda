"""`dossier staff`: who works with the service, with which roles, as of now or of any day, through the service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ServiceClient, ask, find_service
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.read import KnownAt, ValidAt
from cli.tables import TIMES, people_console, plain_time, staff_table
from settings import Settings

staff = typer.Typer(name="staff", help="Who works with the service.", no_args_is_help=True, add_completion=False)


@staff.command("list")
def list_(*, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List everybody who is recorded, as they are now."""
    members = asyncio.run(_everybody(load_settings(data=data)))
    if as_json:
        print_json({"items": members})
        return
    people_console().print(staff_table(members))


@staff.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="ID", help="As tokens name them.", show_default=False)],
    *,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show a member of staff: roles, manager, delegations and trainings, as they are or were."""
    moment = {"known_at": known_at, "valid_at": valid_at}
    params = {name: value for name, value in moment.items() if value is not None}
    member = ask(load_settings(data=data), f"/v1/staff/{quote(subject, safe='')}", params)
    if as_json:
        print_json(member)
        return
    console = people_console()
    console.print(staff_table([member]))
    for line in _lines(member):
        console.print(line, soft_wrap=True)
    basis = member["basis"]
    told = f"known at {plain_time(basis['known_at'])}, true at {plain_time(basis['valid_at'])}; {TIMES}"
    console.print(told, style="dim")


async def _everybody(settings: Settings) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = []
    params = {"limit": "500"}
    async with ServiceClient(*find_service(settings)) as client:
        while True:
            page = (await client.get("/v1/staff", params)).json()
            members += page["items"]
            if page["next_page_token"] is None:
                return members
            params["page_token"] = page["next_page_token"]


def _lines(member: Mapping[str, Any]) -> Iterator[str]:
    for each in member["delegations"]:
        scope = ", ".join(each["scope"]) or "everything"
        until = plain_time(each["effective_to"])
        yield f"{each['to']} acts in their place until {until}, in {scope}"
    for each in member["trainings"]:
        yield f"{each['training']} of {each['completed_on']}, valid until {each['valid_until']}"
