"""`dossier erasures`: requests for erasure, what became of them, and the certificate of one, through the service.

Scrubbing (scrub.py) is the operator's, and works on the database itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from cli.client import ask_customer, order
from cli.errors import CliError, UsageError
from cli.options import DataOption, JsonOption, load_settings, print_json
from cli.read import CustomerArgument
from cli.scrub import scrub
from cli.tables import TIMES, erasures_table, people_console, plain_time
from domain.events.privacy import LegalBasis
from domain.masking import is_marker
from settings import Settings

erasures = typer.Typer(
    name="erasures", help="Requests for erasure, and what became of them.", no_args_is_help=True, add_completion=False
)

erasures.command()(scrub)

ReasonOption = Annotated[str, typer.Option(help="In words; it stays readable for good, so it names nobody.")]
CommentOption = Annotated[str | None, typer.Option(help="In words; it stays readable for good.")]
RequestArgument = Annotated[
    str, typer.Argument(metavar="REQUEST", help="The request's id, or its last characters.", show_default=False)
]


@erasures.command("list")
def list_(customer: CustomerArgument, *, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List a file's requests for erasure, and the holds that it is under."""
    file = ask_customer(load_settings(data=data), customer, "/erasures", {})
    if as_json:
        print_json(file)
        return
    console = people_console()
    console.print(erasures_table(file["erasures"]))
    for hold in file["holds"]:
        placed = hold["placed"]
        console.print(f"held since {plain_time(placed['at'])} by {placed['by']}: {hold['reference']}", soft_wrap=True)
    console.print(TIMES, style="dim")


@erasures.command()
def request(
    customer: CustomerArgument,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="A contact's id, or the customer's.")],
    *,
    basis: Annotated[LegalBasis, typer.Option(help="Why the data must go.")],
    reason: ReasonOption,
    data: DataOption = None,
) -> None:
    """Ask for the erasure of a person's values; another privacy officer decides."""
    body = {"subject": subject, "legal_basis": basis, "reason": {"text": reason}}
    answer = order(load_settings(data=data), customer, "/erasures", body)
    typer.echo(f"request {answer['events'][0]['data']['request_id']} waits for another privacy officer")


@erasures.command()
def approve(
    customer: CustomerArgument,
    request: RequestArgument,
    *,
    comment: CommentOption = None,
    after_hold: Annotated[
        bool, typer.Option("--after-hold", help="Approve it while the file is held, for when the hold is lifted.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Agree to a request; the values are erased at once, and for good."""
    answer = _decided(load_settings(data=data), customer, request, "approve", comment, after_hold=after_hold)
    is_done = any(event["type"] == "customer.personal-data-erased" for event in answer["events"])
    typer.echo("erased" if is_done else "approved; erased when the last hold is lifted")


@erasures.command()
def reject(
    customer: CustomerArgument, request: RequestArgument, *, comment: CommentOption = None, data: DataOption = None
) -> None:
    """Turn a request down."""
    _decided(load_settings(data=data), customer, request, "reject", comment)
    typer.echo("rejected")


@erasures.command()
def withdraw(
    customer: CustomerArgument, request: RequestArgument, *, comment: CommentOption = None, data: DataOption = None
) -> None:
    """Take a request of one's own back."""
    _decided(load_settings(data=data), customer, request, "withdraw", comment)
    typer.echo("withdrawn")


@erasures.command()
def show(
    customer: CustomerArgument, request: RequestArgument, *, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """Show one request: who asked and decided, what was erased, what remains."""
    found = _found(ask_customer(load_settings(data=data), customer, "/erasures", {}), request)
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        typer.echo(line)


@erasures.command()
def certificate(customer: CustomerArgument, request: RequestArgument, *, data: DataOption = None) -> None:
    """Print the certificate of an erasure that was carried out, for the person who asked for it.

    Ends with 1 while other processes may still hold a copy of the key.
    """
    file = ask_customer(load_settings(data=data), customer, "/erasures", {})
    found = _found(file, request)
    if found["state"] != "ERASED":
        raise CliError(f"request {found['request_id']} is {found['state']}, so nothing was erased on its account")
    if found["unreadable_since"] is None:
        raise CliError("the last copy of the key is out of use within a minute or two; come back then")
    typer.echo("Certificate of erasure\n")
    for line in [f"customer          {file['customer_id']}", *_lines(found)]:
        typer.echo(line)


def _decided(
    settings: Settings, customer: str, request: str, verb: str, comment: str | None, *, after_hold: bool = False
) -> Any:
    found = _found(ask_customer(settings, customer, "/erasures", {}), request)
    body = {"comment": comment, "after_hold": True} if after_hold else {"comment": comment}
    return order(settings, customer, f"/erasures/{found['request_id']}/{verb}", body)


def _found(file: Mapping[str, Any], request: str) -> Mapping[str, Any]:
    """The one request whose id ends so. Raises UsageError."""
    found = [each for each in file["erasures"] if each["request_id"].endswith(request.lower())]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} requests of this file have an id that ends with {request}")
    return dict(found[0])


def _lines(request: Mapping[str, Any]) -> Iterator[str]:
    steps = {"requested": request["requested"], "decided": request["decided"], "erased": request["erased"]}
    yield f"request           {request['request_id']}"
    yield f"data subject      {request['subject']}"
    yield f"legal basis       {request['legal_basis']}"
    yield f"state             {request['state']}"
    for name, step in steps.items():
        if step is not None:
            told = step.get("reason") or step.get("comment")
            words = "masked" if is_marker(told) else told
            yield f"{name:<18}{step['at']} by {step['by']}{f': {words}' if words else ''}"
    if request["erased"] is not None:
        yield f"by event          {request['erased']['event_id']} at position {request['erased']['position']}"
        yield f"unreadable since  {request['unreadable_since'] or 'not yet'}"
        yield f"scrubbed since    {request['scrubbed_since'] or 'not yet'}"
        yield from (f"fields            {slot}" for slot in request["erased"]["fields"])
        yield from (f"may remain        {each}" for each in request["residue"])
