"""Routes that call their handler with the request and the ids of the path, and nothing in between.

FastAPI's own way solves dependencies and builds a model for every request, which costs more than most handlers do;
here everything a handler wants from the request it takes itself. They stay FastAPI's routes for the OpenAPI document.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.dependencies import admitted, service_of
from api.epochs import know_epochs
from api.parameters import invalid_parameter
from api.tokens import SignedByUnknownKey

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request, or raises what api/errors.py knows."""


class StatedRoute(APIRoute):
    """Knows its query parameters, so that others can be refused."""

    @cached_property
    def parameter_names(self) -> list[str]:
        """The query parameters that there are, from what the route says in the OpenAPI document."""
        stated = (self.openapi_extra or {}).get("parameters", ())
        return [parameter["name"] for parameter in stated if parameter["in"] == "query"]


class DirectRoute(StatedRoute):
    """Admits the request, reads the ids that the handler names as parameters, and calls it."""

    def get_route_handler(self) -> Handler:
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint
        # Annotations are text in these modules.
        ids = [(name, _READERS[stated.annotation]) for name, stated in _path_parameters(endpoint).items()]

        async def handle(request: Request) -> Response:
            try:
                admitted(request)
            except SignedByUnknownKey:
                if not await service_of(request).verifier.keys.look_again():
                    raise
                admitted(request)
            await know_epochs(request, service_of(request).epochs)
            return await endpoint(request, **{name: read(request, name) for name, read in ids})

        return handle


def path_id(request: Request, name: str) -> UUID:
    """An id of the path. Raises Problem 422."""
    try:
        return UUID(request.path_params[name])
    except ValueError as error:
        raise invalid_parameter(name, "a UUID is needed") from error


def _path_text(request: Request, name: str) -> str:
    return str(request.path_params[name])


_READERS: Final[dict[str, Callable[[Request, str], Any]]] = {"UUID": path_id, "str": _path_text}


def _path_parameters(endpoint: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a handler takes beyond the request."""
    return {name: stated for name, stated in inspect.signature(endpoint).parameters.items() if name != "request"}
