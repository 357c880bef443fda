"""What a route needs from a request: the service's parts, the caller, the preconditions, the body.

Every route but those that are open to all depends on `admitted` and `require`: nobody learns anything without a valid
token, nor without being allowed to.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final, NoReturn
from uuid import UUID

from fastapi import Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from starlette.requests import ClientDisconnect

from api.accounts import account_of
from api.bodies import LISTED, LONGEST_BODY_BYTES
from api.budgets import Budget
from api.callers import Caller
from api.current_profiles import CurrentProfiles
from api.epochs import KnownEpochs
from api.errors import Problem
from api.gathering import Gathering
from api.packs import Packs
from api.parameters import flag, require_known_parameters
from api.policy_keeper import PolicyKeeper
from api.purpose import purpose_of
from api.receipts import Receipts
from api.replaying import Replays
from api.room import SHORT_BODY_BYTES, BodyRooms, Room
from api.staff_directory import StaffDirectory
from api.tokens import TokenVerifier, unauthorized
from domain.access import Action, Principal
from domain.decisions import Change, Command, NewId, Order
from domain.decisions.proposals import PROPOSABLE, ProposeChanges
from domain.errors import FieldError, Refusal
from domain.events import Actor, Circumstances
from domain.file import CustomerFile
from ledger.policy_records import PolicyRecords
from ledger.read_ledger import ReadLedger
from ledger.records import AnyVersion, AtProfileVersion, NewFile, Submission
from ledger.staff_records import StaffRecords
from ledger.writer import Writer
from projections.basis import KnownBy
from projections.blame import BlameAsked, Blamed
from projections.catch_up import CatchUp
from projections.events import PageAsked, WholePage
from projections.past import Asked, PastFile
from projections.portfolio.members import MembersAsked
from projections.profile import CurrentRow

_ENTITY_TAG: Final = re.compile(r'(?:W/)?"(\d{1,18})(?:\.[0-9A-Za-z.]*)?"')
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that the composition root joins; a request finds them in `app.state.service`."""

    writer: Writer
    readers: AsyncConnectionPool[AsyncConnection[TupleRow]]
    verifier: TokenVerifier
    staff: StaffDirectory
    staff_records: StaffRecords
    new_id: NewId
    fold: Callable[[UUID], CustomerFile]
    """Folds a customer's whole stream, blocking; for the rare profile row of another fold version."""
    rooms: BodyRooms
    current_rows: Gathering[UUID, tuple[CurrentRow, datetime]]
    past_files: Gathering[Asked, tuple[KnownBy, PastFile | None]]
    blames: Gathering[BlameAsked, Blamed]
    event_pages: Gathering[PageAsked, WholePage]
    instants: Gathering[datetime, KnownBy]
    members: Gathering[MembersAsked, list[str]]
    current_profiles: CurrentProfiles
    catch_up: CatchUp
    read_ledger: ReadLedger | None
    """None where it is switched off."""
    replays: Replays
    packs: Packs
    receipts: Receipts
    epochs: KnownEpochs
    policy: PolicyKeeper
    policy_records: PolicyRecords
    whole_tables: asyncio.Semaphore
    """What is sent whole keeps its connection for as long as the caller takes: some must be left for everybody else."""
    requests: Budget
    """How many requests one principal may send."""
    opened: Budget
    """How many events may be opened for one principal, and rows given out to one."""
    wait_seconds: float
    """How long a read waits for a connection, and for its read model, before it answers 503."""


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who asks, from the bearer token alone. Raises Problem 401, or 429 for one who asks too often."""
    known: Caller | None = request.scope.get("dossier.caller")
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("send `Authorization: Bearer <token>`")
    caller = service_of(request).verifier.caller(token.strip())
    request.scope["dossier.caller"] = caller
    if (account := account_of(request.scope)) is not None:
        account.principal = caller.actor.id
    service_of(request).requests.take(caller.actor.id)
    return caller


def actor_of(request: Request) -> Actor:
    """The acting person, as it is recorded. Raises Problem 401."""
    return caller_of(request).actor


def principal_of(request: Request) -> Principal:
    """Who asks, as it is judged what they may do and see. Raises Problem 401."""
    return caller_of(request).principal


def admitted(request: Request) -> None:
    """Let in whoever has a valid token, asks for what there is, and says why properly. Raises Problem 401 or 422."""
    caller_of(request)
    purpose_of(request)
    require_known_parameters(request)


class Forbidden(Problem):
    """403, naming the missing permission, in the answer's head too (RFC 6750)."""

    def __init__(self, action: Action, *fields: FieldError) -> None:
        detail = f"this needs the permission {action}, which the token's roles and scopes do not give"
        super().__init__("forbidden", 403, "Not permitted", detail, *fields, permission=action.value)
        self.headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{action}"'}


def require(request: Request, action: Action, *fields: FieldError) -> None:
    """Forbidden unless the caller may do `action`; `fields` are the parts of the request that ask for it.

    Before anything is looked up: the answer to who may not ask says nothing of what there is, nor does its time.
    """
    if action not in caller_of(request).principal.granted:
        raise Forbidden(action, *fields)


class reading:  # noqa: N801 - reads as what it gives: async with reading(request) as connection
    """A connection to read through, in autocommit. Raises TooManyRequests at once, PoolTimeout when none comes in time.

    The pool's own context ends a transaction that nobody began, and costs a tenth of a read.
    """

    def __init__(self, request: Request) -> None:
        self._service = service_of(request)

    async def __aenter__(self) -> AsyncConnection[Any]:
        self._connection = await self._service.readers.getconn(self._service.wait_seconds)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._service.readers.putconn(self._connection)


def is_dry_run(request: Request) -> bool:
    return flag(request, "dry_run")


def prefers_minimal(request: Request) -> bool:
    return _prefers(request, "return=minimal")


def prefers_sealed(request: Request) -> bool:
    """Whether the answer to a write may wait until a signed checkpoint covers it."""
    return _prefers(request, "wait=sealed")


def _prefers(request: Request, preference: str) -> bool:
    return preference in request.headers.get("prefer", "").replace(" ", "").lower()


class received:  # noqa: N801 - reads as what it gives: async with received(request) as body
    """The whole body, at most LONGEST_BODY_BYTES; its room is taken until the context ends.

    Raises Problem 413, 415 or 503 and Overloaded without reading on, ClientDisconnect when it never comes. A question
    (`writes` False) is taken however many orders are waiting.
    """

    def __init__(self, request: Request, *, writes: bool = True) -> None:
        self._request = request
        self._writes = writes
        self._room: Room | None = None
        self._size = 0

    async def __aenter__(self) -> bytes:
        service = service_of(self._request)
        size = _expected_size(self._request)
        if self._writes:
            service.writer.require_room()
        self._take(service.rooms, size)
        try:
            return await self._read(service.rooms)
        except BaseException:
            self._give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    async def _read(self, rooms: BodyRooms) -> bytes:
        chunks: list[bytes] = []
        size = 0
        receive = self._request.receive
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            if not more and not chunks:
                return chunk if len(chunk) <= LONGEST_BODY_BYTES else _refuse_size()
            size += len(chunk)
            if size > LONGEST_BODY_BYTES:
                _refuse_size()
            if size > self._size:
                self._give_back()
                self._take(rooms, LONGEST_BODY_BYTES)
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)

    def _take(self, rooms: BodyRooms, size: int) -> None:
        room = rooms.of(size)
        room.take(size)
        self._room, self._size = room, size

    def _give_back(self) -> None:
        if self._room is not None:
            self._room.give_back(self._size)
            self._room = None


def _refuse_size() -> NoReturn:
    raise _too_large()


def _expected_size(request: Request) -> int:
    """The size that the head states, else that of a body that is not long. Raises Problem 413 or 415."""
    encodings = request.headers.getlist("content-encoding")
    if any(encoding.strip().lower() != "identity" for encoding in encodings):
        raise Problem(
            "content-encoding-unsupported",
            415,
            "Compressed bodies are not taken",
            "send the body as it is",
            FieldError("Content-Encoding", "leave it out"),
        )
    stated = request.headers.get("content-length")
    if stated is None:
        return SHORT_BODY_BYTES if "transfer-encoding" in request.headers else 0
    if int(stated) > LONGEST_BODY_BYTES:  # the server has made sure that it is a number
        raise _too_large()
    return int(stated)


def _too_large() -> Problem:
    return Problem("body-too-large", 413, "The body is too large", f"at most {LONGEST_BODY_BYTES} bytes are taken")


def submission_of(
    request: Request, body: bytes, customer_id: UUID, changes: Sequence[Change], *, new: bool = False
) -> Submission:
    """The order that a request makes, with its preconditions. Raises Problem or Refusal."""
    _require_permitted(request, changes)
    actor = actor_of(request)
    dry_run = is_dry_run(request)
    account = account_of(request.scope)
    order = Order(
        customer_id,
        tuple(changes),
        actor,
        request_id=None if account is None else account.stated_id,
        idempotency_key=_key_of(request, is_dry_run=dry_run),
        trace_id=None if account is None else account.stated_trace_id,
        deputy_of=caller_of(request).deputy_of,
    )
    return Submission(
        order,
        NewFile() if new else _expected(request),
        digest_of(request, body),
        _identifiers(changes),
        dry_run,
    )


def digest_of(request: Request, body: bytes) -> bytes:
    """What tells a request from another one under the same idempotency key."""
    return hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode() + body).digest()


def _require_permitted(request: Request, changes: Sequence[Change]) -> None:
    """Forbidden for a listed or proposed change that is not allowed by itself, and for what only importers do.

    The route has been answered for; what opens a file belongs to opening it.
    """
    for place, command, circumstances in chain.from_iterable(map(_asked_for, changes)):
        if place.startswith(LISTED):
            require(request, command.action, FieldError(place, f"{command.records.type} needs {command.action}"))
        if circumstances.initial_load:
            require(request, Action.IMPORT, FieldError(f"{place}/initial_load", "marks what importers bring"))


def _asked_for(change: Change) -> Iterator[tuple[str, type[Command], Circumstances]]:
    """The change itself with its place in the body, and those that it proposes with theirs."""
    yield change.pointer, type(change.command), change.circumstances
    if isinstance(change.command, ProposeChanges):
        for index, proposed in enumerate(change.command.changes):
            yield f"{LISTED}{index}", PROPOSABLE[proposed.type], proposed.circumstances


def _identifiers(changes: Sequence[Change]) -> frozenset[tuple[str, str]]:
    named: set[tuple[str, str]] = set()
    for change in changes:
        try:
            named |= change.command.identifiers()
        except Refusal as refusal:
            refusal.move_below(change.pointer)
            raise
    return frozenset(named)


def _key_of(request: Request, *, is_dry_run: bool) -> str | None:
    """None on a dry run, which takes effect under no key; one that is stated must be one all the same."""
    if is_dry_run and "idempotency-key" not in request.headers:
        return None
    key = idempotency_key(request)
    return None if is_dry_run else key


def idempotency_key(request: Request) -> str:
    """Under what a write may be sent again. Raises Problem 400."""
    key = request.headers.get("idempotency-key", "").strip('"')
    if not key:
        raise Problem(
            "idempotency-key-missing",
            400,
            "An idempotency key is required",
            "a retry must be recognisable",
            FieldError("Idempotency-Key", "send a unique text with every write"),
        )
    if not _KEY.fullmatch(key):
        raise Problem(
            "idempotency-key-malformed",
            400,
            "The idempotency key is malformed",
            "not usable as a key",
            FieldError("Idempotency-Key", "1 to 255 printable ASCII characters without blanks"),
        )
    return key


def _expected(request: Request) -> AtProfileVersion | AnyVersion:
    stated = request.headers.get("if-match")
    if stated is None:
        raise Problem(
            "precondition-required",
            428,
            "If-Match is required",
            "say which version of the file you looked at",
            FieldError("If-Match", "send the ETag of the profile you read"),
            invariant="I3",
        )
    if stated.strip() == "*":
        require(request, Action.IMPORT, FieldError("If-Match", "* writes without looking"))
        return AnyVersion()
    match = _ENTITY_TAG.fullmatch(stated.strip())
    if match is None:
        raise Problem(
            "precondition-malformed",
            400,
            "If-Match is malformed",
            "not an ETag of this service",
            FieldError("If-Match", 'one ETag, such as "17.0"'),
        )
    return AtProfileVersion(int(match[1]))
