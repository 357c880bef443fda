"""The load client: what it counts, and what it never counts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from bench.callers import Reader, get
from bench.load import LoadFailed, exchange, load
from bench.servers import Server, canned, crud
from bench.yardstick import Unsuitable
from cli.tokens import ensure_signing_key

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def nowhere(tmp_path: Path) -> Server:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Server(listener.getsockname()[:2], "", tmp_path / "data")


@contextmanager
def answering(nowhere: Server, answer: bytes) -> Iterator[tuple[Server, list[Reader]]]:
    with canned(nowhere, answer) as server:
        yield server, [Reader([get(server, "/")]) for _ in range(3)]


def test_answers_are_counted_with_their_latencies(nowhere: Server) -> None:
    with answering(nowhere, ANSWER) as (server, readers):
        tally = load(server.address, readers, seconds=0.1)
        assert exchange(server.address, readers[0]) == ANSWER
    assert tally.statuses.keys() == {200}
    assert tally.statuses.total() == len(tally.latencies) > 3
    assert tally.latencies == sorted(tally.latencies)
    assert tally.quantile(0) <= tally.quantile(0.5) <= tally.quantile(1) == tally.latencies[-1]


def test_a_refusal_is_no_throughput(nowhere: Server) -> None:
    with answering(nowhere, BUSY) as (server, readers), pytest.raises(LoadFailed, match="answered with 503"):
        load(server.address, readers, seconds=5)


def test_a_server_that_is_not_there_is_an_error(nowhere: Server) -> None:
    with pytest.raises(ConnectionRefusedError):
        load(nowhere.address, [Reader([get(nowhere, "/")])], seconds=0.1)


def test_a_server_that_hangs_up_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[:2], "", Path())
        # The connection waits in the backlog; when the listener goes, the kernel resets it.
        Timer(0.3, listener.close).start()
        with pytest.raises(LoadFailed, match="closed a connection"):
            load(server.address, [Reader([get(server, "/")])], seconds=30)


def test_a_baseline_that_cannot_reach_its_database_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ensure_signing_key(data / "keys" / "jwt.pem")
    with pytest.raises(Unsuitable, match=r"bench\.baselines\.crud.* does not start"), crud("host=/nowhere", data):
        pass
