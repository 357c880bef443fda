"""What stands where a value was erased, and where it may stand.

What must stay true: nobody but the ledger, reading an event whose part is gone, puts the marker there. It is accepted
as an instance only, so no request body can claim that something was erased, and no schema mentions it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import GetCoreSchemaHandler, SerializerFunctionWrapHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from domain.values import Value


class Erased(Value):
    """A value that was erased; `by` is the event that erased it. In JSON wherever the value would stand."""

    erased: Literal[True] = True
    by: UUID

    def as_json(self) -> dict[str, Any]:
        return {"erased": True, "by": str(self.by)}


@dataclass(frozen=True, slots=True)
class MayBeErased:
    """Marks a field in whose place an Erased may stand, whatever its type says."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        return core_schema.no_info_wrap_validator_function(
            _validated,
            inner,
            serialization=core_schema.wrap_serializer_function_ser_schema(_serialized, schema=inner),
        )


def shown(value: Any) -> Any:
    """A field's value as a fact asserts it."""
    return value.as_json() if isinstance(value, Erased) else value


def _validated(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Erased) else validate(value)


def _serialized(value: Any, serialize: SerializerFunctionWrapHandler) -> Any:
    return value.as_json() if isinstance(value, Erased) else serialize(value)
