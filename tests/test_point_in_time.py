"""docs/point-in-time.md, followed.

As in the README's tour, days, times, ids and positions may differ. Run this module to print the page with today's
output (`python -m tests.test_point_in_time`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import pytest

from tests.followed import DOCS, examples_of, print_followed, printed_by
from tests.test_readme import Example, comparable

PAGE: Final = DOCS / "point-in-time.md"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each command of the page prints."""
    return printed_by(PAGE, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize(("number", "example"), list(enumerate(examples_of(PAGE))), ids=lambda each: str(each)[:40])
def test_the_page_shows_what_is_printed(printed: Sequence[str], number: int, example: Example) -> None:
    assert comparable(printed[number]) == comparable(example.output)


def test_the_page_answers_what_the_five_events_say(printed: Sequence[str]) -> None:
    """The codes themselves, whatever the page claims."""
    assert re.findall(r'"code":"(\w+)"', "".join(printed)) == (
        ["POTENTIAL", "CHURN_RISK", "CHURN_RISK", "POTENTIAL", "HIGH_VALUE", "HIGH_VALUE"]
    )


if __name__ == "__main__":
    print_followed(PAGE)
