"""docs/evidence.md, followed as an auditor would.

Times, ids, keys and roots may differ, everything else may not. Run this module to print the page with today's output
(`python -m tests.test_evidence_page`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import pytest

from tests.followed import DOCS, examples_of, print_followed, printed_by
from tests.test_readme import Example, comparable

PAGE: Final = DOCS / "evidence.md"
_VARIES: Final = (
    (re.compile(r"[0-9A-Za-z+/]{43}="), "<hash>"),
    (re.compile(r"dossier\.local/[0-9a-f]+(\+[0-9a-f]{8}(\+[0-9A-Za-z+/=]+)?)?"), "<log>"),
)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each command of the page prints."""
    return printed_by(PAGE, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize(("number", "example"), list(enumerate(examples_of(PAGE))), ids=lambda each: str(each)[:40])
def test_the_page_shows_what_is_printed(printed: Sequence[str], number: int, example: Example) -> None:
    assert _comparable(printed[number]) == _comparable(example.output)


def _comparable(output: str) -> str:
    for pattern, name in _VARIES:
        output = pattern.sub(name, output)
    return comparable(output)


if __name__ == "__main__":
    print_followed(PAGE)
