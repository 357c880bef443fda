"""Everything that records: one route per command, one for a list of changes, one for a new file.

The table is the whole interface; handlers only differ in which command they read from the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api import bodies, openapi
from api.answers import recorded
from api.dependencies import received, service_of, submission_of
from api.direct_route import DirectRoute, path_id, requires
from api.masks import mask_of
from api.rehearsals import require_rehearsable
from domain.access import Action
from domain.decisions import (
    Command,
    classification,
    contacts,
    identity,
    lifecycle,
    needs,
    privacy,
    proposals,
    quality,
    tier,
)
from domain.errors import IdentifierAlreadyClaimed, Refusal
from ledger.records import Receipt, Submission
from projections.errors import FoldOutdated

router: Final = APIRouter(
    prefix="/v1/customers", route_class=DirectRoute, tags=["writing"], generate_unique_id_function=openapi.operation_id
)

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
    ("/proposals/{proposal_id}/approve", proposals.ApproveProposal, ("proposal_id",)),
    ("/proposals/{proposal_id}/reject", proposals.RejectProposal, ("proposal_id",)),
    ("/proposals/{proposal_id}/withdraw", proposals.WithdrawProposal, ("proposal_id",)),
    ("/archive", lifecycle.ArchiveCustomer, ()),
    ("/reinstate", lifecycle.ReinstateCustomer, ()),
    ("/corrections", quality.CorrectFact, ()),
    ("/retractions", quality.RetractFact, ()),
    ("/verifications", quality.VerifyField, ()),
    ("/erasures", privacy.RequestErasure, ()),
    ("/erasures/{request_id}/approve", privacy.ApproveErasure, ("request_id",)),
    ("/erasures/{request_id}/reject", privacy.RejectErasure, ("request_id",)),
    ("/erasures/{request_id}/withdraw", privacy.WithdrawErasure, ("request_id",)),
    ("/holds", privacy.PlaceLegalHold, ()),
    ("/holds/{hold_id}/lift", privacy.LiftLegalHold, ("hold_id",)),
)


@requires(Action.REGISTER)
async def register_customer(request: Request) -> Response:
    """Open a file: the registration and its first facts, all or nothing."""
    service = service_of(request)
    async with received(request) as body:
        registration: Any = bodies.parse(bodies.RegistrationBody, body)
        changes = list(bodies.registration_changes(registration, service.new_id))
        customer_id = registration.customer_id or service.new_id()
        try:
            receipt = await _submitted(request, submission_of(request, body, customer_id, changes, new=True))
        except Refusal as refusal:
            raise bodies.in_registration(refusal) from refusal
    return await recorded(request, receipt)


@requires(Action.WRITE_FACTS)
async def record_changes(request: Request, customer_id: UUID) -> Response:
    """Record a list of facts as one command, all or nothing, at most 500."""
    service = service_of(request)
    async with received(request) as body:
        changes = list(bodies.listed_changes(bodies.parse(bodies.ChangesBody, body), service.new_id))
        receipt = await _submitted(request, submission_of(request, body, customer_id, changes))
    return await recorded(request, receipt)


async def _submitted(request: Request, submission: Submission) -> Receipt:
    """What came of an order. Raises what the writer raises, without what the caller may not know."""
    if submission.dry_run:
        await require_rehearsable(request, submission)
    try:
        return await service_of(request).writer.submit(submission)
    except IdentifierAlreadyClaimed as refusal:
        mask = await mask_of(request)
        if mask is not None and mask.level(refusal.slot) is not None:
            refusal.holder = None
        raise


def _handler(
    command: type[Command], from_path: tuple[str, ...], model: type[BaseModel]
) -> Callable[..., Awaitable[Response]]:
    @requires(command.action)
    async def handle(request: Request, customer_id: UUID) -> Response:
        service = service_of(request)
        async with received(request) as body:
            named = {name: path_id(request, name) for name in from_path}
            change = bodies.single_change(command, bodies.parse(model, body), service.new_id, **named)
            submission = submission_of(request, body, customer_id, [change])
            if isinstance(change.command, proposals.ApproveProposal):
                proposed = await _proposed_identifiers(request, customer_id, change.command.proposal_id)
                submission = replace(submission, identifiers=submission.identifiers | proposed)
            receipt = await _submitted(request, submission)
        return await recorded(request, receipt)

    return handle


@requires(Action.PROPOSE)
async def propose_changes(request: Request, customer_id: UUID) -> Response:
    """Propose a list of changes, all or nothing, at most 50, for a second person to agree to."""
    service = service_of(request)
    async with received(request) as body:
        change = bodies.proposal(bodies.parse(bodies.ProposalBody, body), service.new_id)
        receipt = await _submitted(request, submission_of(request, body, customer_id, [change]))
    return await recorded(request, receipt)


async def _proposed_identifiers(request: Request, customer_id: UUID, proposal_id: UUID) -> frozenset[tuple[str, str]]:
    """The identifiers that a proposal names, so that whoever decides knows who holds them; it never changes."""
    service = service_of(request)
    found = await service.current_rows.get(customer_id)
    if found is None:
        return frozenset()
    try:
        file = found[0].file(customer_id)
    except FoldOutdated:
        file = await asyncio.to_thread(service.fold, customer_id)
    proposal = file.proposals.get(proposal_id)
    return frozenset() if proposal is None else proposals.identifiers_in(proposal.content.changes)


def _add_routes() -> None:
    router.add_api_route(
        "",
        register_customer,
        methods=["POST"],
        status_code=201,
        openapi_extra=openapi.write(bodies.RegistrationBody, opens_file=True),
    )
    router.add_api_route(
        "/{customer_id}/changes",
        record_changes,
        methods=["POST"],
        openapi_extra=openapi.write(bodies.ChangesBody),
    )
    router.add_api_route(
        "/{customer_id}/proposals",
        propose_changes,
        methods=["POST"],
        openapi_extra=openapi.write(bodies.ProposalBody),
    )
    for path, command, from_path in ROUTES:
        model = bodies.command_body(command, *from_path)
        router.add_api_route(
            "/{customer_id}" + path,
            _handler(command, from_path, model),
            methods=["POST"],
            name=openapi.words(command.__name__).lower().replace(" ", "_"),
            summary=openapi.words(command.__name__),
            description=command.__doc__ or f"Records `{command.records.type}`.",
            openapi_extra=openapi.write(model, path_ids=from_path),
        )


_add_routes()
