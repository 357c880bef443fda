"""A program for tests: what becomes of a sealer's turn when its host is cut off from the database's.

Runs in a network of its own (`unshare --net`), whose only link it takes down: the server and a sealer that is connected
over TCP then hear nothing of each other any more, while a second sealer has the server's socket. Prints, as JSON, after
how many seconds the second one had the turn, and that the first one came back to wait for it.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import psycopg

from cli.logs import configure_logging
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from ledger.sealer import Sealer

_PATIENCE_SECONDS = 60.0
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_OVER_TCP = """\
SELECT client_addr IS NOT NULL
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted
"""


def main() -> None:
    configure_logging()  # to standard error
    set_link(up=True)
    data_dir = Path(sys.argv[1])
    with EmbeddedPostgres(data_dir, fsync=False, settings={"listen_addresses": "127.0.0.1"}) as server:
        migrate(server.conninfo())
        there, here = Sealing(server.conninfo(host="127.0.0.1")), Sealing(server.conninfo())
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:

            def turn_is_over_tcp() -> bool | None:
                row = connection.execute(_OVER_TCP).fetchone()
                return None if row is None else bool(row[0])

            there.start()
            wait_until(lambda: turn_is_over_tcp() is True)
            here.start()
            set_link(up=False)
            lost_at = time.monotonic()
            wait_until(lambda: turn_is_over_tcp() is False)
            seconds = time.monotonic() - lost_at
            set_link(up=True)
            here.end()
            wait_until(lambda: turn_is_over_tcp() is True)
            there.end()
    print(json.dumps({"taken_over_after_seconds": round(seconds, 1)}))  # noqa: T201 - read by the test


class Sealing:
    """A sealer at work in a thread."""

    def __init__(self, conninfo: str) -> None:
        self._stop = Event()
        self._thread = Thread(target=Sealer(conninfo).run, args=[self._stop], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def set_link(*, up: bool) -> None:
    """Switch the loopback link of this network on or off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happens():
        if time.monotonic() > deadline:
            raise SystemExit("it did not happen")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
