"""The way of a request to its handler: a look into a tree of path segments.

FastAPI stays the application; its routes are the interface. But its middlewares and its list of patterns cost every
request more than our handlers do, and there is nothing in them that a direct route needs. What is not found here (an
unknown path, another method, the OpenAPI document) goes to FastAPI and is answered as ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import Headers, QueryParams
from starlette.types import Message, Receive, Scope, Send

from api import errors, interruption
from api.accounts import Account, Accounts
from api.direct_route import DirectRoute, Handler

_METHODS: Final = {"HEAD": "GET"}  # answered alike; the server leaves the body out
_ANY: Final = "*"


class _Found(NamedTuple):
    """A route, and the names of the path's ids in their order."""

    route: DirectRoute
    handler: Handler
    names: tuple[str, ...]


class Dispatch:
    """The outermost application; it keeps the account of every request."""

    def __init__(self, app: FastAPI, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts
        self._methods: dict[str, Any] = {}
        for route in app.routes:
            if isinstance(route, DirectRoute) and ":path}" not in route.path:  # which any number of segments fit
                self._add(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _DirectRequest(scope, receive)
        account = self._accounts.open(request)
        ids: list[str] = []
        found = self._find(scope, ids)
        if found is None:
            await self._otherwise(request, account, send)
            return
        scope["app"] = self._app
        scope["route"] = found.route
        scope["path_params"] = dict(zip(found.names, ids, strict=True))
        await self._answer(found.handler, request, account, send)

    async def _answer(self, handler: Handler, request: Request, account: Account, send: Send) -> None:
        """Answer one request, with a problem if need be; what nobody expected goes on to the server, which logs it."""
        unexpected: Exception | None = None
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            try:
                response: Response = await handler(request)
            except asyncio.CancelledError:
                response = interruption.answer(request)
            except Exception as error:  # noqa: BLE001 - told apart there
                response = await errors.response_to(request, error)
                unexpected = None if errors.is_expected(request, error) else error
            status = response.status_code
            response.raw_headers += account.headers
            self._accounts.answering(account)
            await response(request.scope, request.receive, send)
        finally:
            self._accounts.close(account, request.scope, status)
        if unexpected is not None:
            raise unexpected

    async def _otherwise(self, request: Request, account: Account, send: Send) -> None:
        """Let FastAPI answer."""
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR

        async def told_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *account.headers]
                self._accounts.answering(account)
            await send(message)

        try:
            await self._app(request.scope, request.receive, told_send)
        finally:
            self._accounts.close(account, request.scope, status)

    def _add(self, route: DirectRoute) -> None:
        segments = route.path.split("/")
        names = tuple(segment[1:-1] for segment in segments if segment.startswith("{"))
        found = _Found(route, route.get_route_handler(), names)
        for method in route.methods or ():
            node = self._methods.setdefault(method, {})
            for segment in segments:
                node = node.setdefault(_ANY if segment.startswith("{") else segment, {})
            node[None] = found

    def _find(self, scope: Scope, ids: list[str]) -> _Found | None:
        """The route of a request; the ids of its path are added to `ids`."""
        method: str = scope["method"]
        node: Any = self._methods.get(_METHODS.get(method, method))
        for segment in scope["path"].split("/"):
            if node is None:
                return None
            below = node.get(segment)
            if below is None and segment:
                ids.append(segment)
                below = node.get(_ANY)
            node = below
        return None if node is None else node.get(None)


class _DirectRequest(Request):
    """A request whose headers are looked up by name in one step, and whose query is taken apart in few."""

    @property
    def query_params(self) -> QueryParams:
        found: QueryParams | None = self.__dict__.get("_query")
        if found is None:
            found = self.__dict__["_query"] = Query(self.scope["query_string"])
        return found

    @property
    def headers(self) -> Headers:
        found: Headers | None = self.__dict__.get("_table")
        if found is None:
            found = self.__dict__["_table"] = _HeaderTable(self.scope["headers"])
        return found


class Query(QueryParams):
    """What the base class makes of a query string (a test compares them), in a third of the time."""

    def __init__(self, query_string: bytes) -> None:
        pieces = [piece.partition("=") for piece in query_string.decode("latin-1").split("&") if piece]
        self._list = [(_plain(name), _plain(text)) for name, _, text in pieces]
        self._dict = dict(self._list)


def _plain(text: str) -> str:
    """The text without its escapes, of which instants have these."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    text = text.replace("%3A", ":").replace("%2B", "+")
    return unquote(text) if "%" in text else text


class _HeaderTable(Headers):
    """Headers as a table, the first of each name; Starlette looks through the list for each."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._table = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)}

    def __getitem__(self, key: str) -> str:
        return self._table[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._table

    def get(self, key: str, default: Any = None) -> Any:
        return self._table.get(key.lower(), default)
