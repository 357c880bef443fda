"""The OpenAPI document: what FastAPI cannot see because bodies are parsed from bytes and answers made as bytes.

Routes say by `write`, `read` and `health` what they take and answer; the models named there are collected into the
document's components. Printed by `python -m api`, committed as openapi.json.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.answer_examples import ANSWERS
from api.answers import JSON, NDJSON
from api.examples import EXAMPLES
from api.schemas.base import Problem
from api.schemas.events import Recorded
from domain.purposes import PurposeCode

Described = dict[str, Any]

_MODELS: Final[dict[str, type[BaseModel]]] = {model.__name__: model for model in (Problem, Recorded)}
_REFERENCE: Final = "#/components/schemas/{model}"
_UUID: Final = {"type": "string", "format": "uuid"}
_TEXT: Final = {"type": "string"}
_KEY: Final = {"type": "string", "pattern": '^"?[!#-~][!-~]{0,254}$'}
_ENTITY_TAG: Final = {"type": "string", "pattern": r'^((W/)?"[0-9]{1,18}(\.[0-9A-Za-z.]*)?"|\*)$'}
_POSITION: Final = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[^:]+:[1-9][0-9]*$"}]}

_PARAMETERS: Final[dict[str, tuple[str, Described]]] = {
    "known_at": ("As known then (inclusive): an RFC 3339 time, or a date for its midnight.", _TEXT),
    "valid_at": ("As true then; default: known_at.", _TEXT),
    "at_position": ("As known at this position of the log; of a later epoch: epoch:position.", _POSITION),
    "fields": ("Slot pointers, separated by commas, to narrow the profile to.", _TEXT),
    "after": ("A Dossier-Token: wait until the answer includes that write.", _TEXT),
    "path": ("A slot, or what slots begin with: /tier/VALUE, /contacts.", _TEXT),
    "type": ("An event type, or how types begin: customer.tier-*.", _TEXT),
    "actor": ("A staff id.", _TEXT),
    "from_position": ("The first position of interest.", _POSITION),
    "since": ("Recorded at or after.", _TEXT),
    "until": ("Recorded before.", _TEXT),
    "order": ("Oldest (asc) or newest (desc) first.", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}),
    "limit": ("Items on a page.", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
    "page_token": ("next_page_token of the page before; everything else unchanged.", _TEXT),
    "from": ("The one point, or where a period begins: an instant, a date; of a diff also a position.", _TEXT),
    "to": ("The other point, or where a period ends.", _TEXT),
    "axis": ("Along which time the points lie.", {"type": "string", "enum": ["known", "valid"], "default": "known"}),
    "value": ('A JSON value, compared by type: 1, true, null, "text" in its quotes.', _TEXT),
    "from_version": ("The first version to tell of.", {"type": "integer", "minimum": 1}),
    "to_version": ("The last version to tell of; default: the file's last.", {"type": "integer", "minimum": 1}),
    "old": ("What a change took away: a JSON value, compared by type.", _TEXT),
    "new": ("What a change brought: a JSON value, compared by type.", _TEXT),
    "effective_overlaps": ("FROM/TO: effective at some instant from FROM on and before TO.", _TEXT),
    "customer_id": ("Of this customer alone.", _UUID),
    "kind": ("Requests of this kind alone.", {"type": "string", "enum": ["TIER", "ERASURE", "PROPOSAL"]}),
    "requester": ("The staff id of who asks.", _TEXT),
    "can_decide": ("Only what the caller may decide.", {"type": "boolean", "default": False}),
    "identifier": ("SCHEME:VALUE, exactly.", _TEXT),
    "name": ("Part of any of the names, in any case.", _TEXT),
    "tier": ("CODE, or SCHEME:CODE; the scheme is VALUE by default.", _TEXT),
    "owner": ("A staff id, or ROLE:ID; the role is ACCOUNT_MANAGER by default.", _TEXT),
    "position": ("A position of the log.", {"type": "integer", "minimum": 1}),
    "principal": ("Who read: a staff id.", _TEXT),
    "purpose": ("Read for this purpose: a code of the list.", {"type": "string", "enum": list(PurposeCode)}),
    "size": ("A size at which the log was signed; default: the newest.", {"type": "integer", "minimum": 1}),
    "from_size": ("The size of the log that somebody knows.", {"type": "integer", "minimum": 1}),
}
_ETAG: Final = {"ETag": {"description": "Names what the answer shows; for If-None-Match.", "schema": _TEXT}}
_WRITE_HEADERS: Final = {
    "ETag": {"description": "The file's new revision; for If-Match.", "schema": _TEXT},
    "Dossier-Token": {"description": "For `after`: reads that must include this write.", "schema": _TEXT},
    "Preference-Applied": {
        "description": "`wait=sealed` when the answer has the receipts that were to be waited for.",
        "schema": _TEXT,
    },
    "Idempotent-Replayed": {"description": "`true` when this was done before under the same key.", "schema": _TEXT},
}
_PREFERENCES: Final = (
    "return=minimal leaves the events out of the answer. wait=sealed waits a moment for the events' receipts: their"
    " positions, and proofs against a signed checkpoint; what was recorded is answered without them if they are late."
)
_PURPOSE: Final = (
    f"Why this is read: one of {', '.join(PurposeCode)}, and more in your own words after a semicolon. Required where"
    " values of the class SENSITIVE are shown in clear."
)
_PAGE_HEADERS: Final = {"Link": {"description": 'The next page, rel="next".', "schema": _TEXT}}
_PROBLEM: Final = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}},
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's handler: readable in clients made from the document."""
    return route.name


def words(name: str) -> str:
    """A class name as words: AddContact becomes Add contact."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).capitalize()


def write(model: type[BaseModel], *, opens_file: bool = False, path_ids: tuple[str, ...] = ()) -> Described:
    """The `openapi_extra` of a route that records: its body, its headers, its answers."""
    headers = [
        _header("Idempotency-Key", "A unique text; the same request under it takes effect once, for ever.", _KEY)
    ]
    if not opens_file:
        headers.append(_header("If-Match", 'The ETag of the profile that was looked at, such as "17.0".', _ENTITY_TAG))
    answered = _answer(Recorded, "Recorded", _WRITE_HEADERS)
    answers = {"200": answered}
    if opens_file:
        opened = {**_WRITE_HEADERS, "Location": {"description": "The new file.", "schema": _TEXT}}
        answers = {"200": {**answered, "description": "Decided, on a dry run"}, "201": {**answered, "headers": opened}}
    return {
        "requestBody": {"required": True, "content": _content(model, EXAMPLES[model.__name__])},
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _UUID} for name in path_ids),
            *headers,
            _header("Prefer", _PREFERENCES, required=False),
            _query("dry_run", "Decide, and store nothing.", {"type": "boolean", "default": False}),
        ],
        "responses": {**answers, "default": _PROBLEM},
    }


def write_staff(model: type[BaseModel], answer: type[BaseModel], *path_ids: str, opens_file: bool = False) -> Described:
    """The `openapi_extra` of a route that records something of a member of staff, or `opens_file` of a new one."""
    answered = _answer(answer, "Recorded", {"Idempotent-Replayed": _WRITE_HEADERS["Idempotent-Replayed"]})
    return {
        "requestBody": {"required": True, "content": _content(model, EXAMPLES[model.__name__])},
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _UUID} for name in path_ids),
            _header("Idempotency-Key", "A unique text; the same request under it takes effect once, for ever.", _KEY),
        ],
        "responses": {"200": answered, **({"201": answered} if opens_file else {}), "default": _PROBLEM},
    }


def write_policy(model: type[BaseModel], answer: type[BaseModel], *path_ids: str) -> Described:
    """The `openapi_extra` of a route that records something of the policy."""
    answered = _answer(answer, "Recorded", {"Idempotent-Replayed": _WRITE_HEADERS["Idempotent-Replayed"]})
    return {
        "requestBody": {"required": True, "content": _content(model, EXAMPLES[model.__name__])},
        "parameters": [
            {"name": "name", "in": "path", "required": True, "schema": _TEXT},
            *({"name": name, "in": "path", "required": True, "schema": _UUID} for name in path_ids),
            _header("Idempotency-Key", "A unique text; the same request under it takes effect once, for ever.", _KEY),
        ],
        "responses": {"200": answered, "default": _PROBLEM},
    }


def read(
    answer: type[BaseModel],
    *parameters: str,
    required: tuple[str, ...] = (),
    cacheable: bool = False,
    path_names: tuple[str, ...] = (),
) -> Described:
    """The `openapi_extra` of a route that reads: what it answers, its query parameters by name."""
    named = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in path_names]
    named += [_query(name, *_PARAMETERS[name], required=name in required) for name in parameters]
    headers = _PAGE_HEADERS if "page_token" in parameters else {}
    responses = {"200": _answer(answer, "Found", _ETAG if cacheable else headers), "default": _PROBLEM}
    named.append(_header("Dossier-Purpose", _PURPOSE, required=False))
    if cacheable:
        named.append(_header("If-None-Match", "ETags of answers at hand.", required=False))
        responses["304"] = {"description": "What is at hand is still right", "headers": _ETAG}
    return {"parameters": named, "responses": responses}


def read_lines(line: type[BaseModel], *parameters: str) -> Described:
    """The same for a route that answers with lines of JSON."""
    described = read(line, *parameters)
    content = described["responses"]["200"]["content"]
    content[NDJSON] = content.pop(JSON)
    return described


def question(body: type[BaseModel], answer: type[BaseModel], *parameters: str, formats: tuple[str, ...]) -> Described:
    """The `openapi_extra` of a route that reads what a body asks for, as JSON or in another format by `Accept`."""
    described = read(answer, *parameters)
    content = described["responses"]["200"]["content"]
    content |= {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in formats}
    return {"requestBody": {"required": True, "content": _content(body, EXAMPLES[body.__name__])}, **described}


def file_question(body: type[BaseModel], media_type: str, description: str) -> Described:
    """The `openapi_extra` of a route that answers what a body asks for with a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "requestBody": {"required": True, "content": _content(body, EXAMPLES[body.__name__])},
        "parameters": [_header("Dossier-Purpose", _PURPOSE, required=False)],
        "responses": {"200": {"description": description, "content": content}, "default": _PROBLEM},
    }


def health(answer: type[BaseModel]) -> Described:
    """The `openapi_extra` of a health check, which anyone may ask."""
    return {"security": [], "responses": {"200": _answer(answer, "Yes", {}), "default": _PROBLEM}}


def open_file(media_type: str, description: str, *path_names: str, some_need_token: bool = False) -> Described:
    """The `openapi_extra` of a file of the log that anyone may fetch, but for those that need a token."""
    schema = _TEXT if media_type.startswith("text/") else {**_TEXT, "format": "binary"}
    return {
        "security": [{}, {"bearer": []}] if some_need_token else [],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in path_names],
        "responses": {
            "200": {"description": description, "content": {media_type: {"schema": schema}}},
            "default": _PROBLEM,
        },
    }


def text_file(media_type: str, description: str) -> Described:
    """The `openapi_extra` of a route that answers with text in somebody else's form."""
    content = {media_type: {"schema": _TEXT}}
    return {"responses": {"200": {"description": description, "content": content}, "default": _PROBLEM}}


def _answer(model: type[BaseModel], description: str, headers: Described) -> Described:
    described = {"description": description, "content": _content(model, ANSWERS[model.__name__])}
    return {**described, "headers": headers} if headers else described


def _content(model: type[BaseModel], example: Any) -> Described:
    _MODELS[model.__name__] = model
    return {JSON: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}, "example": example}}


def _header(name: str, description: str, schema: Described = _TEXT, *, required: bool = True) -> Described:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _query(name: str, description: str, schema: Described, *, required: bool = False) -> Described:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` give the whole document."""

    def document() -> Described:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI says to extend the document


def _complete(app: FastAPI) -> Described:
    schema: Described = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # FastAPI's own shape, which we never send
            answered = operation["responses"].get("200", {}).get("content", {})
            if len(answered) > 1 and "$ref" not in answered.get(JSON, {}).get("schema", {}):
                answered.pop(JSON, None)  # which FastAPI takes every answer for
    _, definitions = models_json_schema([(model, "validation") for model in _MODELS.values()], ref_template=_REFERENCE)
    schema["components"] = {
        "schemas": dict(sorted(definitions["$defs"].items())),
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    }
    schema["security"] = [{"bearer": []}]
    return schema
