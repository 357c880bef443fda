"""The service itself and its log: is it well, and is an entry in the log."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from api.schemas.base import Answer


class Alive(Answer):
    status: Literal["alive"]


class ScrubberFinding(Answer):
    """What does not hold of the log: which check, where, in which way, and from which log index on."""

    check: str
    place: str
    detail: str
    index: int | None = None
    found_at: str | None = None


class ScrubberState(Answer):
    """How far the scrubber has looked in this lap, how many laps it has done, and the first fault that it found."""

    position: int
    laps: int
    looked_at: str | None
    oldest_unsealed_seconds: float | None
    finding: ScrubberFinding | None


class SigningRefusal(Answer):
    """Why the log is not signed; `index` is the first place that is known to be wrong, where one is known."""

    reason: str
    index: int | None
    since: AwareDatetime


class Ready(Answer):
    """How far the log is sealed and signed, and how far every read model has come.

    `damaged`: the service is at work, and what the scrubber has found, or why the log is not signed any more, must be
    looked into.
    """

    status: Literal["ready", "damaged"]
    unsealed: int
    sealed: int
    signed: int
    position: int
    unsigned_because: SigningRefusal | None
    scrubber: ScrubberState | None


class InclusionProof(Answer):
    """RFC 6962 2.1.1, hashes in base64, from the leaf's sibling up; `checkpoint` is the note that has the root."""

    position: int
    index: int
    leaf_hash: str
    hashes: list[str]
    checkpoint: str


class ConsistencyProof(Answer):
    """RFC 6962 2.1.2, hashes in base64; `checkpoint` is the signed note of the larger log."""

    from_size: int
    hashes: list[str]
    checkpoint: str
