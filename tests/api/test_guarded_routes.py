"""A route says who may use it, or it is not made."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.app import create_app
from api.direct_route import DirectRoute, OpenRoute, requires
from api.read_route import ReadRoute
from api.routes import lists
from domain.access import Action
from settings import Settings


async def _answer(request: Request) -> Response:
    return Response(request.url.path)


@requires(Action.READ_LOG)
async def _read_log(request: Request) -> Response:
    return Response(request.url.path)


@pytest.mark.parametrize("kind", [DirectRoute, ReadRoute])
def test_a_direct_route_that_requires_nothing_cannot_be_made(kind: type[DirectRoute]) -> None:
    router = APIRouter(route_class=kind)
    with pytest.raises(TypeError, match="/secrets: _answer does not say what it requires"):
        router.add_api_route("/secrets", _answer)


def test_a_route_names_its_action_in_the_document_and_keeps_what_else_it_says() -> None:
    stated: dict[str, Any] = {"parameters": [], "security": []}
    route = DirectRoute("/x", _read_log, openapi_extra=stated)
    assert route.action is Action.READ_LOG
    assert route.openapi_extra == {"parameters": [], "security": [{"bearer": ["log:view"]}]}


def test_an_application_with_a_route_that_says_nothing_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()
    router.add_api_route("/secrets", _answer)
    monkeypatch.setattr(lists, "router", router)
    with pytest.raises(TypeError, match="does not say who may use it"):
        create_app(Settings())


def test_every_route_of_the_application_is_guarded_or_open_by_its_word() -> None:
    made = create_app(Settings())
    others = [route for route in made.routes if not isinstance(route, DirectRoute | OpenRoute)]
    assert [getattr(route, "path", None) for route in others] == ["/openapi.json"]
