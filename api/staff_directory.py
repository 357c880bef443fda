"""Everybody who works with the service, at hand in each process: what decides what a token's bearer may do.

Filled before the first request is answered, then brought up to date twice a second, and at once by the process that
recorded a change. What must stay true: an older state of a member never takes the place of a newer one; whoever
remembers what was concluded from it is told whose has changed. While the database is away, what is known stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog

from api.repeating import repeating
from domain.staff import StaffFile, StaffMember
from ledger.errors import LedgerError
from ledger.staff_records import stream_of

_LOG: Final = structlog.get_logger("api.staff")
_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 2.0

UNREADABLE: Final = StaffFile(version=-1)
"""Stands for a member whose stream cannot be read: nobody knows what they may do."""


class StaffStreams(Protocol):
    """Where members are read; see ledger/staff_records.py."""

    def heads(self) -> Mapping[UUID, int]: ...

    def read(self, streams: Collection[UUID]) -> Mapping[UUID, StaffFile | None]: ...


class StaffDirectory:
    """Read and changed in the event loop alone; it is read from the database in a thread."""

    def __init__(
        self, streams: StaffStreams, *, seconds: float = _SECONDS, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self.is_filled = False
        self._patience_seconds = patience_seconds
        self._streams = streams
        self._seconds = seconds
        self._files: dict[UUID, StaffFile] = {}
        self._deputising: dict[str, set[UUID]] = {}
        self._unreadable: dict[UUID, int] = {}
        self._listeners: list[Callable[[frozenset[str]], None]] = []

    def when_changed(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Have `listener` called with the subjects of whom something has become known, and of their deputies."""
        self._listeners.append(listener)

    def file(self, subject: str) -> StaffFile | None:
        """A member's file, UNREADABLE for one that cannot be read; None for somebody who is none."""
        stream = stream_of(subject)
        return UNREADABLE if stream in self._unreadable else self._files.get(stream)

    def files_with_deputy(self, subject: str) -> list[StaffFile]:
        """The files of members who have ever let that person act in their place."""
        return [self._files[stream] for stream in self._deputising.get(subject, ())]

    def member(self, subject: str) -> StaffMember | None:
        """A member as they are now; None for somebody who is none."""
        file = self._files.get(stream_of(subject))
        return None if file is None else file.at(now_of(file))

    def members(self) -> list[StaffMember]:
        """Everybody as they are now, by their subjects."""
        found = (file.at(now_of(file)) for file in self._files.values())
        return sorted((each for each in found if each is not None), key=lambda each: each.subject)

    def learn(self, stream: UUID, file: StaffFile) -> None:
        """Take in what was recorded by this process."""
        self._take_in({stream: file})

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Fill it, and keep it up to date for as long as the context lasts.

        While the database is away at the start, nobody waits for it: requests are told 503 until this is filled.
        """
        first = asyncio.create_task(self._refresh())
        await asyncio.wait({first}, timeout=self._patience_seconds)
        async with repeating(partial(self._refresh_after, first), self._seconds, "reading the staff"):
            yield

    async def _refresh_after(self, first: asyncio.Task[None]) -> None:
        await asyncio.wait({first})
        await self._refresh()

    async def _refresh(self) -> None:
        known = {stream: file.version for stream, file in self._files.items()} | self._unreadable
        try:
            heads, found = await asyncio.to_thread(self._changed_since, known)
        except LedgerError as error:
            # The writer and /readyz tell of a database that is away; here it only matters how old this is.
            _LOG.warning("the staff could not be read", error=type(error).__name__)
            return
        unreadable = {stream: heads[stream] for stream, file in found.items() if file is None}
        if unreadable:
            _LOG.error("members of staff cannot be read", streams=[str(stream) for stream in unreadable])
            self._unreadable |= unreadable
            self._tell(self._files[stream] for stream in unreadable if stream in self._files)
        self._take_in({stream: file for stream, file in found.items() if file is not None})
        self.is_filled = True

    def _changed_since(self, known: Mapping[UUID, int]) -> tuple[Mapping[UUID, int], Mapping[UUID, StaffFile | None]]:
        heads = self._streams.heads()
        changed = [stream for stream, version in heads.items() if known.get(stream) != version]
        return heads, self._streams.read(changed) if changed else {}

    def _take_in(self, found: Mapping[UUID, StaffFile]) -> None:
        newer = {
            stream: file
            for stream, file in found.items()
            if stream not in self._files or self._files[stream].version < file.version
        }
        if not newer:
            return
        self._files |= newer
        for stream, file in newer.items():
            self._unreadable.pop(stream, None)
            for subject in file.deputies:
                self._deputising.setdefault(subject, set()).add(stream)
        self._tell(newer.values())

    def _tell(self, files: Iterable[StaffFile]) -> None:
        subjects = frozenset(subject for file in files for subject in (file.subject, *file.deputies) if subject)
        for listener in self._listeners:
            listener(subjects)


def now_of(file: StaffFile) -> datetime:
    """Now, and not before the last that was recorded of a member, should our clock be behind the database's."""
    return max(datetime.now(UTC), file.recorded_at)
