"""The header Dossier-Purpose: a code and words, and nothing else."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.errors import Problem
from api.purpose import purpose_of


def stated(header: bytes | None) -> tuple[str, str | None] | None:
    headers = [] if header is None else [(b"dossier-purpose", header)]
    return purpose_of(Request({"type": "http", "headers": headers}))


@pytest.mark.parametrize(
    ("header", "purpose"),
    [
        (None, None),
        (b"SALES", ("SALES", None)),
        (b" CREDIT_REVIEW ; annual review; limit 2026 ", ("CREDIT_REVIEW", "annual review; limit 2026")),
        (b"OTHER;x", ("OTHER", "x")),
        ("AUDIT; 年度审计".encode(), ("AUDIT", "年度审计")),
        (b"SALES;" + b"x" * 300, ("SALES", "x" * 300)),
    ],
)
def test_a_purpose_is_a_code_and_optional_words(header: bytes | None, purpose: tuple[str, str | None] | None) -> None:
    assert stated(header) == purpose


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "begins with one of"),
        (b"sales", "begins with one of"),
        (b"SALES, AUDIT", "begins with one of"),
        (b";words", "begins with one of"),
        (b"SALES\xa0", "is not UTF-8"),
        (b"OTHER", "needs words"),
        (b"OTHER; ", "has no words"),
        (b"SALES;", "has no words"),
        (b"SALES;" + b"x" * 301, "at most 300"),
        (b"SALES; a\tb", "no control characters"),
        (b"SALES; \x1b[31m", "no control characters"),
        ("SALES; a\u2028b".encode(), "no control characters"),
        ("SALES; \u202ereversed".encode(), "no control characters"),
    ],
)
def test_anything_else_is_refused_by_its_rule(header: bytes, why: str) -> None:
    with pytest.raises(Problem) as caught:
        stated(header)
    assert (caught.value.status, caught.value.slug) == (422, "invalid-purpose")
    assert why in caught.value.detail
    assert [field.pointer for field in caught.value.fields] == ["Dossier-Purpose"]
