"""The policy: its editions, now and as known at any moment, and the revisions that administrators agree on.

What an administrator is told is in force counts in this process at once, and in all others within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import bodies, openapi
from api.accounts import account_of
from api.answers import json_response
from api.dependencies import actor_of, caller_of, digest_of, idempotency_key, principal_of, received, service_of
from api.direct_route import DirectRoute, path_id, requires
from api.errors import Problem
from api.pages import limit_of, page_response, place_of
from api.parameters import instant, invalid_parameter
from api.schemas.governance import PolicyEdition, PolicyRecorded, PolicyRevisionPage
from domain.access import Action, Role
from domain.decisions.policies import (
    AnswerRevision,
    ApproveRevision,
    PolicyCommand,
    ProposeRevision,
    RejectRevision,
    WithdrawRevision,
)
from domain.events import RecordedEvent
from domain.policy import POLICY_NAME
from domain.policy_file import PolicyFile, Revision, RevisionState
from domain.second_person import Asker, objections
from domain.values import Text, Value
from ledger.policy_records import PolicyOrder

router: Final = APIRouter(
    prefix="/v1/policies/{name}",
    route_class=DirectRoute,
    generate_unique_id_function=openapi.operation_id,
)
ANSWERS: Final[dict[str, type[AnswerRevision]]] = {
    "approve": ApproveRevision,
    "reject": RejectRevision,
    "withdraw": WithdrawRevision,
}


class RevisionAnswer(Value):
    """What is said to a proposed revision."""

    comment: Text | None = None


@router.get("", tags=["reading"], openapi_extra=openapi.read(PolicyEdition, "known_at", path_names=("name",)))
@requires(Action.READ_POLICY)
async def read_policy(request: Request, name: str) -> Response:
    """The edition in force, now or as known at a moment, with who proposed it and who agreed."""
    events = await _events(request, name)
    stated = request.query_params.get("known_at")
    now = max(datetime.now(UTC), events[-1].envelope.recorded_at) if events else datetime.now(UTC)
    known_at = now if stated is None else instant("known_at", stated)
    if known_at > now:
        raise invalid_parameter("known_at", "lies in the future; nothing can be known yet")
    file = PolicyFile.of(events, known_at)
    return json_response({"name": name, **_edition(file), "basis": {"known_at": known_at, "version": file.version}})


@router.get(
    "/revisions",
    tags=["reading"],
    openapi_extra=openapi.read(PolicyRevisionPage, "limit", "page_token", path_names=("name",)),
)
@requires(Action.READ_POLICY)
async def list_policy_revisions(request: Request, name: str) -> Response:
    """Every revision that was proposed, oldest first: by whom, why, and what became of it."""
    limit, place = limit_of(request), place_of(request, int)
    after = 0 if place is None else place.key
    revisions = list(PolicyFile.of(await _events(request, name)).revisions.values())
    items = [_revision(request, number, revision) for number, revision in enumerate(revisions, start=1)]
    return page_response(request, items[after : after + limit], limit, 0, "number")


@requires(Action.MANAGE_POLICY)
async def propose_policy_revision(request: Request, name: str) -> Response:
    """Propose the next edition: the whole document, for another administrator to agree to."""
    _require_known(name)
    async with received(request) as body:
        command: Any = bodies.parse(ProposeRevision, body)
        return await _record(request, name, body, command)


def _answering(command: type[AnswerRevision]) -> Callable[..., Awaitable[Response]]:
    @requires(Action.MANAGE_POLICY)
    async def answer(request: Request, name: str) -> Response:
        _require_known(name)
        async with received(request) as body:
            said: Any = bodies.parse(RevisionAnswer, body)
            revision_id = path_id(request, "revision_id")
            return await _record(request, name, body, command(revision_id=revision_id, comment=said.comment))

    return answer


async def _record(request: Request, name: str, body: bytes, command: PolicyCommand) -> Response:
    service, account = service_of(request), account_of(request.scope)
    order = PolicyOrder(
        command,
        actor_of(request),
        idempotency_key(request),
        digest_of(request, body),
        request_id=None if account is None else account.stated_id,
        trace_id=None if account is None else account.stated_trace_id,
        deputy_of=caller_of(request).deputy_of,
    )
    receipt = await asyncio.to_thread(service.policy_records.record, order)
    service.policy.learn(receipt.file)
    content = {
        "name": name,
        "edition": receipt.file.number,
        "version": receipt.events[-1].envelope.version,
        "events": list(map(_event, receipt.events)),
    }
    return json_response(content, headers={"Idempotent-Replayed": "true"} if receipt.replayed else {})


def _add_routes() -> None:
    router.add_api_route(
        "/revisions",
        propose_policy_revision,
        methods=["POST"],
        tags=["writing"],
        openapi_extra=openapi.write_policy(ProposeRevision, PolicyRecorded),
    )
    for verb, command in ANSWERS.items():
        router.add_api_route(
            f"/revisions/{{revision_id}}/{verb}",
            _answering(command),
            methods=["POST"],
            tags=["writing"],
            name=f"{verb}_policy_revision",
            summary=openapi.words(command.__name__),
            description=command.__doc__ or "",
            openapi_extra=openapi.write_policy(RevisionAnswer, PolicyRecorded, "revision_id"),
        )


async def _events(request: Request, name: str) -> list[RecordedEvent]:
    _require_known(name)
    return await asyncio.to_thread(service_of(request).policy_records.events)


def _require_known(name: str) -> None:
    if name != POLICY_NAME:
        raise Problem("policy-unknown", 404, "No such policy", f"there is one policy, {POLICY_NAME}")


def _edition(file: PolicyFile) -> dict[str, Any]:
    said: dict[str, Any] = {"edition": file.number, "document": file.document}
    if not file.editions:
        return {**said, "since": None, "revision_id": None, "proposed_by": None, "approved_by": None}
    edition = file.editions[-1]
    return {
        **said,
        "since": edition.since,
        "revision_id": edition.revision_id,
        "proposed_by": edition.proposer,
        "approved_by": edition.approver,
    }


def _revision(request: Request, number: int, revision: Revision) -> dict[str, Any]:
    caller, asker = caller_of(request), Asker(revision.requester, revision.requester_for)
    objected = objections(caller.actor, asker, (Role.ADMINISTRATOR,), deputy_of=caller.deputy_of)
    can_decide = (
        Action.MANAGE_POLICY in principal_of(request).granted
        and revision.state is RevisionState.OPEN
        and revision.expires_at > datetime.now(UTC)
        and not objected
    )
    return {"number": number, **asdict(revision), "can_decide": can_decide}


def _event(event: RecordedEvent) -> dict[str, Any]:
    envelope, payload = event.envelope, event.payload
    return {
        "event_id": envelope.event_id,
        "type": payload.type,
        "version": envelope.version,
        "recorded_at": envelope.recorded_at,
        "data": payload.model_dump(mode="json"),
    }


_add_routes()
