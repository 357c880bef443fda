"""The log as outsiders read it (C2SP tlog-tiles): the signed checkpoint, tiles of hashes, bundles of entries, proofs.

Checkpoint, key and tiles of hashes are open to all: they tell how long the log is and when it grew, and nothing of
anybody. Entries need a token like everything that names customers and staff by their ids, although no person's data
stand in them. What must stay true: whatever is given out for good lies below the newest signed checkpoint; and however
many strangers ask at once, they hold few of the connections that everybody reads through.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import openapi
from api.answers import json_response
from api.dependencies import admitted, reading, require
from api.direct_route import DirectRoute, OpenRoute, requires
from api.errors import Problem
from api.parameters import LAST_POSITION, invalid_parameter, position, require_known_parameters, whole_number
from api.schemas.service import ConsistencyProof, InclusionProof
from domain.access import Action
from ledger import published, tree
from ledger.merkle import TILE_WIDTH
from ledger.notes import base64
from ledger.published import SignedSize
from ledger.tiles import Tile

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_OF_THE_MOMENT: Final = {"Cache-Control": "no-cache"}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_EVER_TO_ITS_READER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}

router: Final = APIRouter(
    prefix="/log", route_class=OpenRoute, tags=["log"], generate_unique_id_function=openapi.operation_id
)
proofs: Final = APIRouter(
    prefix="/v1/log/proofs",
    route_class=DirectRoute,
    tags=["log"],
    generate_unique_id_function=openapi.operation_id,
)


@router.get("/checkpoint", openapi_extra=openapi.open_file(_TEXT, "The newest checkpoint, a signed note."))
async def read_checkpoint(request: Request) -> Response:
    """The newest signed checkpoint: origin, size and root of the log, and the signature of the log's key."""
    require_known_parameters(request)
    async with _turn(request), reading(request) as connection:
        signed = await published.newest(connection)
    return Response(signed.note, headers=_OF_THE_MOMENT, media_type=_TEXT)


@router.get("/key", openapi_extra=openapi.open_file(_TEXT, "The verifier key."))
async def read_key(request: Request) -> Response:
    """The key that the log's signatures are verified with. Get it once from somebody you trust, not only from here."""
    require_known_parameters(request)
    key: str | None = request.app.state.log_key
    if key is None:
        raise Problem("not-signed", 404, "Not signed", "this service has no key of a log")
    return Response(f"{key}\n", headers=_OF_THE_MOMENT, media_type=_TEXT)


@router.get(
    "/tile/{tile:path}", openapi_extra=openapi.open_file(_BYTES, "Hashes, or entries.", "tile", some_need_token=True)
)
async def read_tile(request: Request) -> Response:
    """`<level>/<index>[.p/<width>]`: hashes; `entries/<index>[.p/<width>]`: the entries, which need a token."""
    require_known_parameters(request)
    tile = Tile.from_path(request.path_params["tile"])
    if tile.level is None:
        admitted(request)
        require(request, Action.READ_LOG)
    async with _turn(request), reading(request) as connection:
        content = await published.tile_bytes(connection, tile)
    headers = _FOR_EVER if tile.level is not None else _FOR_EVER_TO_ITS_READER
    return Response(content, headers=headers, media_type=_BYTES)


@proofs.get("/inclusion", openapi_extra=openapi.read(InclusionProof, "position", "size", required=("position",)))
@requires(Action.READ_LOG)
async def prove_inclusion(request: Request) -> Response:
    """That the event at a position is in the log of a signed checkpoint: the newest one, or the one of `size`."""
    index = position("position", request.query_params.get("position", "")) - 1
    async with reading(request) as connection:
        signed = await _signed(request, connection, "size")
        if index >= signed.size:
            raise invalid_parameter("position", f"the checkpoint covers {signed.size} positions")
        *_, leaf = await tree.ask_async(connection, tree.tile(0, index // TILE_WIDTH, index % TILE_WIDTH + 1))
        hashes = await tree.ask_async(connection, tree.inclusion(index, signed.size))
    return json_response(
        {
            "position": index + 1,
            "index": index,
            "leaf_hash": base64(leaf),
            "hashes": list(map(base64, hashes)),
            "checkpoint": signed.note,
        }
    )


@proofs.get("/consistency", openapi_extra=openapi.read(ConsistencyProof, "from_size", "size", required=("from_size",)))
@requires(Action.READ_LOG)
async def prove_consistency(request: Request) -> Response:
    """That the log of a signed checkpoint, the newest one or the one of `size`, goes on from that of `from_size`."""
    old = whole_number("from_size", request.query_params.get("from_size", ""), LAST_POSITION)
    async with reading(request) as connection:
        signed = await _signed(request, connection, "size")
        if old > signed.size:
            raise invalid_parameter("from_size", f"the checkpoint covers {signed.size} positions")
        hashes = await tree.ask_async(connection, tree.consistency(old, signed.size))
    return json_response({"from_size": old, "hashes": list(map(base64, hashes)), "checkpoint": signed.note})


def _turn(request: Request) -> asyncio.Semaphore:
    turn: asyncio.Semaphore = request.app.state.strangers
    return turn


async def _signed(request: Request, connection: AsyncConnection[Any], name: str) -> SignedSize:
    """The note of the size that a parameter states, else the newest. Raises NotSigned: other sizes prove nothing."""
    stated = request.query_params.get(name)
    if stated is None:
        return await published.newest(connection)
    return await published.of_size(connection, whole_number(name, stated, LAST_POSITION))
