"""When is it allowed: the commands, one module per group, each deciding which events it would record."""

from domain.decisions import classification, contacts, identity, lifecycle, needs, privacy, proposals, quality, tier
from domain.decisions.base import COMMANDS, Case, Change, Command, Draft, NewId
from domain.decisions.record import Order, masked_from, record

__all__ = [
    "COMMANDS",
    "Case",
    "Change",
    "Command",
    "Draft",
    "NewId",
    "Order",
    "classification",
    "contacts",
    "identity",
    "lifecycle",
    "masked_from",
    "needs",
    "privacy",
    "proposals",
    "quality",
    "record",
    "tier",
]
