"""JSON that can be read in one way only: what tokens and sets of keys are read with.

Readers of JSON differ about members that occur twice, about NaN, about other encodings than UTF-8. Where one reader
decides and another acts, such differences are holes.
"""

from __future__ import annotations

import json
from typing import Any, Never


class NotStrictJson(Exception):
    """The bytes are no JSON object, or one that could be read differently."""


def strict_object(document: bytes) -> dict[str, Any]:
    """The members of a JSON object. Raises NotStrictJson, whose text quotes nothing of it."""
    try:
        content = json.loads(document.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise NotStrictJson("it is not UTF-8") from error
    except RecursionError as error:
        raise NotStrictJson("it is nested too deeply") from error
    except ValueError as error:
        # Also for integers of more digits than Python converts. The text of the error may quote the document.
        raise NotStrictJson("it is not JSON") from error
    if not isinstance(content, dict):
        raise NotStrictJson("it is no object")
    return content


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(members)
    if len(content) < len(members):
        raise NotStrictJson("a member occurs twice")
    return content


def _refuse_constant(_name: str) -> Never:
    raise NotStrictJson("it holds what is no number")
