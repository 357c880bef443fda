"""Everything that records: one route per command, one for a list of changes, one for a new file.

The table is the whole interface; handlers only differ in which command they read from the body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api import bodies, openapi
from api.answers import written
from api.dependencies import actor_of, body_of, service_of, submission_of
from api.errors import Problem
from domain.decisions import Command, classification, contacts, identity, lifecycle, needs, quality, tier
from domain.errors import FieldError

router: Final = APIRouter(prefix="/v1/customers")

# path below /v1/customers/{customer_id}, command, fields that the path gives
ROUTES: Final[tuple[tuple[str, type[Command], tuple[str, ...]], ...]] = (
    ("/names", identity.ChangeLegalName, ()),
    ("/identifiers", identity.RecordIdentifier, ()),
    ("/identifiers/revoke", identity.RevokeIdentifier, ()),
    ("/addresses", contacts.ChangeAddress, ()),
    ("/contacts", contacts.AddContact, ()),
    ("/contacts/{contact_id}/details", contacts.ChangeContactDetails, ("contact_id",)),
    ("/contacts/{contact_id}/points", contacts.ChangeContactPoint, ("contact_id",)),
    ("/contacts/{contact_id}/remove", contacts.RemoveContact, ("contact_id",)),
    ("/primary-contact", contacts.ReplacePrimaryContact, ()),
    ("/needs", needs.IdentifyNeed, ()),
    ("/needs/{need_id}/revise", needs.ReviseNeed, ("need_id",)),
    ("/needs/{need_id}/close", needs.CloseNeed, ("need_id",)),
    ("/tier", tier.AssignTier, ()),
    ("/tier-requests", tier.RequestTierReassignment, ()),
    ("/tier-requests/{request_id}/approve", tier.ApproveTierReassignment, ("request_id",)),
    ("/tier-requests/{request_id}/reject", tier.RejectTierReassignment, ("request_id",)),
    ("/tier-requests/{request_id}/withdraw", tier.WithdrawTierReassignment, ("request_id",)),
    ("/owners", classification.AssignOwner, ()),
    ("/tags", classification.ApplyTag, ()),
    ("/tags/remove", classification.RemoveTag, ()),
    ("/attributes", classification.RecordAttribute, ()),
    ("/attributes/remove", classification.RemoveAttribute, ()),
    ("/archive", lifecycle.ArchiveCustomer, ()),
    ("/reinstate", lifecycle.ReinstateCustomer, ()),
    ("/corrections", quality.CorrectFact, ()),
    ("/retractions", quality.RetractFact, ()),
)


async def register_customer(request: Request) -> Response:
    """Open a file: the registration and its first facts, all or nothing."""
    actor_of(request)
    body = await body_of(request)
    service = service_of(request)
    registration: Any = bodies.parse(bodies.RegistrationBody, body)
    changes = list(bodies.registration_changes(registration, service.new_id))
    customer_id = registration.customer_id or service.new_id()
    receipt = await service.writer.submit(submission_of(request, body, customer_id, changes, new=True))
    return written(request, receipt)


async def record_changes(request: Request, customer_id: UUID) -> Response:
    """Record a list of facts as one command, all or nothing, at most 500."""
    actor_of(request)
    body = await body_of(request)
    service = service_of(request)
    changes = list(bodies.listed_changes(bodies.parse(bodies.ChangesBody, body), service.new_id))
    receipt = await service.writer.submit(submission_of(request, body, customer_id, changes))
    return written(request, receipt)


def _handler(
    command: type[Command], from_path: tuple[str, ...], model: type[BaseModel]
) -> Callable[..., Awaitable[Response]]:
    async def handle(request: Request, customer_id: UUID) -> Response:
        actor_of(request)
        body = await body_of(request)
        service = service_of(request)
        named = {name: _path_id(request, name) for name in from_path}
        change = bodies.single_change(command, bodies.parse(model, body), service.new_id, **named)
        receipt = await service.writer.submit(submission_of(request, body, customer_id, [change]))
        return written(request, receipt)

    return handle


def _path_id(request: Request, name: str) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError as error:
        raise Problem(
            "invalid-parameter", 422, "A parameter is not valid", "see errors", FieldError(name, "must be a UUID")
        ) from error


def _add_routes() -> None:
    router.add_api_route(
        "",
        register_customer,
        methods=["POST"],
        status_code=201,
        openapi_extra=openapi.write(bodies.RegistrationBody, precondition=False),
    )
    router.add_api_route(
        "/{customer_id}/changes",
        record_changes,
        methods=["POST"],
        openapi_extra=openapi.write(bodies.ChangesBody),
    )
    for path, command, from_path in ROUTES:
        model = bodies.command_body(command, *from_path)
        router.add_api_route(
            "/{customer_id}" + path,
            _handler(command, from_path, model),
            methods=["POST"],
            name=command.__name__,
            summary=openapi.words(command.__name__),
            description=command.__doc__ or f"Records `{command.records.type}`.",
            openapi_extra=openapi.write(model, path_ids=from_path),
        )


_add_routes()
