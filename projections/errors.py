"""Every error this room raises on purpose.

ProjectionError
├── FoldOutdated             a profile row of another fold version; fold the stream anew
├── StateMalformed           a profile row says nothing that we write; a rebuild puts it right
├── PositionNotSealed        the log does not reach the asked position
├── NotKnownYet              the asked instant lies in the future, of which nothing can be known
├── ReadModelsBehind         the read models have not reached the position yet; wait for them (CatchUp)
├── EventUnknown             no event of that customer and version
├── LongTextMissing          a rectangle leaves its value to the row of its event, which does not have it
├── EventUnreadable          an event of the log cannot be opened or breaks its model
├── StreamUnreadable         the same of an event in a customer's stream
├── ProjectionFailed         a read model failed on a batch; its position stands
├── FolderTaken              an export goes into a new or an empty folder; this one is neither
├── AnotherRunner            somebody else moved the position meanwhile; nothing of the batch was kept
├── QuestionRefused          what a question about all customers names is not to be asked for (portfolio/errors.py)
└── RebuildRefused           nothing was switched; the live read models are as they were
    ├── AnotherRebuild       one is at work in this database already
    ├── SchemaTaken          a schema named as the shadow's is there, and is not ours
    ├── RectanglesOverlap    of the rows computed anew, two give a slot a value at the same point of both times
    ├── TablesAltered        a live table was altered while its shadow was built
    └── NeverFree            the live tables were in use whenever they were to be switched, or ran away
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import UUID


class ProjectionError(Exception):
    """Root of the tree."""


class FoldOutdated(ProjectionError):
    """A profile row was written by another version of the fold."""

    def __init__(self, customer_id: UUID, fold_version: int) -> None:
        super().__init__(f"the profile of {customer_id} was folded by version {fold_version} of the fold")
        self.customer_id = customer_id
        self.fold_version = fold_version


class StateMalformed(ProjectionError):
    """The state of a profile row is none that we write; `reason` tells nothing of what it says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the state of a profile row cannot be read: {reason}")
        self.reason = reason


class LongTextMissing(ProjectionError):
    """A value that stands in the row of its event alone is not there: that row is damaged."""

    def __init__(self) -> None:
        super().__init__("the row of an event lacks a text that a rectangle leaves to it; rebuild the read models")


class PositionNotSealed(ProjectionError):
    """No event has this position yet."""

    def __init__(self, position: int, sealed: int) -> None:
        super().__init__(f"position {position} is not in the log, which ends at {sealed}")
        self.position = position
        self.sealed = sealed


class NotKnownYet(ProjectionError):
    """What is known at an instant in the future cannot be said; `now` is the database's clock."""

    def __init__(self, known_at: datetime, now: datetime) -> None:
        super().__init__(f"{known_at} lies in the future of {now}")
        self.known_at = known_at
        self.now = now


class ReadModelsBehind(ProjectionError):
    """The read models have not passed a position, or an event, whose position is None until it is sealed."""

    def __init__(self, position: int | None, reached: int, event: tuple[UUID, int] | None = None) -> None:
        super().__init__(f"the read models have reached position {reached}, not {position or 'the event, unsealed'}")
        self.position = position
        self.reached = reached
        self.event = event


class EventUnknown(ProjectionError):
    """The customer's stream has no such version."""

    def __init__(self, customer_id: UUID, version: int) -> None:
        super().__init__(f"customer {customer_id} has no event of version {version}")
        self.customer_id = customer_id
        self.version = version


class EventUnreadable(ProjectionError):
    """The event at `position` cannot be read; nothing after it is projected until it can."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"the event at position {position} cannot be read: {reason}")
        self.position = position


class StreamUnreadable(ProjectionError):
    """Event `version` of a customer cannot be read, so what read models must hold of the customer is not known."""

    def __init__(self, customer_id: UUID, version: int, reason: str) -> None:
        super().__init__(f"customer {customer_id}, version {version} cannot be read: {reason}")
        self.customer_id = customer_id
        self.version = version


class ProjectionFailed(ProjectionError):
    """`projection` failed on the events from `first` to `last`; nothing of them was kept."""

    def __init__(self, projection: str, first: int, last: int, reason: str) -> None:
        super().__init__(f"read model {projection} failed between positions {first} and {last}: {reason}")
        self.projection = projection
        self.first = first
        self.last = last


class FolderTaken(ProjectionError):
    """An export goes into a new or an empty folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty; name a new folder")
        self.folder = folder


class AnotherRunner(ProjectionError):
    """A projection was not at `position` any more when it was to move on from there."""

    def __init__(self, position: int) -> None:
        super().__init__(f"another runner moved a read model on from position {position}")
        self.position = position


class RebuildRefused(ProjectionError):
    """Nothing was switched; the live read models are as they were."""


class AnotherRebuild(RebuildRefused):
    """One is at work in this database already."""

    def __init__(self) -> None:
        super().__init__("another rebuild is at work in this database")


class SchemaTaken(RebuildRefused):
    """A schema named as the shadow's is there, and nothing says that a rebuild made it."""

    def __init__(self) -> None:
        super().__init__("there is a schema named shadow that no rebuild made; rename it")


class RectanglesOverlap(RebuildRefused):
    """Two rectangles of a customer's slot have a point in common."""

    def __init__(self, customer_id: UUID, slot: str) -> None:
        super().__init__(f"rectangles of slot {slot} of customer {customer_id} overlap")
        self.customer_id = customer_id
        self.slot = slot


class TablesAltered(RebuildRefused):
    """A live table was altered while its shadow was built, so the shadow is not what the table is now."""

    def __init__(self) -> None:
        super().__init__("the read models' tables were altered meanwhile, as a migration does; rebuild again")


class NeverFree(RebuildRefused):
    """The live tables could not be switched in time.

    `process_ids` are the server's that kept them in use; None: the log grew faster than the shadow could follow it.
    """

    def __init__(self, seconds: float, process_ids: list[int] | None) -> None:
        reason = "the log grew faster than it could be followed"
        if process_ids is not None:
            reason = f"they are in use (server processes: {', '.join(map(str, process_ids)) or 'none any more'})"
        super().__init__(f"the read models could not be switched for {seconds:.0f} s, as {reason}; try again later")
        self.process_ids = process_ids
