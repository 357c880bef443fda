"""Dry runs, which leave no trace: refused where their outcome would depend on what the caller may not see.

A write tells whether a value is there already, or an identifier another file's. Whoever guesses by writing is recorded
with each wrong guess; whoever guessed by dry runs would not be.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request

from api.dependencies import service_of
from api.errors import Problem
from api.masks import mask_of
from domain.decisions import Command
from domain.decisions.proposals import ProposeChanges, command_of
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import FieldError
from domain.masking import HIGHEST, level_of_payload
from domain.slots import Sensitivity
from ledger.records import NewFile, Submission


async def require_rehearsable(request: Request, submission: Submission) -> None:
    """Problem 403 for a dry run of changes any of which is about a slot that is hidden from the caller.

    A new file says nothing yet: there it is identifiers alone that other files may hold.
    """
    order = submission.order
    mask = await mask_of(request, order.customer_id)
    if mask is None:
        return
    is_new = isinstance(submission.expected, NewFile)
    for change in order.changes:
        if is_new and not change.command.identifiers():
            continue
        if mask.hides(await _level(request, order.customer_id, change.command)):
            raise Problem(
                "field-not-visible",
                403,
                "The field is not visible to you",
                f"what this is about is above {mask.ceiling}; no dry run tells what it would come to",
                FieldError("dry_run", f"shows more than {mask.ceiling}; leave it out to be recorded with what you try"),
            )


async def _level(request: Request, customer_id: UUID, command: Command) -> Sensitivity:
    """The class of what a command is about, whatever the file says."""
    match command:
        case CorrectFact(corrects=event_id) | RetractFact(retracts=event_id):
            return await asyncio.to_thread(_level_of_event, request, customer_id, event_id)
        case ProposeChanges(changes=proposed):
            levels = [await _level(request, customer_id, command_of(change)) for change in proposed]
            return max(levels)
        case _:
            try:
                return level_of_payload(_drafted(command))
            except (AttributeError, TypeError):
                return HIGHEST  # what it would record is no plain matter


def _drafted(command: Command) -> Any:
    """The event that a command stands for, as far as the command itself says it."""
    return command.records.model_construct(**command.__dict__)


def _level_of_event(request: Request, customer_id: UUID, event_id: UUID) -> Sensitivity:
    """The class of what an event told; internal if the file has none with that id, which is refused anyway."""
    history = service_of(request).fold(customer_id).history
    known = None if history is None else history.events.get(event_id)
    return Sensitivity.INTERNAL if known is None else level_of_payload(known.event.payload)
