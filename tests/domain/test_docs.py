"""docs/events.md and docs/access.md say what the code says, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain import decisions
from domain.access import Action, Principal, Resource, Role, allowed, ceiling
from domain.decisions import Command
from domain.events import EVENT_TYPES, Payload
from domain.events.envelope import ActorKind
from domain.events.service import ServicePayload
from domain.slots import SLOTS, kind_of
from tests.domain.payloads import PAYLOADS

DOCS = Path(decisions.__file__).parents[2] / "docs"
MARKS = {"R": "needs_reason", "E": "needs_evidence", "M": "major", "D": "decision"}


def test_the_event_table_has_a_true_row_for_every_event_type_and_no_other() -> None:
    rows = dict(documented())
    assert list(rows) == list(dict.fromkeys(rows))
    assert rows == {name: in_code(payload_class) for name, payload_class in EVENT_TYPES.items()}


def in_code(payload_class: type[Payload]) -> list[str]:
    return of_service(payload_class) if issubclass(payload_class, ServicePayload) else of_customers(payload_class)


def of_service(payload_class: type[Payload]) -> list[str]:
    """Version, fields and marks: such events assert no slot."""
    version, fields, _, marks, *_ = cells_of(payload_class)
    return [version, fields, marks]


def test_the_glossary_is_one_table_of_distinct_terms() -> None:
    lines = [line for line in (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    terms = [line.split("|")[1].strip() for line in lines[1:]]
    assert len(terms) == len(set(terms)) > 30
    assert all(line.count("|") == 4 for line in lines)


def documented() -> Iterator[tuple[str, list[str]]]:
    for line in (DOCS / "events.md").read_text(encoding="utf-8").splitlines():
        if re.match(r"\| `\w+\.", line):
            name, *cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
            yield name, cells


def of_customers(payload_class: type[Payload]) -> list[str]:
    """Version, fields, slots, marks and command, as the table writes them."""
    return [*cells_of(payload_class), command_of(payload_class)]


def cells_of(payload_class: type[Payload]) -> list[str]:
    fields = payload_class.model_fields.items()
    return [
        str(payload_class.schema_version),
        ", ".join(name if field.is_required() else f"{name}?" for name, field in fields),
        slots_of(payload_class),
        " ".join(mark for mark, attribute in MARKS.items() if getattr(payload_class, attribute)),
    ]


def slots_of(payload_class: type[Payload]) -> str:
    if payload_class.type == "customer.fact-corrected":
        return "those of the corrected event"
    asserted = [slot for payload in PAYLOADS if isinstance(payload, payload_class) for slot, _ in payload.assertions()]
    return ", ".join(dict.fromkeys(kind.pattern for slot in asserted if (kind := kind_of(slot))))


def command_of(payload_class: type[Payload]) -> str:
    """The one command that stands for the event, or those of which it is a consequence."""
    commands = list(all_commands(Command))
    own = [each for each in commands if getattr(each, "records", None) is payload_class]
    following = [each for each in commands if payload_class in each.also_records]
    assert len(own) == (not following)
    return ", ".join(command.__name__ for command in own or following)


def all_commands(command: Any) -> Iterator[type[Command]]:
    for subclass in command.__subclasses__():
        yield subclass
        yield from all_commands(subclass)


def test_the_tables_of_access_are_those_of_the_code() -> None:
    tables = access_tables()
    assert tables["action"] == [[action, *granting(action)] for action in Action]
    of_each = {role: Principal("u-1", roles=frozenset({role}), scopes=frozenset({"class:sensitive"})) for role in Role}
    own = Resource(owners={"ACCOUNT_MANAGER": "u-1"})
    assert tables["role"] == [[role, ceiling(who, own), ceiling(who)] for role, who in of_each.items()]
    assert tables["slot"] == [
        [kind.pattern, kind.sensitivity + (f", of an individual {kind.of_individual}" if kind.of_individual else "")]
        for kind in SLOTS
    ]


def granting(action: Action) -> list[str]:
    """Who is granted the action: people and programs, or people alone."""

    def may(kind: ActorKind) -> list[Role]:
        return [role for role in Role if allowed(Principal("u-1", kind, frozenset({role})), action)]

    people, programs = may(ActorKind.HUMAN), may(ActorKind.SERVICE)
    assert programs in (people, [])
    return [
        "" if programs else "(people only)",
        "every role" if len(people) == len(Role) else ", ".join(people),
    ]


def access_tables() -> dict[str, list[list[str]]]:
    """By the title of its first column each table of docs/access.md, without its prose."""
    found: dict[str, list[list[str]]] = {}
    for line in (DOCS / "access.md").read_text(encoding="utf-8").splitlines():
        if not line.startswith("| ") or line.startswith("| ---"):
            continue
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not name.startswith("`"):
            rows = found[name] = []
            continue
        if rows is found.get("action"):
            cells[0] = "(people only)" if cells[0].endswith("(people only)") else ""
        elif rows is found.get("role"):
            del cells[0]
        rows.append([name.strip("`"), *cells])
    return found
