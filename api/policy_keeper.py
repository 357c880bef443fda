"""The policy in force, at hand in each process: what its writer decides by.

Read before the first decision, then brought up to date twice a second, and at once by the process that recorded a
change. What must stay true: nothing is decided by an older edition than one whose recording this process has answered
for, nor before any is known; an edition that cannot be read is not passed over. While the database is away, what is
known stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from api.repeating import repeating
from domain.errors import InvalidField
from domain.events import RecordedEvent
from domain.policy import Policy
from domain.policy_file import PolicyFile
from ledger.errors import DataKeyMissing, LedgerError, Unavailable

_LOG: Final = structlog.get_logger("api.policy")
_SECONDS: Final = 0.5


class PolicyStream(Protocol):
    """Where the policy is read; see ledger/policy_records.py."""

    def events(self, *, after: int = 0) -> list[RecordedEvent]: ...


class PolicyKeeper:
    """`current` may be asked from any thread; all else is done in the event loop."""

    def __init__(self, stream: PolicyStream, *, seconds: float = _SECONDS) -> None:
        self._stream = stream
        self._seconds = seconds
        self._file = PolicyFile()
        self._policy: Policy | None = None

    def current(self) -> Policy:
        """The edition in force, as far as this process knows. Raises Unavailable while it knows of none."""
        policy = self._policy
        if policy is None:
            raise Unavailable("the policy has not been read yet")
        return policy

    def learn(self, file: PolicyFile) -> None:
        """Take in what was recorded by this process; what is known to be newer stays."""
        if self._policy is None or file.version > self._file.version:
            try:
                policy = file.policy()
            except InvalidField as error:
                self._policy = None  # nobody knows what it asks for
                _LOG.error("the policy in force cannot be read", edition=file.number, error=error.detail)
            else:
                self._policy = policy
            self._file = file

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Read it, and keep it up to date for as long as the context lasts."""
        await self._refresh()
        async with repeating(self._refresh, self._seconds, "reading the policy"):
            yield

    async def _refresh(self) -> None:
        known = self._file
        try:
            events = await asyncio.to_thread(self._stream.events, after=known.version)
        except (LedgerError, DataKeyMissing) as error:
            # The writer and /readyz tell of a database that is away; here it only matters how old this is.
            _LOG.warning("the policy could not be read", error=type(error).__name__)
            return
        file = known.copy()
        for event in events:
            file.apply(event)
        self.learn(file)
