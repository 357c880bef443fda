"""read.profile: one row per customer, the present file folded and ready, written with the events themselves.

Owns what the column `state` says; how that is written down is in stored_state.py. What must stay true: a decoded row
equals the file that was encoded, so that deciding on a row is deciding on the stream. A change to the bytes or to the
fold raises FOLD_VERSION; rows of another fold version are not decoded; whoever needs the file folds its stream anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db import arrays
from db.queries import load
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import LegalBasis
from domain.events.proposals import ChangeProposed
from domain.file import CustomerFile, TierRequest
from domain.privacy import ErasureRequest, LegalHold, Privacy
from domain.proposals import OpenProposal
from domain.values import LATEST
from ledger.plain import to_json
from ledger.statements import FileChange, Joinable, Statement
from projections import stored_state
from projections.errors import FoldOutdated
from projections.stored_slots import StoredSlots

FOLD_VERSION: Final = 4

_QUERIES: Final = load("projections", "profile.sql")
_MOST_REMEMBERED: Final = 1000
_NO_PRIVACY: Final = Privacy()
_Row = tuple[Any, ...]  # version, profile_version, boundaries, as_of, fold_version, state, next_boundary


class _Remembered(NamedTuple):
    """A row and the file that it says."""

    row: _Row
    file: CustomerFile


class ProfileView:
    """The inline view: statements for the writer's own transaction.

    Remembers what it encoded or decoded last, by the whole row: a customer written again and again is not taken
    apart each time. Files are changed in copies only, so a remembered one stays what its row says.
    """

    def __init__(self) -> None:
        self._remembered: OrderedDict[UUID, _Remembered] = OrderedDict()

    def load(self, customer_ids: Iterable[UUID]) -> Statement:
        """The statement that brings the rows of these customers; `decode` reads what it returns."""
        return Statement(_QUERIES["load"], {"customer_ids": arrays.uuids(customer_ids)})

    def decode(self, row: Sequence[Any]) -> CustomerFile | None:
        """The file in a row of `load`; None for a row of another fold version, to be folded anew.

        Raises StateMalformed.
        """
        customer_id, columns = row[0], tuple(row[1:-1])
        files = self._remembered  # `forget` may put others in their place meanwhile
        remembered = files.get(customer_id)
        if remembered is not None and remembered.row == columns:
            files.move_to_end(customer_id)
            return remembered.file
        *of_file, next_boundary = columns
        file = decode(customer_id, of_file)
        if file is not None:
            file.quiet_until = next_boundary or LATEST  # so that nobody looks through all slots for it
            self._remember(columns, file)
        return file

    def _encode(self, file: CustomerFile) -> bytes:
        file.slots = StoredSlots.of(file.slots)  # the next write puts together what it changes, and nothing else
        state = encode(file)
        numbers = (file.version, file.profile_version, file.boundaries, file.as_of, FOLD_VERSION)
        self._remember((*numbers, state, file.next_boundary()), file)
        return state

    def _remember(self, row: _Row, file: CustomerFile) -> None:
        files = self._remembered
        files[file.customer_id] = _Remembered(row, file)
        files.move_to_end(file.customer_id)
        if len(files) > _MOST_REMEMBERED:
            files.popitem(last=False)

    def forget(self) -> None:
        """Remember nothing, from any thread: what another process erased must not stay in our memory."""
        self._remembered = OrderedDict()

    def statements(self, changes: Sequence[FileChange]) -> list[Statement]:
        """One upsert of all changed files, in the order of their keys."""
        files = sorted((change.after for change in changes), key=lambda file: file.customer_id)
        if not files:
            return []
        columns = {
            "customer_ids": arrays.uuids([file.customer_id for file in files]),
            "file_versions": arrays.bigints([file.version for file in files]),
            "profile_versions": arrays.bigints([file.profile_version for file in files]),
            "boundaries": arrays.bigints([file.boundaries for file in files]),
            "as_of": arrays.timestamps([file.as_of for file in files]),
            "next_boundaries": arrays.timestamps([file.next_boundary() for file in files]),
            "fold_versions": arrays.integers([FOLD_VERSION] * len(files)),
            "states": arrays.byteas([self._encode(file) for file in files]),
        }
        return [Joinable(_QUERIES["save"], columns)]


class CurrentRow(NamedTuple):
    """A customer's row as it is stored. Two that are equal say the same, at any instant."""

    version: int
    profile_version: int
    boundaries: int
    as_of: datetime
    fold_version: int
    state: bytes

    def file(self, customer_id: UUID) -> CustomerFile:
        """The file that the row says, folded up to `as_of`. Raises FoldOutdated, StateMalformed."""
        file = decode(customer_id, self)
        if file is None:
            raise FoldOutdated(customer_id, self.fold_version)
        return file


async def current(
    connection: AsyncConnection[Any], customer_ids: Collection[UUID]
) -> dict[UUID, tuple[CurrentRow, datetime]]:
    """The rows of these customers, each with the database's clock when it was read; none for who is not registered."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(_QUERIES["current"], {"customer_ids": list(customer_ids)})
    return {row[0]: (CurrentRow(*row[1:7]), row[7]) for row in await cursor.fetchall()}


def encode(file: CustomerFile) -> bytes:
    """What the columns of a row do not hold: the slots, the open requests and the state of the file."""
    state: dict[str, Any] = {
        "kind": file.kind,
        "archived": file.archived,
        "registered_at": file.registered_at,
        "effective_since": file.effective_since,
        "requests": [_fields(request) for request in file.requests.values()],
        "slots": StoredSlots.of(file.slots).arrays(),
    }
    if file.proposals:
        state["proposals"] = [_proposal_json(proposal) for proposal in file.proposals.values()]
    if file.privacy != _NO_PRIVACY:  # of nearly every file there is nothing to say
        state["privacy"] = {
            "requests": [_fields(request) for request in file.privacy.requests.values()],
            "holds": [_fields(hold) for hold in file.privacy.holds.values()],
            "erased": {str(subject): by for subject, by in file.privacy.erased.items()},
        }
    return stored_state.dump(state)


def decode(customer_id: UUID, row: Sequence[Any]) -> CustomerFile | None:
    """The file from (version, profile_version, boundaries, as_of, fold_version, state); None if outdated.

    Raises StateMalformed.
    """
    version, profile_version, boundaries, as_of, fold_version, state = row
    if fold_version != FOLD_VERSION:
        return None
    content = stored_state.load(state)
    requests = map(_request, content["requests"])
    return CustomerFile(
        customer_id,
        as_of,
        version,
        profile_version,
        boundaries,
        CustomerKind(content["kind"]) if content["kind"] else None,
        content["archived"],
        _instant(content["registered_at"]),
        _instant(content["effective_since"]),
        {request.request_id: request for request in requests},
        StoredSlots(content["slots"], {}),
        privacy=_privacy(content["privacy"]) if "privacy" in content else _NO_PRIVACY,
        proposals={proposal.proposal_id: proposal for proposal in map(_proposal, content.get("proposals", ()))},
    )


def _fields(item: TierRequest | ErasureRequest | LegalHold) -> list[Any]:
    return [getattr(item, name) for name in item.__slots__]


def _privacy(content: dict[str, Any]) -> Privacy:
    requests = [_named(ErasureRequest, fields, "request_id", "subject", "event_id") for fields in content["requests"]]
    holds = [_named(LegalHold, fields, "hold_id", "event_id") for fields in content["holds"]]
    for request in requests:
        request["legal_basis"] = LegalBasis(request["legal_basis"])
    return Privacy(
        {request["request_id"]: ErasureRequest(**request) for request in requests},
        {hold["hold_id"]: LegalHold(**hold) for hold in holds},
        {UUID(subject): UUID(by) for subject, by in content["erased"].items()},
    )


def _named(kind: type[TierRequest | ErasureRequest | LegalHold], fields: list[Any], *ids: str) -> dict[str, Any]:
    named = dict(zip(kind.__slots__, fields, strict=True))
    return named | {name: UUID(named[name]) for name in ids}


def _request(fields: list[Any]) -> TierRequest:
    named = _named(TierRequest, fields, "request_id", "event_id")
    for name in ("takes_effect", "expires_at"):
        named[name] = _instant(named[name])
    return TierRequest(**named)


def _proposal_json(proposal: OpenProposal) -> dict[str, Any]:
    fields = {name: getattr(proposal, name) for name in OpenProposal.__slots__ if name != "content"}
    return {**fields, "content": orjson.Fragment(to_json(proposal.content))}


def _proposal(fields: dict[str, Any]) -> OpenProposal:
    content = ChangeProposed.model_validate(fields["content"])
    return OpenProposal(**{**fields, "content": content, "event_id": UUID(fields["event_id"])})


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
