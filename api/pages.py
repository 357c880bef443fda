"""Pages of lists: how many items, and the opaque token that leads to the next ones.

A token pins the position of the log, so that a list read page by page is one consistent answer, and belongs to one
query: with other parameters it is refused.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, NamedTuple

import orjson
from fastapi import Request

from api.moments import invalid_parameter

DEFAULT_LIMIT: Final = 50
MOST_ITEMS: Final = 500
_NOT_PART_OF_QUERY: Final = frozenset({"page_token", "limit", "after"})


class Place(NamedTuple):
    """Where the next page starts: behind `key`, in the list as of `position`."""

    position: int
    key: Any


def limit_of(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_ITEMS:
        raise invalid_parameter("limit", f"a number from 1 to {MOST_ITEMS} is needed")
    return int(text)


def place_of(request: Request) -> Place | None:
    """Where the request's page_token leads; None on the first page. Raises Problem 422."""
    token = request.query_params.get("page_token")
    if token is None:
        return None
    try:
        position, key, query = orjson.loads(urlsafe_b64decode(token.encode()))
        place = Place(int(position), key)
    except (ValueError, TypeError) as error:
        raise invalid_parameter("page_token", "send next_page_token as it was answered") from error
    if query != _fingerprint(request):
        raise invalid_parameter("page_token", "belongs to another query; keep the other parameters as they were")
    return place


def token_for(request: Request, position: int, key: Any) -> str:
    return urlsafe_b64encode(orjson.dumps([position, key, _fingerprint(request)])).decode()


def page(request: Request, items: list[Any], limit: int, position: int, key: Any) -> dict[str, Any]:
    """The answer for `items`, of which a full page has a next one behind `key`."""
    token = token_for(request, position, key) if items and len(items) == limit else None
    return {"items": items, "next_page_token": token}


def _fingerprint(request: Request) -> str:
    parts = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _NOT_PART_OF_QUERY)
    return hashlib.sha256(orjson.dumps([request.url.path, parts])).hexdigest()[:16]
