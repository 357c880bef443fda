"""Trace contexts: what keeps to the form is taken, anything else is as if it had not come."""

from __future__ import annotations

import pytest

from api.trace_context import TraceContext, new_span_id, new_trace_id, read

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_parent_is_taken_apart_and_put_together_again() -> None:
    found = read([f"00-{TRACE}-{SPAN}-01"], ["vendor=t61rcWkgMzE , a@b=1", "other=2"])
    assert found == TraceContext(TRACE, SPAN, is_sampled=True, state="vendor=t61rcWkgMzE,a@b=1,other=2")
    assert found.parent("1" * 16) == f"00-{TRACE}-{'1' * 16}-01"
    unsampled = read([f"00-{TRACE}-{SPAN}-02"], [])
    assert unsampled == TraceContext(TRACE, SPAN)


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    for later in (f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-will-be"):
        found = read([later], [])
        assert found is not None
        assert found.trace_id == TRACE


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [""],
        [f"00-{TRACE}-{SPAN}-01"] * 2,
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"0-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE}-{SPAN}"],
        [f"00-{TRACE}-{SPAN}-0１"],  # noqa: RUF001 - a digit elsewhere, not here
        [f"00-{TRACE}-{SPAN}-01x"],
        [f"01-{TRACE}-{SPAN}-01x"],
        [f"00_{TRACE}_{SPAN}_01"],
        ["x" * 10_000],
    ],
    ids=lambda parents: str(parents)[:70],
)
def test_what_is_no_parent_is_as_if_it_had_not_come(parents: list[str]) -> None:
    assert read(parents, ["a=1"]) is None


@pytest.mark.parametrize(
    "states",
    [
        ["novalue"],
        ["A=1"],
        ["a=1,a=2"],
        ["a=1", "a=2"],
        ["a=b=c"],
        ["a=é"],
        [",".join(f"k{number}=1" for number in range(33))],
        ["a=" + "x" * 257],
        ["a=" + "x" * 9000],
        [""],
    ],
    ids=lambda states: str(states)[:40],
)
def test_a_state_that_is_no_list_is_left_out_and_the_parent_is_kept(states: list[str]) -> None:
    found = read([f"00-{TRACE}-{SPAN}-01"], states)
    assert found is not None
    assert (found.trace_id, found.state) == (TRACE, "")


def test_made_ids_are_of_the_form() -> None:
    assert read([f"00-{new_trace_id()}-{new_span_id()}-00"], []) is not None
    assert new_trace_id() != new_trace_id()
