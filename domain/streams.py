"""Whose a stream is: a customer's, one of the service itself, or the log's. The stored names of its events say so.

What must stay true: a stored name of no kind that is known is a customer's, so that nothing is ever passed over because
of a name that was altered into nonsense; and a stream holds events of one kind only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:dossier")


class StreamKind(StrEnum):
    """The value is what stored names begin with, before the first dot."""

    CUSTOMER = "customer"
    STAFF = "staff"
    POLICY = "policy"
    ACCESS = "access"
    LOG = "log"

    @property
    def is_of_service(self) -> bool:
        """Whether it tells of the service itself: who works with it, by which rules, and who read what."""
        return self in {StreamKind.STAFF, StreamKind.POLICY, StreamKind.ACCESS}


_KINDS: Final = {kind.value: kind for kind in StreamKind}


def stream_kind(stored_name: str) -> StreamKind:
    """Of what kind the stream of an event is."""
    return _KINDS.get(stored_name.partition(".")[0], StreamKind.CUSTOMER)


def stream_named(kind: StreamKind, name: str) -> UUID:
    """The id of the one stream of this name: of a member of staff, of a policy."""
    return uuid5(_NAMESPACE, f"{kind}/{name}")
