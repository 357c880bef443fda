"""A service that lists and counts customers as they are now: FastAPI and psycopg on one plain table.

    python -m bench.baselines.portfolio CONNINFO JWT_KEY_FILE PORT_FILE

Tuned the way ours is, as the CRUD baseline is: uvloop, httptools, async pool, prepared statements, verified tokens
remembered until they expire.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jwt
import orjson
import uvicorn
from cryptography.hazmat.primitives import serialization
from fastapi import Depends, FastAPI, Header
from fastapi.responses import Response
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field

from bench.baselines.crud import PATIENCE_SECONDS, POOL
from bench.servers import announce

_PAGE = "SELECT customer_id::text, tier FROM customer WHERE tier = %(tier)s ORDER BY customer_id LIMIT %(limit)s"
_COUNT = "SELECT tier, count(*) FROM customer WHERE tier IS NOT NULL GROUP BY tier ORDER BY tier"


class Question(BaseModel):
    """A page by tier."""

    tier: str
    limit: int = Field(default=50, ge=1, le=500)


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

    @app.post("/v1/customers/page")
    async def page(question: Question, who: str = Depends(actor)) -> Response:  # noqa: FAST002 - a local function cannot be named in an annotation
        del who
        async with pool.connection() as connection:
            cursor = await connection.execute(_PAGE, question.model_dump())
            rows = await cursor.fetchall()
        return _answer([{"customer_id": customer_id, "tier": tier} for customer_id, tier in rows])

    @app.post("/v1/customers/count")
    async def count(who: str = Depends(actor)) -> Response:  # noqa: FAST002 - as above
        del who
        async with pool.connection() as connection:
            rows = await (await connection.execute(_COUNT)).fetchall()
        return _answer([{"tier": tier, "count": number} for tier, number in rows])

    return app


def _answer(items: list[dict[str, Any]]) -> Response:
    headers = {"Cache-Control": "private, no-cache"}
    return Response(orjson.dumps({"items": items}), 200, headers, "application/json")


def main() -> None:
    conninfo, key_file, port_file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    when_ready = partial(announce, port_file, listener.getsockname()[1])
    app = create_app(conninfo, key_file, when_ready)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", ws="none", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
