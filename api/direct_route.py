"""Routes that call their handler with the request and the ids of the path, and nothing in between.

FastAPI's own way solves dependencies and builds a model for every request, which costs more than most handlers do;
here everything a handler wants from the request it takes itself. They stay FastAPI's routes for the OpenAPI document.

What must stay true: a route is either open to all, and says so, or states the action that one must be allowed to do;
that is decided right after the token, before the path is read and anything is looked up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, Final, TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.dependencies import admitted, require, service_of
from api.epochs import know_epochs
from api.parameters import invalid_parameter
from api.tokens import SignedByUnknownKey
from domain.access import Action

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request, or raises what api/errors.py knows."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_ACTION: Final = "action"


def requires(action: Action) -> Callable[[Endpoint], Endpoint]:
    """Function decorator: the action that one must be allowed to do to be answered by this handler."""

    def state(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ACTION, action)
        return endpoint

    return state


class StatedRoute(APIRoute):
    """Knows its query parameters, so that others can be refused."""

    @cached_property
    def parameter_names(self) -> list[str]:
        """The query parameters that there are, from what the route says in the OpenAPI document."""
        stated = (self.openapi_extra or {}).get("parameters", ())
        return [parameter["name"] for parameter in stated if parameter["in"] == "query"]


class OpenRoute(StatedRoute):
    """Asks nobody who they are; its handler may, for some of what it answers."""


class DirectRoute(StatedRoute):
    """Admits the request, reads the ids that the handler names as parameters, and calls it.

    `action` is what its handler `requires`; it stands in the OpenAPI document as what the token must bring.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        action = getattr(endpoint, _ACTION, None)
        if not isinstance(action, Action):
            raise TypeError(f"{path}: {endpoint.__name__} does not say what it requires")
        self.action = action
        stated = options.pop("openapi_extra", None) or {}
        super().__init__(path, endpoint, openapi_extra={**stated, "security": [{"bearer": [action.value]}]}, **options)

    def get_route_handler(self) -> Handler:
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint
        # Annotations are text in these modules.
        ids = [(name, _READERS[stated.annotation]) for name, stated in _path_parameters(endpoint).items()]
        action = self.action

        async def handle(request: Request) -> Response:
            try:
                admitted(request)
            except SignedByUnknownKey:
                if not await service_of(request).verifier.keys.look_again():
                    raise
                admitted(request)
            require(request, action)
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
