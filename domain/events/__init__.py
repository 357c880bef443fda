"""What can happen to a customer, and to the service itself.

One module per group of the event table; importing this declares them all.
"""

from domain.events import (
    access,
    classification,
    contacts,
    identity,
    lifecycle,
    needs,
    policies,
    privacy,
    proposals,
    quality,
    staff,
)
from domain.events.base import EVENT_TYPES, Payload, Personal, RecordedEvent
from domain.events.envelope import Actor, ActorKind, Circumstances, Envelope, Evidence, Proposed, Reason, Source

__all__ = [
    "EVENT_TYPES",
    "Actor",
    "ActorKind",
    "Circumstances",
    "Envelope",
    "Evidence",
    "Payload",
    "Personal",
    "Proposed",
    "Reason",
    "RecordedEvent",
    "Source",
    "access",
    "classification",
    "contacts",
    "identity",
    "lifecycle",
    "needs",
    "policies",
    "privacy",
    "proposals",
    "quality",
    "staff",
]
