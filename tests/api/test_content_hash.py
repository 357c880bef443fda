"""A page of customers of whom only the id differs reads, and is hashed, as any other table."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from api.content_hash import ContentHash, listed
from projections.portfolio.paths import path_of
from projections.portfolio.query import Condition, Listing, Operator

IDS = ["0192d3a0-0000-7000-8000-000000000001", "0192d3a0-0000-7000-8000-000000000002"]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    ("path", "operand", "others"),
    [
        ("/tier/VALUE/code", "A", {}),
        ("/tier/VALUE/code", 'A"}\n', {"/tier/VALUE/code": 'A"}\n'}),
        ("/tier/VALUE/code", "中", {"/tier/VALUE/code": "中", "/tier/VALUE": {"code": "中"}}),
        ("/owner/ACCOUNT_MANAGER", "customer_id", {"/owner/ACCOUNT_MANAGER": "customer_id"}),
        ("/tags/REGION/SOUTH", True, {"/tags/REGION/SOUTH": True}),
    ],
)
def test_a_page_by_one_value_is_a_table_like_any_other(
    path: str, operand: Any, others: dict[str, Any], number: int
) -> None:
    columns = ["customer_id", *others]
    query = Listing((Condition(path_of(path), Operator.EQ, operand),), tuple(map(path_of, columns)))
    table = ContentHash(columns)
    rows = [[customer_id, *others.values()] for customer_id in IDS[:number]]
    table.take(rows)
    items, summary = listed(query, IDS[:number])
    assert orjson.loads(b"[%b]" % items) == [dict(zip(columns, row, strict=True)) for row in rows]
    assert summary == table.summary()
