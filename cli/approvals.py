"""`dossier approvals`: what waits for a second person on all files, through the service."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import ask
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.tables import TIMES, approvals_table, people_console
from domain.pending import RequestKind


def approvals(
    *,
    kind: Annotated[RequestKind | None, typer.Option(help="Requests of this kind only.")] = None,
    requester: Annotated[str | None, typer.Option(help="What this person asked for.")] = None,
    customer_id: Annotated[str | None, typer.Option(help="Of this customer only.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you may decide.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=500, help="How many requests.")] = None,
    page_token: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List what waits for a second person, oldest first."""
    filters = {
        "kind": kind,
        "requester": requester,
        "customer_id": customer_id,
        "can_decide": "true" if mine else None,
        "limit": limit,
        "page_token": page_token,
    }
    params = {name: str(value) for name, value in filters.items() if value is not None}
    page = ask(load_settings(data=data), "/v1/approvals", params)
    if as_json:
        print_json(page)
        return
    console = people_console()
    console.print(approvals_table(page["items"]))
    console.print(TIMES, style="dim")
    if page.get("next_page_token"):
        console.print(f"there may be more: --page-token {page['next_page_token']}", style="dim", soft_wrap=True)
