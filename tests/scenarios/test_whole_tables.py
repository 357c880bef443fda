"""Answers of any length: rows as they come, in little memory, through connections that others have left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import orjson
import psycopg
import pytest

from bench.fixture import KEK_TEXT, Filling, fill
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer

_CUSTOMERS: Final = 2_000
_BODY: Final = {"columns": [f"/attributes/field_{number}" for number in range(4, 10)], "where": {"all": []}}
_READING: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dossier_reader' AND xact_start IS NOT NULL
"""


@pytest.fixture(scope="module")
def book(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with more customers than fit into what a connection holds back."""
    folder = tmp_path_factory.mktemp("book")
    kek = folder / "kek"
    kek.touch(mode=0o600)
    kek.write_text(KEK_TEXT)
    with server.database() as conninfo:
        fill(conninfo, [Filling(_CUSTOMERS, 10, value_bytes=2_000)])
        with Service.start(folder / "data", conninfo, DOSSIER_KEK_FILE=str(kek)) as service:
            yield service


@contextmanager
def _asked(service: Service) -> Iterator[httpx.Response]:
    headers = {"Authorization": f"Bearer {service.as_('u-118', 'auditor').token}", "Accept": "application/x-ndjson"}
    with service.http.stream("POST", "/v1/portfolio/query", content=orjson.dumps(_BODY), headers=headers) as answer:
        yield answer


def _reading(service: Service) -> int:
    with psycopg.connect(service.conninfo) as connection:
        ((number,),) = connection.execute(_READING).fetchall()
    return int(number)


def test_all_customers_come_in_one_answer(book: Service) -> None:
    with _asked(book) as answer:
        *rows, last = answer.iter_lines()
    assert len(rows) == _CUSTOMERS
    ids = [orjson.loads(row)["customer_id"] for row in rows]
    assert ids == sorted(ids)
    assert orjson.loads(last)["summary"]["row_count"] == _CUSTOMERS
    assert _reading(book) == 0


def test_who_goes_away_in_the_middle_leaves_nothing_behind(book: Service) -> None:
    for _ in range(4):  # more often than whole tables may be read at once
        with _asked(book) as answer:
            assert answer.status_code == 200
            lines: Any = answer.iter_lines()
            assert orjson.loads(next(lines))["customer_id"]
            assert _reading(book) == 1
        wait_until(lambda: _reading(book) == 0)
    assert book.complaints() == ""


def test_others_are_served_while_whole_tables_are_read_slowly(book: Service) -> None:
    with _asked(book), _asked(book), _asked(book):
        with _asked(book) as refused:
            assert refused.status_code == 503
            assert orjson.loads(refused.read())["type"] == "urn:dossier:problem:overloaded"
        page = book.as_("u-118", "auditor").request("POST", "/v1/portfolio/query", expect=200, content=b'{"limit": 1}')
        assert page.json()["basis"]["row_count"] == 1
    wait_until(lambda: _reading(book) == 0)
