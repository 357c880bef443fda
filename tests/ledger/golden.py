"""The golden files: per event type and schema version, what an example says before encryption.

They are the memory of what was ever written: a file is added with each new event type or version and never changed.
Events that were written with others' personal values but without a skeleton of them have a file for each of the two.
`python -m tests.ledger.golden` writes the files that are missing for today's versions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from domain.events import EVENT_TYPES, RecordedEvent
from ledger.plain import PlainEvent, PlainPart, to_json, to_plain
from tests.ledger.examples import EXAMPLES

FOLDER = Path(__file__).parent / "golden"


def path_of(stored_name: str) -> Path:
    """The file of how it is written today."""
    version = EVENT_TYPES[stored_name].schema_version
    has_skeleton = len(to_plain(EXAMPLES[stored_name]).parts) > 1
    return FOLDER / f"{stored_name}.v{version}{'.skeleton' if has_skeleton else ''}.json"


def missing() -> list[Path]:
    """The golden files that today's event types lack."""
    return [path for path in map(path_of, EVENT_TYPES) if not path.exists()]


def laid_out(event: RecordedEvent) -> dict[str, Any]:
    """An event as a golden file has it."""
    entry, parts, _ = to_plain(event)
    content = {"entry": entry, "parts": [{"subject": str(part.subject), "content": part.content} for part in parts]}
    laid_out: dict[str, Any] = orjson.loads(to_json(content))
    return laid_out


def read(path: Path) -> PlainEvent:
    content = json.loads(path.read_text(encoding="utf-8"))
    parts = tuple(PlainPart(UUID(part["subject"]), part["content"]) for part in content["parts"])
    return PlainEvent(content["entry"], parts)


def main() -> None:
    for path in missing():
        content = laid_out(EXAMPLES[path.name.rpartition(".v")[0]])
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(path.name)  # noqa: T201 - a program's output


if __name__ == "__main__":
    main()
