"""Several API workers behind one port: all of them answer, one that is killed is replaced, and all are drained."""

from __future__ import annotations

import re
import resource
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cli.capacity import embedded_settings
from tests.cli.service import PATIENCE_SECONDS, RunningService, failure, kill, wait_until
from tests.cli.wire import Registration, connected, get, is_refused, read
from tests.server import TestServer

SOFT_LIMIT = 700
RETRIES = 10


@pytest.fixture(scope="module")
def trio(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with three workers, started by somebody who may open few files unless asking for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_LIMIT, hard))
    with server.database() as database, ExitStack() as stack:
        options = ("--no-sample", "--workers", "3", "--database-url", database)
        service = stack.enter_context(RunningService.start(tmp_path_factory.mktemp("trio"), *options))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        yield service


def connect_to_each(service: RunningService, stack: ExitStack) -> list[HTTPConnection]:
    """Connections, kept alive until the stack ends, on which all workers have answered."""
    connections: dict[HTTPConnection, int | None] = {}

    def all_have_answered() -> bool:
        connection = stack.enter_context(connected(service.url))
        connection.request("GET", "/healthz")
        assert read(connection.getresponse()).status == 200
        connections[connection] = service.worker_of(connection.sock.getsockname()[1])
        return set(service.workers()) == set(connections.values())

    wait_until(all_have_answered)
    return list(connections)


@contextmanager
def somebody_asking(service: RunningService) -> Iterator[list[int]]:
    """Somebody who asks all the time, each time anew, and asks again when the connection breaks."""
    statuses: list[int] = []
    enough = threading.Event()

    def ask() -> int:
        for _ in range(RETRIES):
            try:
                return get(service.url, "/readyz").status
            except ConnectionRefusedError:
                return 0
            except ConnectionError:  # a worker has died with it in its hands
                continue
        return 0

    def ask_all_the_time() -> None:
        while not enough.is_set():
            statuses.append(ask())

    thread = threading.Thread(target=ask_all_the_time)
    thread.start()
    try:
        yield statuses
    finally:
        enough.set()
        thread.join()


def test_all_of_them_answer_and_may_open_many_files(trio: RunningService) -> None:
    with ExitStack() as stack:
        connect_to_each(trio, stack)
    for worker in trio.workers():
        limits = Path(f"/proc/{worker}/limits").read_text()
        (soft, hard) = re.findall(r"Max open files +(\d+) +(\d+)", limits)[0]
        assert soft == hard != str(SOFT_LIMIT)


def test_one_that_is_killed_is_replaced_while_the_others_answer(trio: RunningService) -> None:
    with somebody_asking(trio) as statuses, ExitStack() as stack:
        victim = trio.workers()[0]
        kill(victim)
        wait_until(lambda: victim not in (workers := trio.workers()) and len(workers) == 3)
        connect_to_each(trio, stack)
    assert set(statuses) == {200}


def test_sigterm_lets_all_finish_what_is_under_way_and_takes_nothing_new(tmp_path: Path, database: str) -> None:
    options = ("--no-sample", "--workers", "2", "--database-url", database)
    with RunningService.start(tmp_path, *options) as service, ExitStack() as stack:
        orders = [Registration(connection, service.token) for connection in connect_to_each(service, stack)]
        waiting = Registration(stack.enter_context(connected(service.url)), service.token)
        reader = stack.enter_context(connected(service.url, receive_buffer=4096))
        with psycopg.connect(database) as stranger:
            stranger.execute("LOCK TABLE ledger.event IN EXCLUSIVE MODE")
            waiting.complete()
            wait_until(lambda: somebody_waits(database))
            reader.request("GET", "/openapi.json")
            slowly_read = reader.getresponse()
            beginning = slowly_read.read(10)
            service.process.terminate()
            wait_until(lambda: is_refused(service.url))
            for order in orders:
                order.complete()
        answers = [order.answer() for order in [*orders, waiting]]
        assert {(answer.status, answer.connection) for answer in answers} == {(201, "close")}
        rest = read(slowly_read)
        assert len(beginning + rest.body) == int(slowly_read.getheader("Content-Length", ""))
        assert service.process.wait(PATIENCE_SECONDS) == 0
    with psycopg.connect(database) as connection:
        registered = connection.execute("SELECT count(DISTINCT stream) FROM ledger.event").fetchall()
    assert registered == [(len(answers),)]


def somebody_waits(database: str) -> bool:
    with psycopg.connect(database) as connection:
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return connection.execute(blocked).fetchall() != [(0,)]


def test_a_database_that_takes_too_few_connections_is_refused(tmp_path: Path, database: str) -> None:
    name = f"login_{uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 35").format(sql.Identifier(name)))
        outcome = failure(tmp_path, "--workers", "3", DATABASE_URL=make_conninfo(database, user=name))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert outcome.exit_code == 1
    assert outcome.err == (
        "dossier: 3 workers may open 49 connections, and the database takes 35 of this login; start at most 2 workers,"
        " or raise its max_connections (or the limit of the login or the database)\n"
    )


def test_an_embedded_database_has_room_for_all_that_may_be_asked_for() -> None:
    assert embedded_settings(1) == {"max_connections": "100"}
    assert embedded_settings(64) == {"max_connections": "953"}


def test_how_many_there_may_be_is_bounded(tmp_path: Path) -> None:
    assert failure(tmp_path, "--workers", "65").exit_code == 2
