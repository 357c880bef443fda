"""The CRUD service that ours replaces: FastAPI and psycopg on one table of documents, with an audit trigger.

    python -m bench.baselines.crud CONNINFO JWT_KEY_FILE PORT_FILE

Tuned the way ours is: uvloop, httptools, async pool, prepared statements, verified tokens remembered until they expire,
a row that is sent as it is stored. It checks what ours checks of the same request: token, body, phone number, version.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import jwt
import orjson
import phonenumbers
import uvicorn
from cryptography.hazmat.primitives import serialization
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import Response
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, field_validator

from bench.servers import announce

POOL = 12
PATIENCE_SECONDS = 5.0

_UPDATE = """
    UPDATE customer
    SET document = jsonb_set(document, ARRAY['contacts', %(contact_id)s, 'points', %(point_id)s], %(point)s::jsonb),
        version = version + 1, updated_by = %(actor)s, updated_because = %(reason)s
    WHERE customer_id = %(customer_id)s AND version = %(version)s
    RETURNING version
"""


class Reason(BaseModel):
    text: str


class Point(BaseModel):
    point_id: UUID
    kind: Literal["MOBILE"]
    value: str
    reason: Reason

    @field_validator("value")
    @classmethod
    def _e164(cls, value: str) -> str:
        number = phonenumbers.parse(value, "CN")
        if not phonenumbers.is_valid_number(number):
            raise ValueError("is no phone number")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def create_app(conninfo: str, key_file: Path, when_ready: Callable[[], None]) -> FastAPI:
    private = serialization.load_pem_private_key(key_file.read_bytes(), None)
    public: Any = private.public_key()
    verified: dict[str, tuple[float, str]] = {}
    pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        conninfo, min_size=POOL, max_size=POOL, open=False, kwargs={"autocommit": True, "prepare_threshold": 0}
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            await pool.wait(PATIENCE_SECONDS)
            when_ready()
            yield

    app = FastAPI(lifespan=lifespan)

    async def actor(authorization: Annotated[str, Header()]) -> str:
        token = authorization.removeprefix("Bearer ")
        known = verified.get(token)
        if known is None or known[0] < time.time():
            claims = jwt.decode(token, public, algorithms=["EdDSA"], issuer="dossier", audience="dossier")
            known = verified[token] = (claims["exp"], claims["sub"])
        return known[1]

    @app.post("/v1/customers/{customer_id}/contacts/{contact_id}/points")
    async def change_point(
        customer_id: UUID,
        contact_id: UUID,
        point: Point,
        if_match: Annotated[str, Header()],
        who: str = Depends(actor),  # noqa: FAST002 - a local function cannot be named in an annotation
    ) -> Response:
        parameters = {
            "customer_id": customer_id,
            "contact_id": str(contact_id),
            "point_id": str(point.point_id),
            "point": orjson.dumps({"kind": point.kind, "value": point.value}).decode(),
            "actor": who,
            "reason": point.reason.text,
            "version": int(if_match.strip('"')),
        }
        async with pool.connection() as connection:
            row = await (await connection.execute(_UPDATE, parameters)).fetchone()
        if row is None:
            raise HTTPException(412, "the customer has moved on, or there is none")
        content = orjson.dumps({"customer_id": str(customer_id), "version": row[0]})
        return Response(content, 200, {"ETag": f'"{row[0]}"'}, "application/json")

    @app.get("/v1/customers/{customer_id}")
    async def read(customer_id: UUID, request: Request, who: str = Depends(actor)) -> Response:  # noqa: FAST002 - as above
        del who
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT version, document::text FROM customer WHERE customer_id = %s", [customer_id]
            )
            row = await cursor.fetchone()
        if row is None:
            raise HTTPException(404, "no such customer")
        etag = f'"{row[0]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        return Response(row[1], 200, {"ETag": etag, "Cache-Control": "private, no-cache"}, "application/json")

    return app


def main() -> None:
    conninfo, key_file, port_file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    # Connections wait in the backlog until the server takes them.
    when_ready = partial(announce, port_file, listener.getsockname()[1])
    config = uvicorn.Config(
        create_app(conninfo, key_file, when_ready),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
