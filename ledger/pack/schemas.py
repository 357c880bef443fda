"""JSON Schemas of what the parts of an event say, for who reads them without this program.

They explain and prove nothing. A schema is of today's version of an event type; what was recorded under an older one
has none here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from domain.events import EVENT_TYPES, Envelope

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT = (
    "What the parts of one event say, put together: part 0 has the envelope and the payload, but for the members of the"
    " payload that belong to another data subject, which stand in parts of their own. Members of the envelope that the"
    " entry has, or that say nothing, are left out."
)


def schema_name(stored_name: str, version: int) -> str:
    """The file of a schema."""
    return f"schemas/{stored_name}.v{version}.json"


@cache
def event_schema(stored_name: str, version: int) -> bytes | None:
    """The schema of an event type as it is stored under a version; None for one of which we have no schema any more."""
    payload = EVENT_TYPES.get(stored_name)
    if payload is None or payload.schema_version != version:
        return None
    envelope = Envelope.model_json_schema(ref_template="#/properties/envelope/$defs/{model}")
    envelope.pop("required", None)
    document: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": stored_name,
        "description": _ABOUT,
        "type": "object",
        "properties": {
            "envelope": envelope,
            "payload": payload.model_json_schema(ref_template="#/properties/payload/$defs/{model}"),
        },
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
