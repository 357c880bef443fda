"""The keys of the issuer of tokens as they are now: read from a file or an address of the settings, and nowhere else.

What must stay true: what a token says never decides where keys are read, nor how often. A set that cannot be read or
used takes the place of none: the last good one counts until it is too old. Whoever remembers what keys have verified
is told when they change.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from api.key_set import LONGEST_SET_BYTES, NO_KEYS, KeySet, UnusableSet, read_key_set

_LOG: Final = structlog.get_logger("api.issuer")
_PATIENCE_SECONDS: Final = 5.0
_FILE_SECONDS: Final = 5.0
_OK: Final = 200


class SetUnreachable(Exception):
    """The set could not be read. The text may be logged."""


class Place(Protocol):
    """Where a set of keys is read."""

    async def read(self) -> bytes:
        """Raises SetUnreachable."""


class KeyFile:
    """A file that somebody else keeps up to date, by replacing it whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes:
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            raise SetUnreachable(f"{self._path}: {error.strerror}") from error

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(LONGEST_SET_BYTES + 1)


class KeyAddress:
    """An https address. No redirection is followed: it would lead where the settings do not say."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._context = ssl.create_default_context()

    async def read(self) -> bytes:
        import aiohttp  # noqa: PLC0415 - of no use to whoever has a file

        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session,
                session.get(self._url, allow_redirects=False, ssl=self._context) as answer,
            ):
                if answer.status != _OK:
                    raise SetUnreachable(f"{self._host} answered {answer.status}")
                return await _beginning(answer.content.iter_any())
        except TimeoutError as error:
            raise SetUnreachable(f"{self._host} does not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SetUnreachable(f"{self._host}: {type(error).__name__}") from error


async def _beginning(content: AsyncIterator[bytes]) -> bytes:
    """The content, or its beginning if that is longer than a set may be."""
    document = b""
    async for chunk in content:
        document += chunk
        if len(document) > LONGEST_SET_BYTES:
            break
    return document


class IssuerKeys:
    """The set that counts. `current` is replaced whole; it is empty before the first and when the last is too old."""

    def __init__(
        self,
        place: Place | None,
        current: KeySet = NO_KEYS,
        *,
        every_seconds: float = 0,
        again_seconds: float = 0,
        max_age_seconds: float | None = None,
    ) -> None:
        """`place` None: the set never changes. `again_seconds`: so seldom at least, whatever tokens ask for."""
        self.current = current
        self._place = place
        self._every_seconds = every_seconds
        self._again_seconds = again_seconds
        self._max_age_seconds = max_age_seconds
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._trial: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def in_file(cls, path: Path) -> IssuerKeys:
        """A file is looked at every few seconds. It is at hand, so it has no age."""
        return cls(KeyFile(path), every_seconds=_FILE_SECONDS, again_seconds=1)

    @classmethod
    def at_address(cls, url: str, *, every_seconds: float, again_seconds: float, max_age_seconds: float) -> IssuerKeys:
        return cls(
            KeyAddress(url),
            every_seconds=every_seconds,
            again_seconds=again_seconds,
            max_age_seconds=max_age_seconds,
        )

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever other keys count than before."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Read the set, and keep it fresh for as long as the context lasts."""
        if self._place is None:
            yield
            return
        await self._attempt()
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            for task in (keeping, self._trial):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def look_again(self) -> bool:
        """Whether the set has been read since a token named a key that it has not.

        However many ask, and however often: one reading at a time, and none within `again_seconds` of the last.
        """
        if self._place is None:
            return False
        if self._trial is None or self._trial.done():
            if time.monotonic() - self._tried_at < self._again_seconds:
                return False
            self._trial = asyncio.create_task(self._attempt())
        # Not cancelled with whoever asked: others wait for it too.
        await asyncio.wait({self._trial}, timeout=_PATIENCE_SECONDS)
        return True

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._pause_seconds())
            if self._trial is None or self._trial.done():
                self._trial = asyncio.create_task(self._attempt())
            await asyncio.wait({self._trial})

    def _pause_seconds(self) -> float:
        has_failed = self._tried_at > self._read_at
        return max(self._again_seconds, 1.0) if has_failed else self._every_seconds

    async def _attempt(self) -> None:
        assert self._place is not None  # noqa: S101 - asked by both callers
        self._tried_at = time.monotonic()
        try:
            found = read_key_set(await self._place.read())
        except (SetUnreachable, UnusableSet) as error:
            _LOG.warning("the issuer's keys could not be read", error=str(error), age_seconds=self._age_seconds())
            if self._is_too_old():
                self._replace(NO_KEYS)
            return
        self._read_at = self._tried_at
        self._replace(found)

    def _replace(self, found: KeySet) -> None:
        if found == self.current:
            return
        _LOG.info("the issuer's keys have changed", keys=len(found.keys))
        self.current = found
        for listener in self._listeners:
            listener()

    def _is_too_old(self) -> bool:
        return self._max_age_seconds is not None and time.monotonic() - self._read_at >= self._max_age_seconds

    def _age_seconds(self) -> int | None:
        return None if self._read_at == float("-inf") else round(time.monotonic() - self._read_at)
