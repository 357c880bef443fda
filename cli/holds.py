"""`dossier holds`: keep a file from being erased, and let it go again, through the service.

Which holds a file is under, `dossier erasures list` tells.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import ask_customer, order
from cli.erasures import ReasonOption
from cli.errors import UsageError
from cli.options import DataOption, load_settings
from cli.read import CustomerArgument
from domain.events.privacy import HoldBasis

holds = typer.Typer(name="holds", help="Keep files from being erased.", no_args_is_help=True, add_completion=False)


@holds.command()
def place(
    customer: CustomerArgument,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The case outside, such as a file number.")],
    *,
    reason: ReasonOption,
    basis: Annotated[HoldBasis, typer.Option(help="What for.")] = HoldBasis.LEGAL_HOLD,
    data: DataOption = None,
) -> None:
    """Hold a file: from here on nothing of it is erased."""
    body = {"reference": reference, "basis": basis, "reason": {"text": reason}}
    answer = order(load_settings(data=data), customer, "/holds", body)
    typer.echo(f"hold {answer['events'][0]['data']['hold_id']} is placed")


@holds.command()
def lift(
    customer: CustomerArgument,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id, the last characters of it, or its reference.")],
    *,
    reason: ReasonOption,
    data: DataOption = None,
) -> None:
    """Lift a hold that somebody else has placed; with the last one, what was approved meanwhile is erased."""
    settings = load_settings(data=data)
    found = _found(ask_customer(settings, customer, "/erasures", {})["holds"], hold)
    answer = order(settings, customer, f"/holds/{found['hold_id']}/lift", {"reason": {"text": reason}})
    erased = sum(event["type"] == "customer.personal-data-erased" for event in answer["events"])
    typer.echo(f"lifted; {erased} erasures were carried out" if erased else "lifted")


def _found(held: list[dict[str, Any]], hold: str) -> dict[str, Any]:
    """The one hold that is meant. Raises UsageError."""
    found = [each for each in held if each["hold_id"].endswith(hold.lower()) or each["reference"] == hold]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} holds of this file are called {hold}")
    return found[0]
