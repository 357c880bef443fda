"""The record of who read what, kept by one process: gathered in memory, or durable before the answer leaves.

Whoever shows values of the class SENSITIVE waits until the view is committed; many who wait share a commit. All other
views are added up for a second and then written, those that are alike as one; a kill loses that second. A thread
writes, so that nothing but an entry in a dictionary is asked of the event loop.

What must stay true: a view is never told less often than it was; after a lost connection it may be told twice. What
cannot be written is kept and tried again, up to a bound; beyond it nothing more is shown (Overloaded).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from domain.events import Actor, ActorKind
from domain.events.access import AccessPayload, Seen
from ledger.errors import Overloaded, Unavailable
from ledger.read_events import Reading, Shown, Turn, events_in, events_of
from ledger.service_records import ServiceEvent, ServiceRecords

GATHER_SECONDS: Final = 1.0

_LOG: Final = structlog.get_logger("ledger.reads")
_PROCESS: Final = Actor(id="dossier", kind=ActorKind.SYSTEM)
_MOST_GATHERED: Final = 20_000
"""So many views that differ are handed over at once, however short ago the last ones were."""
_MOST_KEPT: Final = 200_000
"""So many wait to be written before nothing more is shown: some tens of megabytes, and minutes of a busy process."""
_MOST_NAMED: Final = 20_000
"""So many customers are named, of the answers about many that one turn gathers; of further answers how many there were,
their hash, and what had been asked."""
_EVENTS_PER_STREAM: Final = 1000
"""After so many a stream is left for a new one, as it is at midnight: who verifies holds one stream at a time."""
_RETRY_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 5.0
"""How long a stop waits for a database that is away."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """Who shows nothing until these are written."""

    events: list[AccessPayload]
    written: asyncio.Future[None]


class ReadLedger:
    """One per process. Everything but what `_write` calls belongs to the event loop that `start` is called in."""

    def __init__(self, records: ServiceRecords, *, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock
        self._turn = Turn(clock())
        self._changed = threading.Condition()
        self._turns: deque[Turn] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._kept = 0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stream, self._version, self._day = uuid7(), 0, ""

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, name="read-ledger", daemon=True)
        self._thread.start()
        self._timer = self._loop.call_later(GATHER_SECONDS, self._tick)

    def stop(self) -> None:
        """Write what was gathered, and end. What a database that stays away does not take is lost, and logged."""
        if self._timer is not None:
            self._timer.cancel()
        with self._changed:
            self._hand_over()
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # Gathering, in the event loop

    def viewed(self, reading: Reading, customer_id: UUID, request_id: str | None = None) -> None:
        """Somebody is about to see a customer's data, nothing SENSITIVE among it. Raises Overloaded."""
        turn = self._turn
        customers = turn.views.get(reading)
        if customers is None or customer_id not in customers:
            self._require_room()
            turn = self._turn
            customers = turn.views.setdefault(reading, {})
            customers[customer_id] = 1
            turn.viewed += 1
        else:
            customers[customer_id] += 1
        if request_id is not None:
            turn.request_ids[reading, customer_id] = request_id

    def answered(self, reading: Reading, answer: Shown) -> None:
        """Somebody is about to see an answer about many, nothing SENSITIVE in it. Raises Overloaded."""
        self._require_room()
        turn = self._turn
        if turn.named + len(answer.customer_ids) > _MOST_NAMED:
            answer = answer._replace(customer_ids=())
        turn.named += len(answer.customer_ids)
        turn.answers.append((self._clock(), reading, answer))

    async def before_shown(self, reading: Reading, shown: UUID | Shown, request_id: str | None = None) -> None:
        """Return once it is committed that this is about to be shown. Raises Unavailable: then it must not be."""
        assert self._loop is not None  # noqa: S101 - set by start
        now = self._clock()
        answer = shown if isinstance(shown, Shown) else None
        seen = None if answer is not None else Seen(customer_id=shown, request_id=request_id)
        events = list(events_of(reading, now, seen, answer))
        waiting = _Waiting(events, self._loop.create_future())
        with self._changed:
            if self._stopping:
                raise Unavailable("the service is stopping")
            self._waiting.append(waiting)
            self._changed.notify()
        await waiting.written

    def _require_room(self) -> None:
        if len(self._turn) < _MOST_GATHERED:
            return
        if self._kept >= _MOST_KEPT:
            raise Overloaded(f"{self._kept} views wait to be written down")
        with self._changed:
            self._hand_over()
            self._changed.notify()

    def _tick(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by start
        self._timer = self._loop.call_later(GATHER_SECONDS, self._tick)
        if len(self._turn):
            with self._changed:
                self._hand_over()
                self._changed.notify()
        else:
            self._turn.began = self._clock()

    def _hand_over(self) -> None:
        turn = self._turn
        turn.ended = self._clock()
        self._turn = Turn(turn.ended)
        if len(turn):
            self._turns.append(turn)
            self._kept += len(turn)

    # Writing, in the thread

    def _write(self) -> None:
        give_up_at: float | None = None
        while True:
            with self._changed:
                while not (self._waiting or self._turns or self._stopping):
                    self._changed.wait()
                if self._stopping and give_up_at is None:
                    give_up_at = time.monotonic() + _PATIENCE_SECONDS
                waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
                turn = self._turns[0] if self._turns and not waiting else None
            if waiting:
                self._write_for(waiting)
            elif turn is None:
                return
            elif not self._write_turn(turn) and give_up_at is not None and time.monotonic() > give_up_at:
                _LOG.error("views were lost: they could not be written down", views=self._kept)
                return

    def _write_for(self, waiting: Sequence[_Waiting]) -> None:
        error: Exception | None = None
        try:
            self._append([event for each in waiting for event in each.events])
        except Exception as failure:  # noqa: BLE001 - nobody is shown anything; what it was is logged
            _LOG.warning("views could not be written down", readers=len(waiting), error=type(failure).__name__)
            error = failure
        assert self._loop is not None  # noqa: S101 - set by start
        self._loop.call_soon_threadsafe(_resolve, waiting, error)

    def _write_turn(self, turn: Turn) -> bool:
        try:
            self._append(list(events_in(turn)))
        except Exception as failure:  # noqa: BLE001 - it is tried again, whatever it is
            _LOG.warning("views could not be written down", views=len(turn), error=type(failure).__name__)
            with self._changed:
                self._changed.wait_for(lambda: self._waiting, _RETRY_SECONDS)
            return False
        with self._changed:
            self._turns.popleft()
            self._kept -= len(turn)
        return True

    def _append(self, payloads: Sequence[AccessPayload]) -> None:
        today = datetime.now(UTC).date().isoformat()
        if self._day != today or self._version + len(payloads) > _EVENTS_PER_STREAM:
            self._stream, self._version, self._day = uuid7(), 0, today
        try:
            self._records.append(self._stream, self._version, [ServiceEvent(each, _PROCESS) for each in payloads])
        except BaseException:
            self._day = ""  # whether it was written is not known, so this stream's end is not either: leave it
            raise
        self._version += len(payloads)


def _resolve(waiting: Sequence[_Waiting], error: Exception | None) -> None:
    for each in waiting:
        if each.written.done():  # the client went away
            continue
        if error is None:
            each.written.set_result(None)
        else:
            unwritten = Unavailable("that this is read could not be written down")
            unwritten.__cause__ = error
            each.written.set_exception(unwritten)
