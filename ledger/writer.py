"""Group commit: one writer thread takes all waiting submissions and has them decided and saved as one batch.

A batch costs the same handful of statements, round trips and one commit whatever its size. Whoever was answered often
asks again at once, so the writer waits a moment for as many as the last batch had: a lone caller never waits, and many
share a commit.

Callers await a future; all futures of a batch, refusals too, are resolved after its commit. A submission that
needs its customer's whole history leaves the batch: a helper thread reads and folds it, and hands it back, to be
brought up to the version that then stands. The queue is bounded; beyond it callers are told to come back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import structlog

from domain.errors import HistoryNeeded
from ledger.errors import Overloaded, Unavailable
from ledger.records import Outcome, Pending, Receipt, Records, Submission

_LOG: Final = structlog.get_logger("ledger.writer")
WAITING: Final = 4096
WAITING_CHANGES: Final = 20_000

BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Orders in a batch; a batch is counted at the first that it has no more orders than."""

_BATCH: Final = BATCH_BOUNDS[-1]
_BATCH_CHANGES: Final = 2000
_GATHER_SECONDS: Final = 0.01
_GATHER_SHARE: Final = 0.5
"""How long a batch may be waited for: a share of what the last one took, so that nobody waits twice as long for it."""
_HISTORIES: Final = 20  # each after the first was lost to another process's write at the very moment of saving


@dataclass(slots=True, eq=False)
class _Ticket:
    pending: Pending
    future: asyncio.Future[Receipt]

    @property
    def changes(self) -> int:
        return len(self.pending.submission.order.changes)


@dataclass(frozen=True, slots=True)
class WriterStanding:
    """`batches` by BATCH_BOUNDS, and none behind the last; `orders` in all of them. Waiting are those at hand, too."""

    batches: tuple[int, ...]
    orders: int
    orders_waiting: int
    changes_waiting: int


class Writer:
    """Start it inside the event loop that submits. `stop` lets what is waiting finish.

    `waiting` is how many submissions may be open at once, the batch at hand included, and `waiting_changes` how many
    changes they may hold between them: what is taken must be answered before its caller loses patience.
    """

    def __init__(self, records: Records, *, waiting: int = WAITING, waiting_changes: int = WAITING_CHANGES) -> None:
        self._records = records
        self._open_at_most = waiting
        self._open_changes_at_most = waiting_changes
        self._waiting: deque[_Ticket] = deque()
        self._unread: deque[_Ticket] = deque()
        lock = threading.Lock()  # one for both threads; each is woken only for work of its own
        self._changed = threading.Condition(lock)
        self._changed_for_reader = threading.Condition(lock)
        self._open = 0
        self._open_changes = 0
        self._stopping = False
        self._wanted = 1
        self._usual = 1
        self._took_seconds = 0.0
        self._batches = [0] * (len(BATCH_BOUNDS) + 1)
        self._orders = 0
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._write, name="writer", daemon=True),
            threading.Thread(target=self._read_histories, name="history-reader", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Refuse what is new, finish what is waiting, end the threads."""
        with self._changed:
            self._stopping = True
            self._wake_all()
        for thread in self._threads:
            thread.join()

    @property
    def alive(self) -> bool:
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    @property
    def obstacle(self) -> str | None:
        """What keeps orders from being saved although writer and database are at work."""
        return self._records.obstacle

    @property
    def standing(self) -> WriterStanding:
        """Since the start, and now; to be asked from any thread."""
        return WriterStanding(tuple(self._batches), self._orders, self._open, self._open_changes)

    def require_room(self) -> None:
        """Raise Overloaded when no order would be taken now: good to know before much work is put into one."""
        if self._open >= self._open_at_most or self._open_changes >= self._open_changes_at_most:
            raise Overloaded(f"{self._open} orders of {self._open_changes} changes are waiting")

    async def submit(self, submission: Submission) -> Receipt:
        """The receipt once it is durable. Raises Refusal, Overloaded, Unavailable, StorageExhausted, or else."""
        future = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._stopping:
                raise Unavailable("the service is stopping")
            self.require_room()
            ticket = _Ticket(Pending(submission), future)
            self._open += 1
            self._open_changes += ticket.changes
            self._waiting.append(ticket)
            if len(self._waiting) == self._wanted:
                self._changed.notify()
        receipt: Receipt = await future
        return receipt

    def _write(self) -> None:
        while batch := self._next_batch():
            began = time.monotonic()
            self._finish(self._outcomes(batch))
            self._took_seconds = time.monotonic() - began

    def _outcomes(self, batch: list[_Ticket]) -> list[tuple[_Ticket, Outcome]]:
        try:
            outcomes = self._records.process([ticket.pending for ticket in batch])
            return list(zip(batch, outcomes, strict=True))
        except Exception as error:  # noqa: BLE001 - a bug, which must answer its callers and leave the thread alive
            _LOG.exception("a batch failed as a whole")
            return [(ticket, error) for ticket in batch]

    def _next_batch(self) -> list[_Ticket]:
        """All that waits, up to the limits; empty when everything is done and the writer is stopping."""
        with self._changed:
            self._wanted = 1
            while not self._waiting:
                if self._stopping and self._open == 0:
                    return []
                self._changed.wait()
            self._gather()
            self._wanted = 0
            batch: list[_Ticket] = []
            changes = 0
            while self._waiting and len(batch) < _BATCH and changes < _BATCH_CHANGES:
                batch.append(self._waiting.popleft())
                changes += batch[-1].changes
            self._usual = len(batch)
            self._batches[(len(batch) - 1).bit_length()] += 1
            self._orders += len(batch)
            return batch

    def _gather(self) -> None:
        """Wait a moment for as many as the last batch had."""
        self._wanted = self._usual
        deadline = time.monotonic() + min(_GATHER_SECONDS, self._took_seconds * _GATHER_SHARE)
        while len(self._waiting) < self._wanted and not self._stopping:
            if not self._changed.wait(deadline - time.monotonic()):
                break

    def _finish(self, outcomes: list[tuple[_Ticket, Outcome]]) -> None:
        """Answer first: reading a history may take long, and the others' events are already recorded."""
        self._answer([(ticket, outcome) for ticket, outcome in outcomes if not isinstance(outcome, HistoryNeeded)])
        for ticket, outcome in outcomes:
            if isinstance(outcome, HistoryNeeded):
                self._set_aside(ticket)

    def _set_aside(self, ticket: _Ticket) -> None:
        if ticket.pending.history is not None:  # the batch itself moved the file on
            self._put_first(ticket)
        elif ticket.pending.histories_read >= _HISTORIES:
            self._answer([(ticket, Overloaded("others keep writing what this order is about"))])
        else:
            with self._changed:
                self._unread.append(ticket)
                self._changed_for_reader.notify()

    def _read_histories(self) -> None:
        while True:
            with self._changed:
                while not self._unread:
                    if self._stopping and self._open == 0:
                        return
                    self._changed_for_reader.wait()
                ticket = self._unread.popleft()
            self._read_history(ticket)

    def _read_history(self, ticket: _Ticket) -> None:
        ticket.pending.histories_read += 1
        try:
            ticket.pending.history = self._records.read_history(ticket.pending.submission.order.customer_id)
        except Exception as error:  # noqa: BLE001 - it is this caller's answer
            self._answer([(ticket, error)])
        else:
            self._put_first(ticket)

    def _put_first(self, ticket: _Ticket) -> None:
        with self._changed:
            self._waiting.appendleft(ticket)
            self._changed.notify()

    def _wake_all(self) -> None:
        self._changed.notify()
        self._changed_for_reader.notify()

    def _answer(self, answered: list[tuple[_Ticket, Outcome]]) -> None:
        if not answered:
            return
        with self._changed:
            self._open -= len(answered)
            self._open_changes -= sum(ticket.changes for ticket, _ in answered)
            if self._stopping:
                self._wake_all()
        assert self._loop is not None  # noqa: S101 - set by start
        try:
            self._loop.call_soon_threadsafe(_resolve, answered)
        except RuntimeError:  # the loop is closed and nobody waits any more; what was committed stays committed
            _LOG.warning("nobody waits for the answers any more", orders=len(answered))


def _resolve(answered: list[tuple[_Ticket, Outcome]]) -> None:
    for ticket, outcome in answered:
        if ticket.future.done():  # the client went away; what was committed stays committed
            continue
        if isinstance(outcome, Receipt):
            ticket.future.set_result(outcome)
        else:
            ticket.future.set_exception(outcome)
