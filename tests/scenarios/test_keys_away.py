"""The data keys have a database of their own, and it goes away alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.verify import keys_at, one_moment
from projections.comparison import hold_tables
from projections.verify import verify
from tests.scenarios.client import PHONE
from tests.scenarios.service import Service, wait_until
from tests.scenarios.test_metrics import scraped
from tests.server import TestServer

_OPENING = {"customer_kind": "ORGANISATION", "name": "Nobody", "contact": {"name": "Zhang San", "points": [PHONE]}}


def test_a_database_of_keys_that_is_away_is_told_of_and_costs_nothing_that_was_recorded(
    server: TestServer, tmp_path: Path
) -> None:
    with server.database(template="template0") as own, server.database() as ledger:
        with Service.start(tmp_path / "data", ledger, KEYS_DATABASE_URL=own) as service:
            _outlives(service, own)
        complaints = {json.loads(line)["event"] for line in service.complaints().splitlines()}
        assert complaints <= {"read models stand still"}


def _outlives(service: Service, own: str) -> None:
    li_na, watcher = service.as_("u-118", "editor"), service.as_("u-1", "administrator")
    file = li_na.register()
    assert service.http.get("/readyz").status_code == 200
    with _away(own):
        problem = li_na.get("/readyz", expect=503).json()
        assert problem["errors"] == [{"pointer": "keys_database", "detail": "does not answer"}]
        seen = scraped(watcher)
        assert (seen["dossier_keys_database_up"], seen["dossier_database_up"]) == ({(): 0}, {(): 1})
        assert li_na.get(file.path).json()["display_name"] == "Acme Ltd"
        refused = li_na.post("/v1/customers", _OPENING, expect=503)
        assert refused.json()["type"] == "urn:dossier:problem:database-unavailable"
    wait_until(lambda: service.http.get("/readyz").status_code == 200)
    file.record("/attributes", key="k", value=1)
    assert [item["data"]["value"] for item in file.history(path="/attributes")] == [1]
    with one_moment(service.conninfo) as moment:
        hold_tables(moment)
        with keys_at(moment, service.kek, own) as keys:
            assert list(verify(moment, keys)) == []


@contextmanager
def _away(conninfo: str) -> Iterator[None]:
    """Let nobody into that database, and nobody stay there."""
    name = conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as administrator:
        alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS ").format(sql.Identifier(str(name)))
        administrator.execute(alter + sql.SQL("false"))
        try:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            yield
        finally:
            administrator.execute(alter + sql.SQL("true"))
