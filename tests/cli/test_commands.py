from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.importing.commands import MOST_BYTES, MOST_CHANGES, Command, EffectiveFrom, Translator
from cli.importing.mapping import PathMap
from tests.cli.changes import line, readable

NOTHING: frozenset[int] = frozenset()

logs = st.lists(
    st.tuples(st.sampled_from(["c1", "c2", "c3"]), st.sampled_from(["A", "B"]), st.integers(1, 3)), max_size=40
).map(lambda rows: [line(place, commit=c, person_id=p, path=f"f{n}") for place, (c, p, n) in enumerate(rows)])


def commands(lines: list[dict[str, Any]], **options: Any) -> list[Command]:
    return list(Translator("log", **options).commands(readable(lines)))


def changes_body(command: Command) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(command.to_changes(NOTHING))
    return body


@given(logs)
def test_every_line_is_in_exactly_one_command_in_order(log: list[dict[str, Any]]) -> None:
    found = [entry.line for command in commands(log) for entry in command.entries]
    assert found == list(range(1, len(log) + 1))


@given(logs)
def test_a_command_is_one_commit_of_one_entity_and_neighbours_are_not(log: list[dict[str, Any]]) -> None:
    made = commands(log)
    of_line = {number: (row["commit"], row["person_id"]) for number, row in enumerate(log, start=1)}
    groups = [{of_line[entry.line] for entry in command.entries} for command in made]
    assert all(len(group) == 1 for group in groups)
    assert all(before != after for before, after in pairwise(groups))


@given(logs)
def test_keys_are_different_and_the_same_again(log: list[dict[str, Any]]) -> None:
    keys = [command.key for command in commands(log)]
    assert not [key for key, times in Counter(keys).items() if times > 1]
    assert keys == [command.key for command in commands(log)]


@given(logs, st.integers(0, 40))
def test_a_log_in_two_parts_says_the_same(log: list[dict[str, Any]], cut: int) -> None:
    def said(made: list[Command]) -> list[tuple[str, Any]]:
        return [(command.entity, entry.body["key"]) for command in made for entry in command.entries]

    assert said(commands(log[:cut]) + commands(log[cut:])) == said(commands(log))


def test_another_source_has_other_keys() -> None:
    lines = readable([line(1)])
    (one,), (other,) = Translator("a").commands(lines), Translator("b").commands(lines)
    assert one.key != other.key


def test_a_command_says_when_why_and_on_what_evidence() -> None:
    (command,) = commands([line(4, merged_by="Eve")])
    body = changes_body(command)
    assert body == {
        "effective_from": "2020-03-04T10:00:00+01:00",
        "source": {"kind": "IMPORT_FILE", "detail": "commit c1", "batch_id": "log", "row": 4},
        "evidence": [
            {"url": "commit:a1", "note": "written by Ada; written at 2020-03-04T09:00:00+01:00; merged by Eve"}
        ],
        "reason": {"text": "first load"},
        "initial_load": True,
        "changes": [{"type": "customer.attribute-recorded", "key": "field.4", "value": "x"}],
    }


def test_a_change_says_what_differs_from_the_first() -> None:
    (command,) = commands([line(1), line(2, message="another", actor="Bob", authored_commit="a2")])
    second = changes_body(command)["changes"][1]
    assert second["source"]["row"] == 2
    assert second["reason"] == {"text": "another"}
    assert second["evidence"][0]["url"] == "commit:a2"
    assert "effective_from" not in second


@pytest.mark.parametrize("message", [None, "", "  "])
def test_a_log_without_reasons_says_so(message: str | None) -> None:
    (command,) = commands([line(1), line(2, message=message)])
    assert changes_body(command)["changes"][1]["reason"]["text"] == "the change log gives no reason"


def test_the_commit_is_the_evidence_where_no_other_is_known() -> None:
    (command,) = commands([line(1, authored_commit=None, authored_at=None, actor=None)])
    assert changes_body(command)["evidence"] == [{"url": "commit:c1"}]


def test_a_stated_date_counts_when_it_is_asked_for() -> None:
    log = [line(1, effective_at="2019-01-03"), line(2)]
    (command,) = commands(log, effective_from=EffectiveFrom.EFFECTIVE_AT)
    body = changes_body(command)
    assert body["effective_from"] == "2019-01-03"
    assert body["changes"][1]["effective_from"] == "2020-03-04T10:00:00+01:00"


def test_the_first_command_of_an_entity_can_open_its_file() -> None:
    (command,) = commands([line(1)])
    body = json.loads(command.to_registration(NOTHING, "INDIVIDUAL", "BIOGUIDE"))
    assert body["customer_kind"] == "INDIVIDUAL"
    assert body["identifiers"] == [{"scheme": "BIOGUIDE", "value": "A1"}]
    assert len(body["changes"]) == 1


def test_what_is_left_out_is_not_sent() -> None:
    (command,) = commands([line(1), line(2), line(3)])
    body = json.loads(command.to_changes(frozenset({1})))
    assert [change["key"] for change in body["changes"]] == ["field.1", "field.3"]


def test_no_command_has_more_changes_than_the_service_takes() -> None:
    path_map = PathMap({f"field.{seq}": "/identity/legal_name" for seq in range(700)})
    made = commands([line(seq) for seq in range(700)], path_map=path_map)
    assert len(made) == 3
    assert all(len(command.entries) <= MOST_CHANGES for command in made)
    assert sum(command.length for command in made) == 700


def test_long_lines_do_not_make_a_command_too_long() -> None:
    made = commands([line(seq, new="y" * 50_000) for seq in range(20)])
    assert all(len(command.to_changes(NOTHING)) < MOST_BYTES * 1.1 for command in made)
    assert len(made) > 1


def test_a_value_that_cannot_fill_its_slot_is_an_attribute_and_told() -> None:
    (command,) = commands([line(1, path="n", new=["a"])], path_map=PathMap({"n": "/identity/legal_name"}))
    assert [entry.is_mapped for entry in command.entries] == [False]
    assert [number for number, _ in command.untranslatable] == [1]
