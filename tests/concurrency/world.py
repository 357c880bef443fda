"""What is recorded of the customers of one program: their streams, and their files as they were after each event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.events import RecordedEvent
from domain.file import CustomerFile
from domain.values import EARLIEST
from ledger.application import Ledger
from tests.concurrency.asking import Answered


@dataclass
class Stream:
    """One customer. `files[n]` is the file after n events, without its history."""

    customer_id: UUID
    events: list[RecordedEvent] = field(default_factory=list)
    files: list[CustomerFile] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._latest = self.whole(0)
        self.files.append(CustomerFile(self.customer_id, as_of=EARLIEST))

    @property
    def head(self) -> int:
        return len(self.events)

    def whole(self, version: int) -> CustomerFile:
        """The file after that many events, with its history: one that can be decided on."""
        return CustomerFile.folded(self.customer_id, self.events[:version])

    def take_in(self, events: Iterable[RecordedEvent]) -> None:
        """Add what was recorded since; the versions must follow each other."""
        for event in events:
            assert event.envelope.version == self.head + 1
            self.events.append(event)
            self._latest.advance(event.envelope.recorded_at)
            self._latest.apply(event)
            self.files.append(self._latest.copy())


class World:
    """Everything known so far: what was answered, and what is recorded."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.scheme = f"T{uuid7().hex.upper()[-20:]}"
        """Identifiers of this scheme are this program's own."""
        self.reserved = [uuid7(), uuid7()]
        """Ids that several people may choose for a new file."""
        self.streams: dict[UUID, Stream] = {}
        self.answers: list[Answered] = []

    @property
    def customers(self) -> list[UUID]:
        """Those that have a file, the oldest first."""
        return [customer_id for customer_id, stream in self.streams.items() if stream.head]

    def heads(self) -> dict[UUID, int]:
        return {customer_id: stream.head for customer_id, stream in self.streams.items()}

    def take_in(self, answers: Iterable[Answered]) -> None:
        """Read what was recorded since, of known customers and of those that the answers are about."""
        for answer in answers:
            self.answers.append(answer)
            customer_id = answer.customer_id if answer.is_acknowledgement else answer.request.customer_id
            if customer_id is not None:
                self.streams.setdefault(customer_id, Stream(customer_id))
        for customer_id, stream in self.streams.items():
            stream.take_in(self._ledger.history(customer_id, gt=stream.head))

    def in_effect(self, key: str) -> list[Answered]:
        """The acknowledgements under an idempotency key."""
        return [answer for answer in self.answers if answer.request.key == key and answer.is_acknowledgement]
