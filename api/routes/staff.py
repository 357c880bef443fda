"""Members of staff: who they are and were, and what administrators record of them.

What an administrator is told has happened counts in this process at once, and in all others within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, create_model

from api import bodies, openapi
from api.accounts import account_of
from api.answers import json_response
from api.dependencies import actor_of, digest_of, idempotency_key, received, service_of
from api.direct_route import DirectRoute, path_id, requires
from api.pages import limit_of, page_response, place_of
from api.parameters import instant
from api.schemas.governance import StaffHistoryPage, StaffMember, StaffPage, StaffRecorded
from domain.access import Action
from domain.decisions import staff as decisions
from domain.decisions.staff import StaffCommand
from domain.errors import StaffUnknown
from domain.events import RecordedEvent
from domain.staff import StaffFile
from ledger.staff_records import StaffOrder, StaffReceipt, stream_of

router: Final = APIRouter(
    prefix="/v1/staff", route_class=DirectRoute, tags=["staff"], generate_unique_id_function=openapi.operation_id
)

# path below /v1/staff/{subject}, command, the id that the path gives
ROUTES: Final[tuple[tuple[str, type[StaffCommand], str | None], ...]] = (
    ("/roles", decisions.AssignRoles, None),
    ("/manager", decisions.AssignManager, None),
    ("/delegations", decisions.Delegate, None),
    ("/delegations/{delegation_id}/end", decisions.EndDelegation, "delegation_id"),
    ("/training", decisions.RecordTraining, None),
    ("/deactivate", decisions.Deactivate, None),
    ("/reactivate", decisions.Reactivate, None),
)


@router.get("", openapi_extra=openapi.read(StaffPage, "limit", "page_token"))
@requires(Action.READ_STAFF)
async def list_staff(request: Request) -> Response:
    """Everybody who is recorded, as they are now, by their ids."""
    limit, place = limit_of(request), place_of(request, str)
    members = service_of(request).staff.members()
    items = [asdict(member) for member in members if place is None or member.subject > place.key]
    return page_response(request, items[:limit], limit, 0, "subject")


@router.get("/{subject}", openapi_extra=openapi.read(StaffMember, "known_at", "valid_at"))
@requires(Action.READ_STAFF)
async def show_member(request: Request, subject: str) -> Response:
    """A member of staff: roles, manager, delegations and trainings as true at one moment, as known at another."""
    query = request.query_params
    events = await _events(request, subject)
    known_at = instant("known_at", query["known_at"]) if "known_at" in query else _now(events)
    valid_at = instant("valid_at", query["valid_at"]) if "valid_at" in query else known_at
    file = StaffFile.of(event for event in events if event.envelope.recorded_at <= known_at)
    member = file.at(valid_at)
    if member is None:
        raise _unknown(subject)
    basis = {"known_at": known_at, "valid_at": valid_at, "version": file.version}
    return json_response({**asdict(member), "basis": basis})


@router.get("/{subject}/history", openapi_extra=openapi.read(StaffHistoryPage, "limit", "page_token"))
@requires(Action.READ_STAFF)
async def show_staff_history(request: Request, subject: str) -> Response:
    """What was recorded of a member of staff: by whom, when and why."""
    limit, place = limit_of(request), place_of(request, int)
    events = await _events(request, subject)
    after = 0 if place is None else place.key
    items = [_told(event) for event in events if event.envelope.version > after]
    return page_response(request, items[:limit], limit, 0, "version")


async def _events(request: Request, subject: str) -> list[RecordedEvent]:
    """Raises StaffUnknown."""
    events = await asyncio.to_thread(service_of(request).staff_records.events, subject)
    if not events:
        raise _unknown(subject)
    return events


def _now(events: list[RecordedEvent]) -> datetime:
    return max(datetime.now(UTC), events[-1].envelope.recorded_at)


def _unknown(subject: str) -> StaffUnknown:
    return StaffUnknown(f"nobody is recorded as {subject}")


def _told(event: RecordedEvent) -> dict[str, Any]:
    envelope, payload = event.envelope, event.payload
    return {
        "event_id": envelope.event_id,
        "type": payload.type,
        "version": envelope.version,
        "recorded_at": envelope.recorded_at,
        "actor": envelope.actor.model_dump(mode="json"),
        "reason": None if envelope.reason is None else envelope.reason.model_dump(mode="json"),
        "data": payload.model_dump(mode="json"),
    }


# Writing


@requires(Action.MANAGE_STAFF)
async def record_member(request: Request) -> Response:
    """Record a member of staff, or what has changed of them."""
    async with received(request) as body:
        command: Any = bodies.parse(decisions.RecordMember, body)
        return await _record(request, body, command.subject, command)


async def _record(request: Request, body: bytes, subject: str, command: StaffCommand) -> Response:
    service, account = service_of(request), account_of(request.scope)
    order = StaffOrder(
        subject,
        command,
        actor_of(request),
        idempotency_key(request),
        digest_of(request, body),
        request_id=None if account is None else account.stated_id,
        trace_id=None if account is None else account.stated_trace_id,
    )
    receipt = await asyncio.to_thread(service.staff_records.record, order, service.staff.member)
    service.staff.learn(stream_of(subject), receipt.file)
    return _recorded(subject, receipt)


def _recorded(subject: str, receipt: StaffReceipt) -> Response:
    content = {"subject": subject, "stream": receipt.event.envelope.customer_id, **_told(receipt.event)}
    headers = {"Idempotent-Replayed": "true"} if receipt.replayed else {}
    is_new = receipt.event.envelope.version == 1
    return json_response(content, 201 if is_new else 200, headers)


def body_of(command: type[StaffCommand], from_path: str | None) -> type[BaseModel]:
    """The body of a command's route: its fields but the one in the path."""
    fields: Any = {
        name: (field.rebuild_annotation(), ... if field.is_required() else field.default)
        for name, field in command.model_fields.items()
        if name != from_path
    }
    return create_model(f"{command.__name__}Body", __config__=command.model_config, **fields)


def _handler(
    command: type[StaffCommand], from_path: str | None, model: type[BaseModel]
) -> Callable[..., Awaitable[Response]]:
    @requires(Action.MANAGE_STAFF)
    async def handle(request: Request, subject: str) -> Response:
        async with received(request) as body:
            stated: Any = bodies.parse(model, body)
            named: dict[str, UUID] = {} if from_path is None else {from_path: path_id(request, from_path)}
            content = {name: getattr(stated, name) for name in stated.model_fields_set} | named
            return await _record(request, body, subject, command.model_validate(content))

    return handle


def _add_routes() -> None:
    router.add_api_route(
        "",
        record_member,
        methods=["POST"],
        tags=["writing"],
        status_code=201,
        openapi_extra=openapi.write_staff(decisions.RecordMember, StaffRecorded, opens_file=True),
    )
    for path, command, from_path in ROUTES:
        model = body_of(command, from_path)
        router.add_api_route(
            "/{subject}" + path,
            _handler(command, from_path, model),
            methods=["POST"],
            tags=["writing"],
            name=openapi.words(command.__name__).lower().replace(" ", "_"),
            summary=openapi.words(command.__name__),
            description=command.__doc__,
            openapi_extra=openapi.write_staff(model, StaffRecorded, *([from_path] if from_path else [])),
        )


_add_routes()
