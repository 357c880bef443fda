"""The body of a request for an evidence pack, and what it asks for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.portfolio_body import BodyPart
from domain.values import storable_text
from ledger.evidence import Asked, Disclosure

_LONGEST_NOTE: Final = 16_384
_MOST_PARTS: Final = 1000
_WORDS: Final = ("all", "none")
_PART: Final = re.compile(r"([1-9][0-9]{0,17})(?:\.(0|[1-9][0-9]{0,4}))?", re.ASCII)


def _disclosed(value: Any) -> Any:
    """Not a union of models: of a value that fits none, each of them would say why."""
    if value in _WORDS:
        return value
    if not isinstance(value, list):
        raise PydanticCustomError("disclosed", "all, none, or a list of versions is needed")
    if len(value) > _MOST_PARTS:
        raise PydanticCustomError("disclosed", "at most {most} are taken; or say all", {"most": _MOST_PARTS})
    if not all(isinstance(text, str) and _PART.fullmatch(text) for text in value):
        raise PydanticCustomError("disclosed", "versions are needed, or VERSION.PART, such as 3 or 3.0, as text")
    return value


Note = Annotated[StrictStr, Field(max_length=_LONGEST_NOTE), AfterValidator(storable_text)]
Disclosed = Annotated[
    Any,
    AfterValidator(_disclosed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(_WORDS)},
                {"type": "array", "maxItems": _MOST_PARTS, "items": {"type": "string", "pattern": _PART.pattern}},
            ]
        }
    ),
]


class EvidenceBody(BodyPart):
    """`from_checkpoint` is a checkpoint of this log that the auditor kept, as the signed note that it is.

    `disclose` says which parts of which versions the pack makes readable: `all`, `none`, or a list such as
    `["1", "3.0"]`. Parts that were erased stay so. A key that is given away cannot be taken back.
    """

    customer_id: UUID
    from_checkpoint: Note | None = None
    disclose: Disclosed = "none"

    def asked(self) -> Asked:
        earlier = None if self.from_checkpoint is None else self.from_checkpoint.encode()
        return Asked(self.customer_id, self._disclosure(), earlier)

    def _disclosure(self) -> Disclosure:
        if self.disclose in _WORDS:
            return Disclosure(everything=self.disclose == "all")
        matches = [match for text in self.disclose if (match := _PART.fullmatch(text))]
        return Disclosure(parts=frozenset((int(match[1]), int(match[2]) if match[2] else None) for match in matches))
