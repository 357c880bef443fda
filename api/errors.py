"""Every error that leaves the service: one table from classes to problem types (RFC 9457) and statuses.

A problem's `type` is `urn:dossier:problem:<slug>`; `invariant` is the rule's id where a rule was broken; `errors`
point at the fields, as JSON Pointers into the body or as the names of headers and query parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.accounts import account_of
from api.encoding import to_json
from domain import errors as domain
from domain.decisions.proposals import PROPOSABLE
from domain.errors import FieldError, Refusal
from domain.slots import pointer
from ledger import errors as ledger
from ledger import evidence_errors as evidence
from ledger import log_errors as log
from projections import errors as projections

_LOG: Final = structlog.get_logger("api")
MEDIA_TYPE: Final = "application/problem+json"

# class: (slug, status, title)
TABLE: Final[dict[type[Exception], tuple[str, int, str]]] = {
    domain.InvalidField: ("invalid-body", 422, "A field is not valid"),
    domain.UnknownItem: ("unknown-item", 404, "No such item on this file"),
    domain.CustomerUnknown: ("customer-unknown", 404, "No such customer"),
    domain.StaffUnknown: ("staff-unknown", 404, "No such member of staff"),
    domain.AlreadyRegistered: ("already-registered", 409, "The customer id is taken"),
    domain.CustomerArchived: ("customer-archived", 409, "The file is archived"),
    domain.VersionConflict: ("version-conflict", 412, "The file has moved on"),
    domain.IdentifierAlreadyClaimed: ("identifier-already-claimed", 409, "Another file holds the identifier"),
    domain.ReasonRequired: ("reason-required", 422, "A reason is required"),
    domain.EvidenceRequired: ("evidence-required", 422, "Evidence is required"),
    domain.FourEyesViolation: ("four-eyes-violation", 403, "Second person required"),
    domain.OwnStaffRecord: ("four-eyes-violation", 403, "Second person required"),
    domain.RequestStale: ("request-stale", 409, "The request no longer fits the file"),
    domain.PrimaryContactRequired: ("primary-contact-required", 409, "A primary contact is required"),
    domain.PersonalContactNeedsConsent: ("personal-contact-needs-consent", 422, "Consent is required"),
    domain.ObservedAtRequired: ("observed-at-required", 422, "observed_at is required"),
    domain.EffectiveDateOutOfRange: ("effective-date-out-of-range", 422, "The effective date is out of range"),
    domain.EffectivePeriodInvalid: ("effective-period-invalid", 422, "The effective period is not valid"),
    domain.NoChange: ("no-change", 422, "Nothing would change"),
    domain.NotCorrectable: ("not-correctable", 409, "This event cannot be corrected"),
    domain.ValueNotHeld: ("value-not-held", 409, "Another event holds the slot"),
    domain.StillCoolingOff: ("cooling-off", 409, "Another change is too recent"),
    domain.CauseAnalysisRequired: ("cause-analysis-required", 422, "A cause analysis is required"),
    domain.SubjectErased: ("subject-erased", 410, "The data subject was erased"),
    domain.SubjectNotErasable: ("subject-not-erasable", 422, "That is no data subject of this file"),
    domain.UnderLegalHold: ("under-legal-hold", 409, "The file is under legal hold"),
    domain.IdempotencyKeyReuse: ("idempotency-key-reuse", 422, "The idempotency key belongs to another request"),
    domain.UnknownCode: ("unknown-code", 422, "Unknown code"),
    domain.RoleRequired: ("role-required", 403, "A role is missing"),
    ledger.SubjectErased: ("subject-erased", 410, "The data subject was erased"),
    ledger.EntryTooLong: ("event-too-long", 422, "The event is too long"),
    ledger.ContentNotStorable: ("invalid-body", 422, "A value cannot be stored exactly"),
    ledger.Unavailable: ("database-unavailable", 503, "The database does not answer"),
    ledger.KekUnreachable: ("keys-unavailable", 503, "The key management service does not answer"),
    ledger.KekUnknown: ("keys-unavailable", 503, "A key is not at hand"),
    ledger.KekSuperseded: ("keys-unavailable", 503, "A key is not at hand"),
    ledger.StorageExhausted: ("storage-exhausted", 503, "The database has no space left"),
    ledger.Overloaded: ("overloaded", 503, "Too many orders are waiting"),
    TooManyRequests: ("overloaded", 503, "Too many reads are waiting"),
    log.MalformedTile: ("malformed-tile", 422, "No tile has such a path"),
    log.NotSigned: ("not-signed", 404, "The log was not signed there"),
    log.TileNotSigned: ("tile-not-signed", 404, "The log was not signed that far"),
    evidence.NothingSigned: ("not-signed", 404, "The log was not signed there"),
    evidence.VersionUnknown: ("event-unknown", 404, "The file has no such version"),
    evidence.CheckpointAhead: ("checkpoint-ahead", 409, "The checkpoint covers more than is signed here"),
    evidence.NotSealedYet: ("not-sealed", 503, "No signed checkpoint covers the event yet"),
    evidence.HistoryForked: ("history-forked", 409, "The log does not begin as the checkpoint says"),
    projections.PositionNotSealed: ("position-unknown", 404, "That position is not sealed"),
    projections.ReadModelsBehind: ("not-caught-up", 503, "The read model has not got there yet"),
    projections.EventUnknown: ("event-unknown", 404, "The file has no such version"),
    OperationalError: ("database-unavailable", 503, "The database does not answer"),
    InterfaceError: ("database-unavailable", 503, "The database does not answer"),
    PoolTimeout: ("database-unavailable", 503, "The database does not answer"),
}

RETRY_AFTER_SECONDS: Final = "1"
MOST_FIELDS: Final = 100
"""A body of many thousand mistakes gets the first ones listed."""


class Problem(Exception):
    """A problem of HTTP itself (credentials, preconditions, the shape of a request).

    `headers` are added to its answer.
    """

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, slug: str, status: int, title: str, detail: str, *fields: FieldError, **extra: Any) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status = status
        self.title = title
        self.detail = detail
        self.fields = fields
        self.extra = extra


def invalid_body(errors: Iterable[ErrorDetails]) -> Problem:
    """The problem for a body that breaks its model; a rule's id comes from the error's type."""
    listed = list(errors)
    fields = [FieldError(_pointer(error["loc"]), _message(error)) for error in listed]
    rules = {error["type"] for error in listed if error["type"].startswith("I") and error["type"][1:].isdigit()}
    extra = {"invariant": min(rules)} if rules else {}
    return Problem("invalid-body", 422, "A field is not valid", "the body does not fit its model", *fields, **extra)


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem.

    The handlers are async although they wait for nothing: others are called in threads, of which there are few, and
    there the errors of a crowd, with all that they hold, would wait for their turns.
    """
    for error_class in TABLE:
        app.add_exception_handler(error_class, _known)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def response_to(request: Request, error: Exception) -> Response:
    """The answer to an error that a handler raised, as the application would give it."""
    answer_to = request.app.exception_handlers[_kind_of(request, error)]
    response: Response = await answer_to(request, error)
    return response


def is_expected(request: Request, error: Exception) -> bool:
    """Whether the error is an answer; otherwise it is a fault of ours, which somebody has to hear of."""
    return _kind_of(request, error) is not Exception


def _kind_of(request: Request, error: Exception) -> type[Exception]:
    return next(kind for kind in type(error).__mro__ if kind in request.app.exception_handlers)


def content_of(slug: str, status: int, title: str, detail: str, **members: Any) -> dict[str, Any]:
    """The members of a problem, without those that are empty."""
    stated = {name: value for name, value in members.items() if value}
    return {"type": f"urn:dossier:problem:{slug}", "title": title, "status": status, "detail": detail, **stated}


def answer(request: Request, slug: str, status: int, title: str, detail: str, **members: Any) -> Response:
    content = content_of(slug, status, title, detail, instance=request.url.path, **members)
    if (account := account_of(request.scope)) is not None:
        account.problem, account.rule = slug, members.get("invariant") or ""
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(members["retry_after"])
    return Response(to_json(content), status, headers, MEDIA_TYPE)


async def _known(request: Request, error: Exception) -> Response:
    slug, status, title = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    fields = error.fields if isinstance(error, Refusal) else ()
    extra: dict[str, Any] = {"invariant": error.rule} if isinstance(error, Refusal) else {}
    if isinstance(error, domain.IdentifierAlreadyClaimed) and error.holder is not None:
        extra |= {"holder": f"/v1/customers/{error.holder}", "holder_id": error.holder}
    if isinstance(error, domain.FourEyesViolation) and error.customer_id is not None:
        extra |= {"proposals": f"/v1/customers/{error.customer_id}/proposals"}
    detail = error.detail if isinstance(error, Refusal) else _plain_detail(error, status)
    response = answer(request, slug, status, title, detail, **extra, errors=_listed(fields))
    if isinstance(error, domain.VersionConflict):
        response.headers["ETag"] = f'"{error.current}"'
    return response


def _plain_detail(error: Exception, status: int) -> str:
    """What the caller may read: not the driver's words, which can name hosts and statements."""
    return "come back in a moment" if status == HTTPStatus.SERVICE_UNAVAILABLE else str(error)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class alone
    response = answer(
        request, error.slug, error.status, error.title, error.detail, **error.extra, errors=_listed(error.fields)
    )
    response.headers.update(error.headers)
    return response


async def _parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    fields = [FieldError(str(item["loc"][-1]), item["msg"]) for item in error.errors()]
    return answer(request, "invalid-parameter", 422, "A parameter is not valid", "see errors", errors=_listed(fields))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
    response = answer(request, slug, error.status_code, str(error.detail), f"{request.method} {request.url.path}")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_allowed(request))
    return response


async def _gone(_request: Request, _error: Exception) -> Response:
    """The client went away while it sent its body; nothing was recorded, and nobody will read this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _allowed(request: Request) -> list[str]:
    """The methods of the path, whichever of our routes has them."""
    routes = request.app.routes
    return [
        method
        for method in ("GET", "HEAD", "POST")
        if any(
            route.matches({**request.scope, "method": method.replace("HEAD", "GET")})[0] is Match.FULL
            for route in routes
        )
    ]


async def _unexpected(request: Request, error: Exception) -> Response:
    # The server above us logs the traceback; ours is to say which request it was.
    route = getattr(request.scope.get("route"), "path", None)
    _LOG.error("request failed", method=request.method, route=route, error=type(error).__name__)
    return answer(
        request, "internal-error", 500, "Something went wrong here", "nothing was acknowledged; retry with the same key"
    )


def _listed(fields: Iterable[FieldError]) -> list[dict[str, str]]:
    return [{"pointer": field.pointer, "detail": field.detail} for field in islice(fields, MOST_FIELDS)]


def _pointer(location: tuple[int | str, ...]) -> str:
    """A pydantic location as a JSON Pointer; the tag of a discriminated union is no place in the body."""
    return pointer(*(part for part in location if part not in PROPOSABLE))


def _message(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such field"
        case "union_tag_invalid":
            return "there is no such type of change"
        case _:
            return error["msg"]
