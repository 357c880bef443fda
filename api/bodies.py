"""Request bodies: the models that clients write against, and how they become orders.

A body is a command's fields and the circumstances, flat. The models are derived from the domain's commands, so a
new command has its body without a line here. Bodies are parsed once, from bytes.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Annotated, Any, Final, Literal, Union
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from api.errors import MOST_FIELDS, Problem, invalid_body
from domain.decisions import COMMANDS, Change, Command, NewId
from domain.decisions.lifecycle import Registration
from domain.decisions.proposals import PROPOSABLE, ProposeChanges, proposed_change
from domain.errors import FieldError, Refusal
from domain.events.envelope import Circumstances
from domain.events.proposals import MOST_PROPOSED
from domain.slots import pointer

LONGEST_BODY_BYTES: Final = 1024 * 1024
MOST_CHANGES: Final = 500
LISTED: Final = "/changes/"
"""How the places of listed changes begin."""
_STATED: Final = frozenset(Circumstances.model_fields)
_MISPLACED: Final = re.compile(rf"^(?:/identifiers/\d+|/contact)(/(?:{'|'.join(_STATED)})\b)")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@cache
def command_body(command: type[Command], *from_path: str) -> type[BaseModel]:
    """The body of the route for one command; fields in `from_path` come from the path instead."""
    return create_model(f"{command.__name__}Body", __base__=Circumstances, **_fields(command, from_path))


def _fields(command: type[Command], left_out: Iterable[str] = ()) -> dict[str, Any]:
    return {
        name: (field.rebuild_annotation(), ... if field.is_required() else field.default)
        for name, field in command.model_fields.items()
        if name not in left_out
    }


def _listed_change(command: type[Command]) -> type[BaseModel]:
    tag: Any = (Literal[command.records.type], ...)
    return create_model(f"{command.__name__}Change", __base__=Circumstances, type=tag, **_fields(command))


LISTED_CHANGES: Final = {stored_name: _listed_change(command) for stored_name, command in COMMANDS.items()}
# made from a table, so no type checker can see through it
_AnyChange: Any = Annotated[Union[tuple(LISTED_CHANGES.values())], Field(discriminator="type")]  # noqa: UP007
_Changes: Any = Annotated[list[_AnyChange], Field(max_length=MOST_CHANGES)]
_SomeChanges: Any = Annotated[list[_AnyChange], Field(min_length=1, max_length=MOST_CHANGES)]

ChangesBody: Final = create_model(
    "ChangesBody",
    __base__=Circumstances,
    changes=(_SomeChanges, ...),
)
_PROPOSABLE: Final = {
    stored_name: LISTED_CHANGES.get(stored_name) or _listed_change(command)
    for stored_name, command in PROPOSABLE.items()
}
_AnyProposable: Any = Annotated[Union[tuple(_PROPOSABLE.values())], Field(discriminator="type")]  # noqa: UP007
ProposalBody: Final = create_model(
    "ProposalBody",
    __base__=Circumstances,
    proposal_id=(UUID | None, None),
    changes=(Annotated[list[_AnyProposable], Field(min_length=1, max_length=MOST_PROPOSED)], ...),
    expires_at=_fields(ProposeChanges)["expires_at"],
)
RegistrationBody: Final = create_model(
    "RegistrationBody",
    __base__=(Registration, Circumstances),
    customer_id=(UUID | None, None),
    changes=(_Changes, []),
)


def parse(model: type[BaseModel], body: bytes) -> Any:
    """The body as `model`. Raises Problem 400 for what is no JSON, 422 for what does not fit."""
    try:
        return _adapter(model).validate_json(body or b"{}")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if problems[0]["type"] == "json_invalid":
            raise _not_json(body, problems[0]["msg"]) from error
        raise invalid_body(problems) from error


@cache
def _adapter(model: type[BaseModel]) -> TypeAdapter[BaseModel]:
    return TypeAdapter(model)


def single_change(command: type[Command], body: Any, new_id: NewId, **from_path: Any) -> Change:
    """The one change that a command's body asks for; the body is the circumstances, with the command's fields added."""
    return Change(_command(command, body, from_path).with_ids(new_id), body)


def listed_changes(body: Any, new_id: NewId) -> Iterator[Change]:
    """The changes of a list, each with the circumstances of the whole where it states none itself."""
    whole = _circumstances(body)
    for index, item in enumerate(body.changes):
        stated = item.model_fields_set & _STATED
        own = whole.model_copy(update={name: getattr(item, name) for name in stated}) if stated else whole
        command = _command(PROPOSABLE[item.type], item, {})
        yield Change(command.with_ids(new_id), own, f"{LISTED}{index}")


def proposal(body: Any, new_id: NewId) -> Change:
    """The one change that proposes those of a list."""
    changes = tuple(map(proposed_change, listed_changes(body, new_id)))
    command = ProposeChanges(proposal_id=body.proposal_id, changes=changes, expires_at=body.expires_at)
    return Change(command.with_ids(new_id), _circumstances(body))


def in_registration(refusal: Refusal) -> Refusal:
    """The same refusal: a part of a registration states no circumstances of its own, they are those of the whole."""
    fields = (replace(field, pointer=_MISPLACED.sub(r"\1", field.pointer)) for field in refusal.fields)
    refusal.fields = tuple(fields)
    return refusal


def registration_changes(body: Any, new_id: NewId) -> Iterator[Change]:
    """The changes that open a file: what the body says of the customer, then the listed ones."""
    whole = _circumstances(body)
    for place, command in body.commands(initial_load=whole.initial_load):
        yield Change(command.with_ids(new_id), whole, place)
    yield from listed_changes(body, new_id)


def _circumstances(body: Any) -> Circumstances:
    """Already validated as part of the body, so only regrouped here."""
    return Circumstances.model_construct(
        _fields_set=body.model_fields_set & _STATED, **{name: getattr(body, name) for name in _STATED}
    )


def _command(command: type[Command], body: Any, from_path: dict[str, Any]) -> Command:
    values = {name: getattr(body, name) for name in command.model_fields if name not in from_path}
    stated = (body.model_fields_set & command.model_fields.keys()) | from_path.keys()
    return command.model_construct(_fields_set=stated, **values, **from_path)


def _not_json(body: bytes, message: str) -> Problem:
    """A lone surrogate is a JSON escape that no text can hold: named by its place, as other bad text is."""
    malformed = Problem("malformed-json", 400, "The body is not JSON", message)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return malformed
    places = islice(_lone_surrogates(content), MOST_FIELDS)
    fields = [FieldError(place, "text may hold neither NUL nor lone surrogates") for place in places]
    if not fields:
        return malformed
    return Problem("invalid-body", 422, "A field is not valid", "the body does not fit its model", *fields)


_Place = tuple[Any, object] | None
"""A place in a body: the place above it and the last step; made into text only where something is wrong."""


def _lone_surrogates(content: Any) -> Iterator[str]:
    """Where they stand, as pointers that can be sent; not recursive, for the body may be nested as deep as it likes."""
    remaining: deque[tuple[_Place, Any]] = deque([(None, content)])
    while remaining:
        place, value = remaining.popleft()
        if isinstance(value, str) and _SURROGATE.search(value):
            yield _pointer_to(place)
        elif isinstance(value, dict):
            for name, item in value.items():
                if _SURROGATE.search(name):
                    yield _pointer_to((place, name))
                remaining.append(((place, name), item))
        elif isinstance(value, list):
            remaining.extend(((place, index), item) for index, item in enumerate(value))


def _pointer_to(place: _Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(str(step).encode(errors="backslashreplace").decode())
    return pointer(*reversed(steps))
