"""The callers of the HTTP yardsticks, and the customers that they write and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Any

import httpx
import orjson
from uuid_utils.compat import uuid7

from bench.load import LoadFailed
from bench.servers import Server

_WELL_FOUNDED = {"reason": {"text": "told by the customer on the phone"}, "observed_at": "2026-01-05T09:30:00+08:00"}
_NUMBERS = 100_000_000
_AT_ONCE = 8


@dataclass(frozen=True)
class Customer:
    """A file as it was registered."""

    customer_id: str
    contact_id: str
    point_id: str
    version: int
    profile: bytes


def registered(server: Server, number: int) -> Iterator[Customer]:
    """Register so many customers over HTTP. Raises LoadFailed."""
    run = uuid7().hex
    with server.client() as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        yield from threads.map(lambda index: _register(client, run, index), range(number))


def _register(client: httpx.Client, run: str, index: int) -> Customer:
    headers = {"Idempotency-Key": f"{run}-{index}"}
    answer = client.post("/v1/customers", content=orjson.dumps(_opening(index)), headers=headers)
    if answer.status_code != HTTPStatus.CREATED:
        raise LoadFailed(f"a customer cannot be registered: {answer.text}")
    customer_id = answer.json()["customer_id"]
    profile = client.get(f"/v1/customers/{customer_id}")
    version = int(profile.headers["ETag"].strip('"').split(".")[0])
    ((contact_id, contact),) = profile.json()["contacts"].items()
    (point_id,) = contact["points"]
    return Customer(customer_id, contact_id, point_id, version, profile.content)


def _opening(index: int) -> dict[str, Any]:
    """A file of about one and a half kilobytes."""
    return {
        **_WELL_FOUNDED,
        "evidence": [{"note": "signed form"}],
        "customer_kind": "ORGANISATION",
        "name": f"Precision Instruments {index:06} Ltd",
        "contact": {"name": "Zhang San", "points": [{"kind": "MOBILE", "value": "13800138000"}]},
        "owner": "u-118",
        "changes": [
            {
                "type": "customer.attribute-recorded",
                "key": f"field_{number}",
                "value": f"what the customer said to question {number} of the form, number {index:06}",
            }
            for number in range(8)
        ],
    }


def shared(customers: Sequence[Customer], parts: int) -> list[Sequence[Customer]]:
    """The customers divided among so many connections."""
    return [customers[part::parts] for part in range(parts)]


def etags(server: Server, customers: Sequence[Customer]) -> dict[str, str]:
    """The current ETag of each."""
    with server.client() as client:
        ids = [customer.customer_id for customer in customers]
        return {customer_id: client.get(f"/v1/customers/{customer_id}").headers["ETag"] for customer_id in ids}


class Writer:
    """Changes the contact points of its own customers, one after the other; keeps `versions` up to date."""

    def __init__(self, server: Server, customers: Sequence[Customer], versions: dict[str, str]) -> None:
        self._customers = cycle(customers)
        self._versions = versions
        self._head = (
            f" HTTP/1.1\r\nHost: {server.address[0]}\r\nAuthorization: Bearer {server.token}\r\n"
            "Content-Type: application/json\r\nPrefer: return=minimal\r\n"
        )
        self._customer = customers[0]
        self._run = uuid7().hex
        self._number = int(self._run[-6:], 16)

    def request(self) -> bytes:
        customer = self._customer = next(self._customers)
        self._number += 1
        value = f"138{self._number % _NUMBERS:08}"
        content = orjson.dumps({"point_id": customer.point_id, "kind": "MOBILE", "value": value, **_WELL_FOUNDED})
        head = (
            f"POST /v1/customers/{customer.customer_id}/contacts/{customer.contact_id}/points{self._head}"
            f'If-Match: "{self._versions[customer.customer_id]}"\r\nIdempotency-Key: {self._run}-{self._number}\r\n'
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def take(self, status: int, head: bytes, body: bytes) -> None:
        if status != HTTPStatus.OK:
            raise LoadFailed(f"a write was answered with {status}: {body[:500]!r}")
        start = head.index(b'etag: "') + len(b'etag: "')
        self._versions[self._customer.customer_id] = head[start : head.index(b'"', start)].decode()


class Reader:
    """Sends the same requests over and over, beginning at its place among the readers."""

    def __init__(self, requests: Sequence[bytes], place: int = 0, expected: int = HTTPStatus.OK) -> None:
        begin = place * 7 % len(requests)
        self._requests = cycle([*requests[begin:], *requests[:begin]])
        self._expected = expected

    def request(self) -> bytes:
        return next(self._requests)

    def take(self, status: int, head: bytes, body: bytes) -> None:
        del head
        if status != self._expected:
            raise LoadFailed(f"a read was answered with {status}: {body[:500]!r}")


def post(server: Server, path: str, content: Any) -> bytes:
    """A POST request that asks something."""
    body = orjson.dumps(content)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {server.address[0]}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(server: Server, path: str, known: str | None = None) -> bytes:
    """A GET request; `known` is an ETag that the client has already."""
    condition = f"If-None-Match: {known}\r\n" if known else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {server.address[0]}\r\nAuthorization: Bearer {server.token}\r\n{condition}\r\n"
    ).encode()
