"""Verbs that read one customer's file through the service: tables for people, the service's JSON for programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import ask_customer
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.tables import TIMES, blame_table, diff_table, history_table, people_console, profile_table, the_basis

CustomerArgument = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="An id, or an identifier as SCHEME:VALUE.", show_default=False)
]
KnownAt = Annotated[str | None, typer.Option(help="As known at this time (RFC 3339).")]
ValidAt = Annotated[str | None, typer.Option(help="As true at this date or time.")]
AtPosition = Annotated[int | None, typer.Option(min=0, help="As known at this position of the log.")]


def show(
    customer: CustomerArgument,
    *,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    at_position: AtPosition = None,
    fields: Annotated[str | None, typer.Option(help="Parts of the file, such as /tier,/owner.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show a customer's file: as it is, or as it was."""
    params = _given(known_at=known_at, valid_at=valid_at, at_position=at_position, fields=fields)
    file = ask_customer(load_settings(data=data), customer, "", params)
    if as_json:
        print_json(file)
        return
    console = people_console()
    console.print(profile_table(file))
    console.print(the_basis(file.get("basis", {})), style="dim")


def history(
    customer: CustomerArgument,
    *,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Events of this type only; * stands for any.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Events that moved this slot, or one below it.")] = None,
    actor: Annotated[str | None, typer.Option(help="Events recorded by this person.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at this time or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this time.")] = None,
    order: Annotated[str | None, typer.Option(help="asc or desc.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=500, help="How many events.")] = None,
    page_token: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List what happened to a file: who changed what, when and why."""
    params = _given(
        type=event_type,
        path=path,
        actor=actor,
        since=since,
        until=until,
        order=order,
        limit=limit,
        page_token=page_token,
    )
    page = ask_customer(load_settings(data=data), customer, "/history", params)
    if as_json:
        print_json(page)
        return
    console = people_console()
    console.print(history_table(page["items"]))
    console.print(TIMES, style="dim")
    if page.get("next_page_token"):
        console.print(f"there is more: --page-token {page['next_page_token']}", style="dim", soft_wrap=True)


def blame(
    customer: CustomerArgument,
    *,
    path: Annotated[str | None, typer.Option(help="A slot, or the beginning of several, such as /tier.")] = None,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    at_position: AtPosition = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say of each field who set it, when, why and on what evidence."""
    params = _given(path=path, known_at=known_at, valid_at=valid_at, at_position=at_position)
    page = ask_customer(load_settings(data=data), customer, "/blame", params)
    if as_json:
        print_json(page)
        return
    console = people_console()
    console.print(blame_table(page["items"]))
    console.print(the_basis(page.get("basis", {})), style="dim")


def diff(
    customer: CustomerArgument,
    from_point: Annotated[str, typer.Option("--from", help="A time, a date, or a position of the log.")],
    to_point: Annotated[str, typer.Option("--to", help="The same.")],
    *,
    axis: Annotated[str | None, typer.Option(help="known (what we knew) or valid (what was true).")] = None,
    known_at: KnownAt = None,
    valid_at: ValidAt = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Compare two moments of a file; each difference with the events that caused it."""
    points = {"from": from_point, "to": to_point}
    params = points | _given(axis=axis, known_at=known_at, valid_at=valid_at)
    answer = ask_customer(load_settings(data=data), customer, "/diff", params)
    if as_json:
        print_json(answer)
        return
    people_console().print(diff_table(answer["changes"]))


def _given(**params: Any) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if value is not None}
