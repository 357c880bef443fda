"""What is answered to a request that was not done when the service had to end, or when its time was over."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.accounts import account_of

_DETAIL: Final = "come back in a moment; repeat a write with the same key, for it may have been recorded"


class ToldWhenInterrupted:
    """The server cancels what is still under way when its patience is over; who waits for an answer gets this one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_begun = scope["type"] != "http"

        async def watched_send(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except asyncio.CancelledError:
            if is_begun:
                raise
            await answer(Request(scope))(scope, receive, send)


def answer(request: Request) -> Response:
    """What is said instead of the answer."""
    account = account_of(request.scope)
    if account is not None and account.is_overdue:
        return errors.answer(request, "took-too-long", 503, "The request took too long", _DETAIL)
    return errors.answer(request, "stopping", 503, "The service is stopping", _DETAIL)
