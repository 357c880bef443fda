"""The OpenAPI document: what FastAPI cannot see because bodies are parsed from bytes and answers made as bytes.

Models named in a route's `openapi_extra` are collected into the document's components.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.examples import EXAMPLES

_MODELS: Final[dict[str, type[BaseModel]]] = {}
_REFERENCE: Final = "#/components/schemas/{model}"
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:dossier:problem:four-eyes-violation"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "invariant": {"type": "string", "description": "The broken rule, where it has an id"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def words(name: str) -> str:
    """A class name as words: AddContact becomes Add contact."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).capitalize()


def write(model: type[BaseModel], *, precondition: bool = True, path_ids: tuple[str, ...] = ()) -> dict[str, Any]:
    """The `openapi_extra` of a route that records: its body, its headers, its answers."""
    _MODELS[model.__name__] = model
    content: dict[str, Any] = {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}
    if model.__name__ in EXAMPLES:
        content["example"] = EXAMPLES[model.__name__]
    headers = [_header("Idempotency-Key", "A unique text; the same request under it takes effect once, for ever.")]
    if precondition:
        headers.append(_header("If-Match", 'The ETag of the profile that was looked at, such as "17.0".'))
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _UUID} for name in path_ids),
            *headers,
            {**_header("Prefer", "return=minimal leaves the events out of the answer."), "required": False},
            {"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean", "default": False}},
        ],
        "responses": _RESPONSES,
    }


_UUID: Final = {"type": "string", "format": "uuid"}


_PARAMETERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "known_at": ("As known then (inclusive): an RFC 3339 time, or a date for its midnight.", {"type": "string"}),
    "valid_at": ("As true then; default: known_at.", {"type": "string"}),
    "at_position": ("As known at this position of the log.", {"type": "integer", "minimum": 1}),
    "fields": ("Slot pointers, separated by commas, to narrow the profile to.", {"type": "string"}),
    "after": ("A Dossier-Token: wait until the answer includes that write.", {"type": "string"}),
    "path": ("A slot, or what slots begin with: /tier/VALUE, /contacts.", {"type": "string"}),
    "type": ("An event type, or how types begin: customer.tier-*.", {"type": "string"}),
    "actor": ("A staff id.", {"type": "string"}),
    "from_position": ("The first position of interest.", {"type": "integer", "minimum": 1}),
    "since": ("Recorded at or after.", {"type": "string"}),
    "until": ("Recorded before.", {"type": "string"}),
    "order": ("Oldest (asc) or newest (desc) first.", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}),
    "limit": ("Items on a page.", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
    "page_token": ("next_page_token of the page before; everything else unchanged.", {"type": "string"}),
    "from": ("The one point: an instant, a date, or a position.", {"type": "string"}),
    "to": ("The other point.", {"type": "string"}),
    "axis": ("Along which time the points lie.", {"type": "string", "enum": ["known", "valid"], "default": "known"}),
    "identifier": ("SCHEME:VALUE, exactly.", {"type": "string"}),
    "name": ("Part of any of the names, in any case.", {"type": "string"}),
    "tier": ("CODE, or SCHEME:CODE; the scheme is VALUE by default.", {"type": "string"}),
    "owner": ("A staff id, or ROLE:ID; the role is ACCOUNT_MANAGER by default.", {"type": "string"}),
}


def read(*parameters: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads: its query parameters, by name."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": _PARAMETERS[name][0],
                "schema": _PARAMETERS[name][1],
            }
            for name in parameters
        ],
        "responses": _RESPONSES,
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string"}}


_RESPONSES: Final = {
    "default": {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` give the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI says to extend the document


def _complete(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema([(model, "validation") for model in _MODELS.values()], ref_template=_REFERENCE)
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions.get("$defs", {}))
    components["schemas"]["Problem"] = _PROBLEM
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    schema["security"] = [{"bearer": []}]
    return schema
