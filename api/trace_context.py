"""The W3C trace context of a request: read strictly, made anew where none came or none that holds.

What must stay true: what does not keep to the form is as if it had not come, never an error; and nothing of it is
believed to be more than a name for what belongs together.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The id of the request that is being answered."""

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_KEY: Final = r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_MEMBER: Final = re.compile(rf"({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])")
_MOST_MEMBERS: Final = 32
_MOST_STATE_CHARACTERS: Final = 8192
_SAMPLED: Final = 0x01

_RANDOM: Final = random.Random()  # noqa: S311 - names that must differ, no secrets  # nosec B311


@dataclass(frozen=True, slots=True)
class TraceContext:
    """`parent_id` is the caller's span, and None where the trace begins here. `state` is handed on as it came."""

    trace_id: str
    parent_id: str | None = None
    is_sampled: bool = False
    state: str = ""

    def parent(self, span_id: str) -> str:
        """The `traceparent` that names a span of ours."""
        return f"00-{self.trace_id}-{span_id}-{'01' if self.is_sampled else '00'}"


def read(parents: Sequence[str], states: Sequence[str]) -> TraceContext | None:
    """What the headers `traceparent` and `tracestate` say; None unless there is one parent of the right form."""
    if len(parents) != 1 or (match := _PARENT.fullmatch(parents[0].strip(" \t"))) is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if trace_id == _NO_TRACE or parent_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED), _state(states))


def new_trace_id() -> str:
    return f"{_RANDOM.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    return f"{_RANDOM.getrandbits(64) or 1:016x}"


def _state(states: Sequence[str]) -> str:
    """The list of all the headers together, or "" when it is not one."""
    stated = ",".join(states)
    members = [member.strip(" \t") for member in stated.split(",")]
    found = [_MEMBER.fullmatch(member) for member in members if member]
    if len(stated) > _MOST_STATE_CHARACTERS or not 0 < len(found) <= _MOST_MEMBERS:
        return ""
    keys = [match[1] for match in found if match is not None]
    if len(set(keys)) != len(found):
        return ""
    return ",".join(match[0] for match in found if match is not None)
