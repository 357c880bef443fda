"""The one write path: a batch of orders is decided against what is stored and saved in one transaction.

Nobody holds a lock while deciding. The primary keys of ledger.event, read.identifier and ledger.idempotency
are the arbiters between processes: whoever commits second breaks one of them, loads anew and decides anew.
What `process` returns as a Receipt is durable; what it returns as an error left nothing behind, except that of
Unavailable nobody knows (a retry under the same idempotency key finds out).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

import psycopg
import structlog
from eventsourcing import persistence

from domain.decisions import NewId, masked_from, record
from domain.errors import AlreadyRegistered, CustomerUnknown, FieldError, VersionConflict
from domain.events import RecordedEvent
from domain.events.contacts import ContactAdded
from domain.events.lifecycle import CustomerRegistered
from domain.events.privacy import PersonalDataErased
from domain.events.proposals import ChangeProposed
from domain.file import CustomerFile
from domain.policy import Policy, first_edition
from ledger.application import Ledger
from ledger.codec import subjects_of
from ledger.errors import (
    Overloaded,
    StorageExhausted,
    Unavailable,
    is_conflict,
    is_exhausted,
    is_unavailable,
)
from ledger.idempotency import Earlier, Idempotency, repeated
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.statements import FileChange, FileView, HolderView
from ledger.submissions import AnyVersion, AtProfileVersion, NewFile, Outcome, Pending, Receipt, Submission

__all__ = ["AnyVersion", "AtProfileVersion", "NewFile", "Outcome", "Pending", "Receipt", "Records", "Submission"]

PATIENCE_SECONDS: Final = 5.0

_LOG: Final = structlog.get_logger("ledger.records")
_NO_SPACE: Final = "the database has no space left"
_ATTEMPTS: Final = 3
_ATTEMPTS_ALONE: Final = 20
_CONFLICT_SECONDS: Final = 0.02  # at most, at random: two processes must not meet again in step
_RECONNECT_SECONDS: Final = 0.2
_CONNECTION_SECONDS: Final = 1.0  # that much at least for a connection, however little patience is left
_OBSTACLE_SECONDS: Final = 5.0
"""How long an obstacle is told of that no order has met again: only orders find out that it is gone."""


@dataclass(slots=True)
class _World:
    """What one batch is decided against; it moves on with every accepted order."""

    now: datetime
    policy: Policy
    files: dict[UUID, CustomerFile]
    holders: dict[tuple[str, str], UUID]
    earlier: dict[str, Earlier]
    receipts: dict[str, tuple[Submission, Receipt]] = field(default_factory=dict)
    before_claims: dict[UUID, frozenset[tuple[str, str]]] = field(default_factory=dict)
    moved: set[UUID] = field(default_factory=set)


class Records:
    """Decides and saves. One thread at a time; `read_history` may be called from any.

    When the database goes away, a batch waits `patience_seconds` for it, later ones only an instant until it is back.
    """

    def __init__(
        self,
        ledger: Ledger,
        pool: Pool,
        keys: KeyStore,
        *,
        files: FileView,
        holders: HolderView,
        new_id: NewId,
        policy: Callable[[], Policy] = first_edition,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._pool = pool
        self._keys = keys
        self._files = files
        self._holders = holders
        self._new_id = new_id
        self._policy = policy
        self._patience_seconds = patience_seconds
        self._idempotency = Idempotency(ledger, keys)
        self._reachable = True
        self._exhausted_at = float("-inf")

    @property
    def obstacle(self) -> str | None:
        """What keeps orders from being saved although the database answers; to be asked from any thread."""
        is_met = time.monotonic() - self._exhausted_at < _OBSTACLE_SECONDS
        return _NO_SPACE if is_met else None

    def process(self, batch: Sequence[Pending]) -> list[Outcome]:
        """One outcome per pending submission, in order. HistoryNeeded is one too: read it and come again."""
        return self._settle(batch, time.monotonic() + (self._patience_seconds if self._reachable else 0))

    def read_history(self, customer_id: UUID) -> CustomerFile:
        """The customer's file folded from the whole stream. Raises CustomerUnknown."""
        file = CustomerFile.folded(customer_id, self._ledger.history(customer_id))
        if file.version == 0:
            raise CustomerUnknown(f"there is no customer {customer_id}")
        return file

    # Trying, and trying again

    def _settle(self, batch: Sequence[Pending], deadline: float) -> list[Outcome]:
        """Attempt until it is done, is hopeless as a whole, or the database has been away past the deadline."""
        conflicts, conflicts_at_most = 0, _ATTEMPTS if len(batch) > 1 else _ATTEMPTS_ALONE
        while True:
            try:
                outcomes = self._attempt(batch, deadline)
            except Exception as error:  # noqa: BLE001 - told apart here; none is swallowed
                if is_exhausted(error):  # no order's fault, and none would fare better alone
                    return self._without_space(batch, error)
                if is_unavailable(error):
                    if time.monotonic() >= deadline:
                        return self._given_up(batch, error)
                    # Whether a commit arrived is unknown; deciding anew finds out by the idempotency keys.
                    time.sleep(_RECONNECT_SECONDS)
                    continue
                conflicts += is_conflict(error)
                if not is_conflict(error) or conflicts >= conflicts_at_most:
                    return self._halved(batch, error, deadline)
                time.sleep(random.uniform(0, _CONFLICT_SECONDS))  # noqa: S311 - no secret  # nosec B311
            else:
                self._reachable = True
                return outcomes

    def _given_up(self, batch: Sequence[Pending], error: Exception) -> list[Outcome]:
        self._reachable = False
        _LOG.warning("the database does not answer", orders=len(batch), error=_kind(error))
        return [_caused(Unavailable("the database does not answer"), error) for _ in batch]

    def _without_space(self, batch: Sequence[Pending], error: Exception) -> list[Outcome]:
        self._exhausted_at = time.monotonic()
        _LOG.error(_NO_SPACE, orders=len(batch), error=_kind(error))
        return [_caused(StorageExhausted(_NO_SPACE), error) for _ in batch]

    def _halved(self, batch: Sequence[Pending], error: Exception, deadline: float) -> list[Outcome]:
        """Find the culprit: alone it fails alone, and the others go through."""
        if len(batch) == 1:
            customer_id = batch[0].submission.order.customer_id
            _LOG.warning("order failed", customer_id=str(customer_id), error=_kind(error))
            return [_failure(error)]
        middle = len(batch) // 2
        return self._settle(batch[:middle], deadline) + self._settle(batch[middle:], deadline)

    def _attempt(self, batch: Sequence[Pending], deadline: float) -> list[Outcome]:
        world = self._load([pending.submission for pending in batch], deadline)
        outcomes = [self._outcome(pending, world) for pending in batch]
        accepted = [
            (pending, outcome)
            for pending, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Receipt) and not outcome.replayed and not pending.submission.dry_run
        ]
        if accepted:
            try:
                self._save([(pending.submission, receipt) for pending, receipt in accepted], world)
            except Exception as error:
                for pending, _ in accepted:
                    pending.in_doubt = is_unavailable(error) and pending.submission.order.idempotency_key is None
                raise
            self._exhausted_at = float("-inf")
        return outcomes

    # Loading

    def _load(self, submissions: Sequence[Submission], deadline: float) -> _World:
        """Everything the batch needs, and the database's clock, in one round trip."""
        ids = {submission.order.customer_id for submission in submissions}
        named = {claim for submission in submissions for claim in submission.identifiers}
        keys = [submission.order.idempotency_key for submission in submissions if submission.order.idempotency_key]
        patience_seconds = max(deadline - time.monotonic(), _CONNECTION_SECONDS)
        with self._pool.connection(timeout=patience_seconds) as connection, connection.pipeline():
            files = connection.cursor(binary=True).execute(*self._files.load(sorted(ids)))
            holders = connection.execute(*self._holders.holders(named)) if named else None
            earlier = connection.execute(*self._idempotency.earlier(keys)) if keys else None
            rows = files.fetchall()
            world = _World(
                rows[0][-1],
                self._policy(),
                {},
                {(scheme, value): holder for scheme, value, holder in holders.fetchall()} if holders else {},
                {row[0]: Earlier(*row[1:]) for row in earlier.fetchall()} if earlier else {},
            )
        # Reading a history takes a connection of its own, so the one above has been given back.
        stored = [row for row in rows if row[1] is not None]
        world.files = {row[0]: self._files.decode(row) or self.read_history(row[0]).copy() for row in stored}
        return world

    # Deciding

    def _outcome(self, pending: Pending, world: _World) -> Outcome:
        if pending.in_doubt:
            return Unavailable(
                "the connection was lost while this was saved, and no idempotency key tells whether it was"
            )
        try:
            return self._decide(pending, world)
        except Exception as error:
            if is_unavailable(error):
                raise
            return error  # this order's, not the batch's

    def _decide(self, pending: Pending, world: _World) -> Receipt:
        submission, order = pending.submission, pending.submission.order
        if order.idempotency_key is not None:
            if (again := world.receipts.get(order.idempotency_key)) is not None:
                return repeated(submission, *again)
            if (earlier := world.earlier.get(order.idempotency_key)) is not None:
                return self._idempotency.replay(submission, earlier)
        draft = self._draft(pending, world)
        before = draft.version
        draft, events = record(order, draft, draft.as_of, self._new_id, world.holders, policy=world.policy)
        masked = {event.envelope.version: at for event in events if (at := masked_from(event, draft)) is not None}
        draft.history = None
        receipt = Receipt(order.customer_id, before == 0, draft.profile_version, draft.revision, tuple(events), masked)
        if not submission.dry_run:
            _move_on(world, submission, draft, receipt)
        return receipt

    def _draft(self, pending: Pending, world: _World) -> CustomerFile:
        """A copy of the file at hand, folded forward to the clock, once the preconditions hold."""
        submission = pending.submission
        customer_id = submission.order.customer_id
        file = world.files.get(customer_id)
        if isinstance(submission.expected, NewFile):
            if file is not None:
                raise AlreadyRegistered(f"customer {customer_id} exists", FieldError("/customer_id", "is taken"))
            return CustomerFile(customer_id, as_of=world.now)
        if file is None:
            raise CustomerUnknown(f"there is no customer {customer_id}")
        draft = self._whole(pending, file, world) or file.copy()
        draft.advance(max(world.now, file.as_of))
        match submission.expected:
            case AtProfileVersion(number=number) if number != draft.profile_version:
                raise VersionConflict(
                    f"the file has moved on to version {draft.profile_version}",
                    FieldError("If-Match", f"names version {number}"),
                    current=draft.revision,
                )
        return draft

    def _whole(self, pending: Pending, file: CustomerFile, world: _World) -> CustomerFile | None:
        """The pending order's history, brought up to the file at hand; None without one.

        Only its last events are read here: a file that moves on all the time would never meet a history in time.
        """
        history = pending.history
        if history is None or file.customer_id in world.moved:  # what moved it is not stored yet: come again
            return None
        pending.history = None  # deciding changes it
        if history.version < file.version:
            for event in self._ledger.history(file.customer_id, gt=history.version, lte=file.version):
                history.advance(event.envelope.recorded_at)
                history.apply(event)
        return history if history.version == file.version else None

    # Saving

    def _save(self, accepted: Sequence[tuple[Submission, Receipt]], world: _World) -> None:
        """One transaction: events and payloads, identifiers, idempotency keys, profiles, the queue to the sealer.

        If the process dies before the commit nothing of it is there; if it dies after, all of it is, and a
        retry of any of its requests finds its idempotency key.
        """
        events = [event for _, receipt in accepted for event in receipt.events]
        for event in events:
            if (newcomer := _newcomer(event)) is not None:
                self._keys.forget(newcomer)  # another file may have erased them since: their key is looked up anew
        self._keys.ensure({subject for event in events for subject in subjects_of(event)})
        changed = {receipt.customer_id for _, receipt in accepted}
        changes = [
            FileChange(world.before_claims.get(customer_id), world.files[customer_id]) for customer_id in changed
        ]
        inline = [
            *self._holders.statements(changes),
            *self._idempotency.statements(accepted),
            *self._files.statements(changes),
        ]
        recorded_at = [event.envelope.recorded_at.isoformat() for event in events]
        hashes: list[bytes] = []
        self._ledger.save(*events, inline=inline, recorded_at=recorded_at, entry_hashes=hashes)
        remaining = iter(hashes)
        for _, receipt in accepted:  # those of repetitions in this batch share the list
            receipt.entry_hashes.extend(islice(remaining, len(receipt.events)))


def _move_on(world: _World, submission: Submission, draft: CustomerFile, receipt: Receipt) -> None:
    """What the rest of the batch sees of an accepted order."""
    customer_id = draft.customer_id
    before = world.files.get(customer_id)
    world.files[customer_id] = draft
    world.moved.add(customer_id)
    if any(_may_touch_identifiers(event) for event in receipt.events):
        world.before_claims.setdefault(customer_id, frozenset(before.claims() if before else ()))
        held = draft.claims()
        for claim in [claim for claim, holder in world.holders.items() if holder == customer_id]:
            if claim not in held:
                del world.holders[claim]
        world.holders.update(dict.fromkeys(held, customer_id))
    if submission.order.idempotency_key is not None:
        world.receipts[submission.order.idempotency_key] = (submission, receipt)


def _may_touch_identifiers(event: RecordedEvent) -> bool:
    if isinstance(event.payload, PersonalDataErased):
        return event.payload.subject == event.envelope.customer_id
    return event.envelope.retracts is not None or any(fact.slot.startswith("/identifiers/") for fact in event.facts)


def _newcomer(event: RecordedEvent) -> UUID | None:
    """Whom the file may speak of for the first time with this event; their id is the caller's choice."""
    match event.payload:
        case CustomerRegistered():
            return event.envelope.customer_id
        case ContactAdded(contact_id=subject) | ChangeProposed(subject=subject):
            return subject
        case _:
            return None


def _failure(error: Exception) -> Exception:
    """What the caller of an order that failed alone is told."""
    if is_conflict(error):
        return _caused(Overloaded("others keep writing what this order is about"), error)
    if isinstance(error, psycopg.OperationalError | persistence.OperationalError):
        return _caused(Unavailable("the database could not finish in time"), error)
    return error


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _kind(error: Exception) -> str:
    """An error without its text, which may quote a row."""
    cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
    sqlstate = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return f"{type(error).__name__} {sqlstate or ''}".strip()
