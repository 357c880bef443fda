from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from cli.importing.change_log import LONGEST_LINE, BrokenLine, Line, Operation
from tests.cli.changes import as_file, line, read, readable

GOOD = as_file([line(1)])


def test_a_line_keeps_what_the_log_says() -> None:
    (found,) = readable([line(7, op="change", old=1, new=[1, 2.5, None, {"a": True}], merged_by="Eve")])
    change = found.change
    assert (change.seq, change.op, change.old, change.new) == (7, Operation.CHANGE, 1, [1, 2.5, None, {"a": True}])
    assert (change.recorded_at, change.merged_by) == ("2020-03-04T10:00:00+01:00", "Eve")


def test_a_null_is_a_value() -> None:
    assert readable([line(1, new=None)])[0].change.new is None


def test_integers_of_64_bits_stay_exact() -> None:
    assert readable([line(1, new=2**63 - 1)])[0].change.new == 2**63 - 1


def test_unknown_columns_are_let_pass() -> None:
    assert len(readable([line(1, file="social", branch={"x": 1})])) == 1


def test_an_entity_id_is_as_good_as_a_person_id() -> None:
    content = line(1)
    content["entity_id"] = content.pop("person_id")
    assert readable([content])[0].change.entity == "A1"


def without(column: str) -> bytes:
    content = line(1)
    del content[column]
    return as_file([content])


def with_(**columns: Any) -> bytes:
    return as_file([line(1) | columns])


BROKEN = {
    "not JSON": (b"{", "Invalid JSON"),
    "not an object": (b"[1]", "object"),
    "not UTF-8": (b'{"seq": "\xff"}', "Invalid JSON"),
    "no seq": (without("seq"), "seq: Field required"),
    "no commit": (without("commit"), "commit"),
    "no time": (without("recorded_at"), "recorded_at"),
    "no path": (without("path"), "path"),
    "no entity": (without("person_id"), "person_id"),
    "no value": (without("new"), "new is missing"),
    "seq as text": (with_(seq="1"), "seq"),
    "seq as truth": (with_(seq=True), "seq"),
    "negative seq": (with_(seq=-1), "seq"),
    "unknown operation": (with_(op="upsert"), "op"),
    "a time without offset": (with_(recorded_at="2020-03-04T10:00:00"), "offset"),
    "a time that is none": (with_(recorded_at="2020-13-04T10:00:00+01:00"), "recorded_at"),
    "a date for an instant": (with_(recorded_at="2020-03-04"), "recorded_at"),
    "a date that is none": (with_(effective_at="2021-02-30"), "effective_at: not a calendar date"),
    "NUL in the value": (with_(new={"a": ["\0"]}), "NUL"),
    "NUL in the message": (with_(message="a\0b"), "NUL"),
    "half a surrogate pair": (with_(new="\ud800"), "Invalid JSON"),
    "an integer beyond 64 bits": (with_(new=2**64), "64 bits"),
    "no number": (GOOD.replace(b'"x"', b"NaN"), "finite"),
    "too large a number": (GOOD.replace(b'"x"', b"1e999"), "finite"),
    "too deep": (with_(new=json.loads("[" * 40 + "]" * 40)), "deep"),
    "an empty key": (with_(path=""), "path"),
    "too long a key": (with_(path="p" * 401), "path"),
    "an id that is blank": (with_(person_id=" "), "person_id"),
    "an id with a line break": (with_(person_id="A\n1"), "person_id"),
    "too long a line": (with_(message="m" * LONGEST_LINE), "longer than"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_is_told_with_its_number_and_reason_and_the_rest_is_read(content: bytes, reason: str) -> None:
    before, broken, after = read(as_file([line(0)]) + content.rstrip(b"\n") + b"\n" + as_file([line(2)]))
    assert isinstance(before, Line)
    assert isinstance(after, Line)
    assert isinstance(broken, BrokenLine)
    assert broken.number == 2
    assert reason in broken.reason


@pytest.mark.parametrize("second", [3, 2])
def test_a_seq_that_does_not_increase_is_broken(second: int) -> None:
    assert [type(item) for item in read(as_file([line(3), line(second), line(4)]))] == [Line, BrokenLine, Line]


def test_gaps_in_seq_are_fine() -> None:
    assert len(readable([line(1), line(5)])) == 2


def test_a_compressed_log_is_known_by_its_first_bytes() -> None:
    assert len(read(gzip.compress(GOOD))) == 1


def test_a_damaged_compressed_log_gives_what_can_be_read_and_says_where_it_ends() -> None:
    whole = gzip.compress(as_file(line(seq, new=f"{seq * 7919:x}") for seq in range(5000)))
    *lines, last = read(whole[: len(whole) // 2])
    assert lines
    assert all(isinstance(item, Line) for item in lines)
    assert isinstance(last, BrokenLine)
    assert last.number == len(lines) + 1


def test_an_empty_log_has_no_lines() -> None:
    assert read(b"") == []


def test_blank_lines_and_a_byte_order_mark_are_let_pass() -> None:
    assert [item.number for item in read(b"\xef\xbb\xbf" + GOOD + b"\n" + as_file([line(2)]))] == [1, 3]


def test_a_last_line_without_its_end_is_read() -> None:
    assert isinstance(read(GOOD.rstrip(b"\n"))[0], Line)
