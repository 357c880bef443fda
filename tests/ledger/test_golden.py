"""Whatever was ever written can be read: the golden files against today's code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from domain.events import EVENT_TYPES
from ledger import codec
from tests.ledger import golden
from tests.ledger.examples import EXAMPLES

FILES = sorted(golden.FOLDER.glob("*.json"))


def _name(path: Path) -> str:
    return path.stem


def test_every_event_type_has_a_golden_file_of_todays_version() -> None:
    assert not [path.name for path in golden.missing()], "write them: python -m tests.ledger.golden"


def test_every_event_type_has_an_example() -> None:
    assert sorted(EVENT_TYPES) == sorted(EXAMPLES)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_golden_file_is_read_as_its_example(path: Path) -> None:
    plain = golden.read(path)
    data_keys = {part.subject: os.urandom(32) for part in plain.parts}
    stored = codec.seal(plain, data_keys)
    example = EXAMPLES[plain.entry["type"]]
    assert codec.decode(stored, data_keys) == example


@pytest.mark.parametrize("stored_name", sorted(EXAMPLES))
def test_an_example_is_written_as_its_golden_file(stored_name: str) -> None:
    path = golden.path_of(stored_name)
    assert golden.laid_out(EXAMPLES[stored_name]) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_names_and_texts_stay_out_of_the_entry(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    entry = json.dumps(content["entry"], ensure_ascii=False)
    assert entry.isascii(), "the examples' names and texts are Chinese, an entry's members are not"
    assert {"reason", "evidence", "source", "payload"}.isdisjoint(content["entry"])
