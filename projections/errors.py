"""Every error this room raises on purpose.

ProjectionError
├── FoldOutdated             a profile row of another fold version; fold the stream anew
├── PositionNotSealed        the log does not reach the asked position
├── ReadModelsBehind         the read models did not reach the position in time; try again
├── EventUnknown             no event of that customer and version
├── EventUnreadable          an event of the log cannot be opened or breaks its model
├── ProjectionFailed         a read model failed on a batch; its position stands
└── AnotherRunner            somebody else moved the position meanwhile; nothing of the batch was kept
"""

from __future__ import annotations

from uuid import UUID


class ProjectionError(Exception):
    """Root of the tree."""


class FoldOutdated(ProjectionError):
    """A profile row was written by another version of the fold."""

    def __init__(self, customer_id: UUID, fold_version: int) -> None:
        super().__init__(f"the profile of {customer_id} was folded by version {fold_version} of the fold")
        self.customer_id = customer_id
        self.fold_version = fold_version


class PositionNotSealed(ProjectionError):
    """No event has this position yet."""

    def __init__(self, position: int, sealed: int) -> None:
        super().__init__(f"position {position} is not in the log, which ends at {sealed}")
        self.position = position
        self.sealed = sealed


class ReadModelsBehind(ProjectionError):
    """The bounded wait ended before the read models had passed the position; `position` None = not sealed yet."""

    def __init__(self, position: int | None, reached: int) -> None:
        super().__init__(f"the read models have reached position {reached}, not {position or 'the event, unsealed'}")
        self.position = position
        self.reached = reached


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


class ProjectionFailed(ProjectionError):
    """`projection` failed on the events from `first` to `last`; nothing of them was kept."""

    def __init__(self, projection: str, first: int, last: int, reason: str) -> None:
        super().__init__(f"read model {projection} failed between positions {first} and {last}: {reason}")
        self.projection = projection
        self.first = first
        self.last = last


class AnotherRunner(ProjectionError):
    """A projection was not at `position` any more when it was to move on from there."""

    def __init__(self, position: int) -> None:
        super().__init__(f"another runner moved a read model on from position {position}")
        self.position = position
