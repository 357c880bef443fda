"""How much room there is for bodies: every body takes its bytes from before it is read until it is answered.

What must stay true: what one process holds of bodies, parsed and waiting for the writer too, is bounded, however many
clients send; and long bodies, however slowly they come, never take the room of short ones.
"""

from __future__ import annotations

from typing import Final

from api import refusals

SHORT_BODY_BYTES: Final = 64 * 1024


class Room:
    """Lends bytes; whoever finds no room is told to come back, because nobody knows when those who have it end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0

    def take(self, size: int) -> None:
        """Take that many bytes, to be given back. Raises Problem 503.

        An empty room takes anything, so that what is bigger than the room is served one by one and not never.
        """
        if self._taken and self._taken + size > self._size:
            raise refusals.overloaded("Too many bodies are under way")
        self._taken += size

    def give_back(self, size: int) -> None:
        self._taken -= size


class BodyRooms:
    """One half of the bytes is for short bodies, the other for long ones."""

    def __init__(self, size: int) -> None:
        self._short = Room(size // 2)
        self._long = Room(size // 2)

    def of(self, size: int) -> Room:
        """The room that a body of that size takes its bytes from."""
        return self._short if size <= SHORT_BODY_BYTES else self._long
