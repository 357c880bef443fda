"""Pages of lists: how many items, and the opaque token that leads to the next ones.

A token pins the position of the log, in its epoch, so that a list read page by page is one consistent answer, and
belongs to one query: with other parameters it is refused.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import orjson
from fastapi import Request
from fastapi.responses import Response

from api.answers import json_response
from api.epochs import read_position, written_position
from api.parameters import LAST_POSITION, invalid_parameter, whole_number

DEFAULT_LIMIT: Final = 50
MOST_ITEMS: Final = 500
_PLAIN_QUERY: Final = re.compile(r"[\w=&%.:-]+", re.ASCII)
"""What can stand in a header as it came, as nearly all queries can."""

_NOT_PART_OF_QUERY: Final = frozenset({"page_token", "limit", "after"})


class Place(NamedTuple):
    """Where the next page starts: behind `key`, in the list as of `position`."""

    position: int
    key: Any


def limit_of(request: Request) -> int:
    text = request.query_params.get("limit")
    return DEFAULT_LIMIT if text is None else whole_number("limit", text, MOST_ITEMS)


def place_of(request: Request, kind: Callable[[str], Any]) -> Place | None:
    """Where the request's page_token leads; None on the first page. Raises Problem 422, or 409 from beyond a fork.

    `kind` makes a key of its text, such as `int` or `UUID`, and raises ValueError for one that cannot be.
    """
    token = request.query_params.get("page_token")
    if token is None:
        return None
    try:
        position, key, query = orjson.loads(urlsafe_b64decode(token.encode()))
        place = Place(read_position(request, "page_token", position), kind(str(key)))
        is_possible = all(0 <= number <= LAST_POSITION for number in place if isinstance(number, int))
    except (ValueError, TypeError) as error:
        raise invalid_parameter("page_token", "send next_page_token as it was answered") from error
    if not is_possible or query != _fingerprint(request):
        raise invalid_parameter("page_token", "belongs to another query; keep the other parameters as they were")
    return place


def page_response(
    request: Request, items: list[dict[str, Any]], limit: int, position: int, key: str, **more: Any
) -> Response:
    """A page of `items`; a full one has a next one, behind the last item's `key`."""
    last = items[-1][key] if items and len(items) == limit else None
    return page_up_to(request, items, position, last, **more)


def page_up_to(request: Request, items: Any, position: int, last: Any, **more: Any) -> Response:
    """A page whose last item has the key `last`, behind which the next one begins; None where there is no next."""
    token, headers = next_page(request, position, last)
    return json_response({"items": items, "next_page_token": token, **more}, headers=headers)


def next_page(request: Request, position: int, last: Any) -> tuple[str | None, dict[str, str]]:
    """The token of the page behind the item whose key is `last`, and the header that leads there."""
    if last is None:
        return None, {}
    token = urlsafe_b64encode(orjson.dumps([written_position(request, position), last, _fingerprint(request)])).decode()
    stated: str = request.scope["query_string"].decode("latin-1")
    is_plain = "page_token" not in stated and _PLAIN_QUERY.fullmatch(stated)
    query = f"{stated}&page_token={token}" if is_plain else urlencode({**request.query_params, "page_token": token})
    return token, {"Link": f'<{request.scope["path"]}?{query}>; rel="next"'}


def _fingerprint(request: Request) -> str:
    parts = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _NOT_PART_OF_QUERY)
    return hashlib.sha256(orjson.dumps([request.scope["path"], parts])).hexdigest()[:16]
