"""HTTP as it goes over the wire, where a test must decide when which bytes are sent and read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from uuid import uuid4

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """All of an answer."""

    status: int
    body: bytes
    connection: str | None
    """What it says about the connection: "close" or nothing."""


@contextmanager
def connected(url: str, *, receive_buffer: int | None = None) -> Iterator[HTTPConnection]:
    """Lend a connection of its own; a small receive buffer makes the service wait for whoever reads slowly."""
    host, port = address_of(url)
    connection = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    connection.sock = socket.socket()
    connection.sock.settimeout(PATIENCE_SECONDS)
    if receive_buffer is not None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.sock.connect((host, port))
    try:
        yield connection
    finally:
        connection.close()


class Registration:
    """An order to register a customer that is sent in two halves."""

    def __init__(self, connection: HTTPConnection, token: str) -> None:
        opening = {
            "customer_kind": "ORGANISATION",
            "name": "Acme",
            "contact": {"name": "Zhang San", "points": [{"kind": "MOBILE", "value": "13800138000"}]},
        }
        self._connection = connection
        self._body = json.dumps(opening).encode()
        connection.putrequest("POST", "/v1/customers")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Idempotency-Key", str(uuid4()))
        connection.putheader("Content-Length", str(len(self._body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        # The service says so when it has begun to read the body: from now on, the order is under way.
        assert connection.sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.send(self._body[:20])

    def complete(self) -> None:
        self._connection.send(self._body[20:])

    def answer(self) -> Answer:
        return read(self._connection.getresponse())


def read(response: HTTPResponse) -> Answer:
    return Answer(response.status, response.read(), response.getheader("Connection"))


def get(url: str, path: str) -> Answer:
    """Ask on a new connection."""
    with connected(url) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        return read(connection.getresponse())


def is_refused(url: str) -> bool:
    """Whether nobody takes new connections there."""
    try:
        socket.create_connection(address_of(url), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # taken, and given up unheard
        return False
    return False


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)
