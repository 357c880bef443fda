"""`dossier policy`: which changes need a second person, and what must be stated, in each edition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from cli.client import ask
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.read import KnownAt
from cli.tables import TIMES, people_console, plain_time
from domain.policy import POLICY_NAME

policy = typer.Typer(
    name="policy", help="Which changes need a second person.", no_args_is_help=True, add_completion=False
)
_PATH = f"/v1/policies/{POLICY_NAME}"


@policy.command()
def show(*, known_at: KnownAt = None, as_json: JsonOption = False, data: DataOption = None) -> None:
    """Show the edition in force, now or as known at a time."""
    params = {} if known_at is None else {"known_at": known_at}
    found = ask(load_settings(data=data), _PATH, params)
    if as_json:
        print_json(found)
        return
    console = people_console()
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(TIMES, style="dim")


@policy.command()
def revisions(*, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List what was proposed: by whom, why, and what became of it."""
    page = ask(load_settings(data=data), f"{_PATH}/revisions", {"limit": "500"})
    if as_json:
        print_json(page)
        return
    console = people_console()
    for revision in page["items"]:
        told = f"{revision['state']:<10}{plain_time(revision['proposed_at'])} by {revision['requester']}"
        decided = f", decided by {revision['decided_by']}" if revision["decided_by"] else ""
        edition = f", edition {revision['edition']}" if revision["edition"] else ""
        console.print(f"{told}{decided}{edition}: {revision['reason']}", soft_wrap=True, markup=False, highlight=False)
    console.print(TIMES, style="dim")


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    document = found["document"]
    since = f"in force since {plain_time(found['since'])}" if found["since"] else "as the program came"
    yield f"edition {found['edition']}, {since}"
    if found["proposed_by"]:
        yield f"proposed by {found['proposed_by']}, agreed to by {found['approved_by']}"
    tier, dates, approval = document["tier"], document["effective_date"], document["approval"]
    steps = tier["protected_raise_steps"]
    yield "a second person is needed for"
    yield f"  tiers {', '.join(tier['protected'])}, and a raise by {steps} steps"
    yield f"  facts that are older than {dates['second_person_days']} days"
    yield from (f"  {entry['name']}" for entry in document["protected"])
    yield "  erasing, lifting a hold, revising the policy"
    yield f"who may be one: {', '.join(approval['roles'])}; requests wait for {approval['valid_days']} days"
    for entry in document["required"]:
        asked = [name for name in ("reason", "reason_characters", "evidence") if entry.get(name)]
        yield f"{entry['event']} asks for {', '.join(asked)}"
    for entry in document["cooling_off"]:
        yield f"{entry['event']} waits {entry['hours']} hours after {entry['after']}"
