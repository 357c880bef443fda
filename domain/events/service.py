"""What happens to the service itself: who works with it, by which rules, and who read what.

These events stand in streams that are no customer's (domain/streams.py). What must stay true: each is a decision that
asserts no slot, and is encrypted under the key of the records, so that no erasure of a customer reaches it.
"""

from __future__ import annotations

from typing import ClassVar

from domain.events.base import Payload


class ServicePayload(Payload):
    """Base of all contents of such events; `type` begins with the name of the stream's kind."""

    decision: ClassVar[bool] = True
    outlives_erasure: ClassVar[bool] = True
