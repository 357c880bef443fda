"""The one HTTP client behind every reading and writing verb.

Owns how the service is found, what an answer is, and how a problem+json becomes an error with an exit code. An
answer of any status is an Answer; only silence is an error here (Unavailable).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID, uuid4

import aiohttp
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from cli.errors import CliError, Conflict, NotFound, Unauthorized, Unavailable, UsageError
from cli.service_files import ServiceFiles
from settings import Settings

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_CHUNK_BYTES = 256 * 1024
_PROBLEM_PREFIX = "urn:dossier:problem:"


class FieldError(BaseModel):
    """One field of a problem; `pointer` points into the request's body."""

    pointer: str = ""
    detail: str = ""


class Problem(BaseModel):
    """A problem+json (RFC 9457). What other servers on the way say is put into the same shape."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str = "Error"
    status: int
    detail: str = ""
    holder_id: str | None = None
    errors: list[FieldError] = []

    @property
    def slug(self) -> str:
        return self.type.removeprefix(_PROBLEM_PREFIX)

    def __str__(self) -> str:
        text = f"{self.title}: {self.detail}" if self.detail else self.title
        fields = "; ".join(": ".join(filter(None, (error.pointer, error.detail))) for error in self.errors)
        return " ".join((f"{text} ({fields})" if fields else text).split())


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return self.status < 300  # noqa: PLR2004 - redirects are not followed and none is expected

    def json(self) -> Any:
        """Return the content of a success; raise the CliError that fits the problem of a failure."""
        if not self.is_success:
            raise error_of(self.problem())
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable("what answered is not the service: its answer is no JSON") from error

    def problem(self) -> Problem:
        """Read the answer as a problem."""
        try:
            return Problem.model_validate_json(self.body)
        except ValidationError:
            return Problem(title=f"HTTP {self.status}", status=self.status, detail=_beginning(self.body))


class ServiceClient:
    """Keep-alive connections to one service. Use it as an async context."""

    def __init__(self, url: str, token: str, purpose: str | None = None, *, connections: int = 4) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if purpose is not None:
            self._headers["Dossier-Purpose"] = purpose
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            headers=self._headers,
            timeout=_TIMEOUT,
            auto_decompress=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Ask. Raises Unavailable when nobody answers."""
        return await self._request("GET", path, params=params)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a command. Raises Unavailable when nobody answers; whether it was carried out is then unknown."""
        return await self._request("POST", path, data=body, headers=headers)

    async def download(self, path: str, body: bytes, accept: str) -> AsyncIterator[bytes]:
        """Ask, and yield a success piece by piece. Raises the CliError of a problem, Unavailable when it breaks off."""
        assert self._session is not None  # noqa: S101 - used outside of its context: our own bug
        options: dict[str, Any] = {"data": body, "headers": {"Accept": accept}, "timeout": _DOWNLOAD_TIMEOUT}
        try:
            async with self._session.post(self._url + path, allow_redirects=False, **options) as response:
                if response.status >= 300:  # noqa: PLR2004 - as for Answer.is_success
                    raise error_of(Answer(response.status, response.headers, await response.read()).problem())
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    yield chunk
        except TimeoutError as error:
            raise Unavailable(f"the service at {self._url} does not answer") from error
        except aiohttp.ClientError as error:
            raise Unavailable(f"the answer of the service at {self._url} broke off: {error}") from error

    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        assert self._session is not None  # noqa: S101 - used outside of its context: our own bug
        try:
            async with self._session.request(method, self._url + path, allow_redirects=False, **options) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise UsageError(f"{self._url} is not the address of a service") from error
        except TimeoutError as error:
            raise Unavailable(f"the service at {self._url} does not answer") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the service at {self._url} cannot be reached: {error}") from error


Service = tuple[str, str, str | None]
"""Address, token and purpose."""


def find_service(settings: Settings) -> Service:
    """Return address, token and purpose: from the settings, else what the service left in the data folder.

    Raises Unavailable when no service is known, Unauthorized when no token is.
    """
    files = ServiceFiles(settings.data)
    url = settings.url or files.read_url()
    if url is None:
        raise Unavailable(
            f"no service runs on {settings.data}; start one with `dossier serve`, or set DOSSIER_URL and DOSSIER_TOKEN"
        )
    token = settings.token.get_secret_value() if settings.token else files.read_token()
    if token is None:
        raise Unauthorized("no token: set DOSSIER_TOKEN; for development, `dossier token --actor ...` makes one")
    if not (token.isascii() and token.isprintable()):
        raise Unauthorized("the token is malformed")
    if settings.purpose is not None and not settings.purpose.isprintable():
        raise UsageError("DOSSIER_PURPOSE holds control characters")
    return url, token, settings.purpose


def ask(settings: Settings, path: str, params: Mapping[str, str] | None = None) -> Any:
    """Ask the service one question and return the content of its answer."""
    return asyncio.run(_ask(settings, path, params))


def ask_customer(settings: Settings, customer: str, below: str = "", params: Mapping[str, str] | None = None) -> Any:
    """Ask about a customer, named by id or by SCHEME:VALUE; `below` is the path after the id."""
    return asyncio.run(_ask_customer(settings, customer, below, params))


def order(settings: Settings, customer: str, below: str, body: Mapping[str, Any]) -> Any:
    """Send a command about a customer, as somebody who has just looked at the file; what was recorded.

    Every call is a command of its own. Raises what the service says against it.
    """
    return asyncio.run(_order(settings, customer, below, body))


def error_of(problem: Problem) -> CliError:
    """Return the error that fits a problem's status."""
    match problem.status:
        case 401 | 403:
            return Unauthorized(str(problem))
        case 404 | 410:
            return NotFound(str(problem))
        case 409 | 412 | 428:
            return Conflict(str(problem))
        case 429 | 502 | 503 | 504:
            return Unavailable(str(problem))
        case status if status < 500:  # noqa: PLR2004
            return UsageError(str(problem))
        case _:
            return CliError(str(problem))


async def _ask(settings: Settings, path: str, params: Mapping[str, str] | None) -> Any:
    async with ServiceClient(*find_service(settings)) as client:
        return (await client.get(path, params)).json()


async def _ask_customer(settings: Settings, customer: str, below: str, params: Mapping[str, str] | None) -> Any:
    async with ServiceClient(*find_service(settings)) as client:
        customer_id = await _customer_id(client, customer)
        return (await client.get(f"/v1/customers/{customer_id}{below}", params)).json()


async def _order(settings: Settings, customer: str, below: str, body: Mapping[str, Any]) -> Any:
    async with ServiceClient(*find_service(settings)) as client:
        path = f"/v1/customers/{await _customer_id(client, customer)}"
        file = await client.get(path)
        file.json()  # an error if it is one
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": file.headers["ETag"]}
        return (await client.post(path + below, orjson.dumps(body), headers)).json()


async def _customer_id(client: ServiceClient, customer: str) -> str:
    """Return the id of a customer named by id or by identifier. Raises NotFound, UsageError."""
    if (customer_id := _as_uuid(customer)) is not None:
        return customer_id
    if ":" not in customer:
        raise UsageError(f"{customer!r} names no customer: give an id, or an identifier as SCHEME:VALUE")
    page = (await client.get("/v1/customers", {"identifier": customer})).json()
    if not page["items"]:
        raise NotFound(f"no customer has the identifier {customer}")
    return quote(page["items"][0]["customer_id"])


def _as_uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _beginning(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", errors="replace").split())
