"""The verb that searches the audit trail of all customers through the service."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import ask
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.tables import TIMES, history_table, people_console


def audit(
    *,
    actor: Annotated[str | None, typer.Option(help="Events recorded by this person.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Events of this type only; * stands for any.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Events that moved this slot, or one below it.")] = None,
    old: Annotated[str | None, typer.Option(help="What a change took away, as JSON.")] = None,
    new: Annotated[str | None, typer.Option(help="What a change brought, as JSON.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at this time or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this time.")] = None,
    effective_overlaps: Annotated[str | None, typer.Option(help="Effective at some time in FROM/TO.")] = None,
    customer_id: Annotated[str | None, typer.Option(help="Events of this customer only.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=500, help="How many events.")] = None,
    page_token: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Search what happened to all customers: who changed what, when, from what, to what."""
    filters = {
        "actor": actor,
        "type": event_type,
        "path": path,
        "old": old,
        "new": new,
        "since": since,
        "until": until,
        "effective_overlaps": effective_overlaps,
        "customer_id": customer_id,
        "limit": limit,
        "page_token": page_token,
    }
    params = {name: str(value) for name, value in filters.items() if value is not None}
    page = ask(load_settings(data=data), "/v1/history", params)
    if as_json:
        print_json(page)
        return
    console = people_console()
    console.print(history_table(page["items"], with_customers=True))
    console.print(TIMES, style="dim")
    if page.get("next_page_token"):
        console.print(f"there may be more: --page-token {page['next_page_token']}", style="dim", soft_wrap=True)
