"""Processor time, user and system, of processes of this machine, as the kernel has counted it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

TICKS: Final = os.sysconf("SC_CLK_TCK")
_OURS: Final = "client"


class Stat(NamedTuple):
    """A process's parent, the seconds that it has spent, and those of its children that have ended."""

    parent: int
    seconds: float
    of_ended: float


def stat(process_id: int) -> Stat:
    """Raises OSError for one that is not here."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system, user_of_ended, system_of_ended = (int(field) / TICKS for field in fields[11:15])
    return Stat(int(fields[1]), user + system, user_of_ended + system_of_ended)


def processes() -> Iterator[tuple[int, Stat]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                yield int(path.name), stat(int(path.name))
            except OSError:  # it has ended meanwhile
                continue


def descendants(process_id: int) -> dict[int, Stat]:
    """A process and all that it has started, directly or not, and that still run."""
    children: defaultdict[int, list[tuple[int, Stat]]] = defaultdict(list)
    for each, its in processes():
        children[its.parent].append((each, its))
    found, ahead = dict[int, Stat](), [(process_id, stat(process_id))]
    while ahead:
        each, its = ahead.pop()
        found[each] = its
        ahead += children[each]
    return found


class Spending:
    """What this process and all that it has started spend from now on, by name.

    A process of the database server goes by the name of who uses it, and what began and ended meanwhile by that of
    whoever had started it: of the server that is autovacuum, mostly. Raises psycopg.Error.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._before = descendants(os.getpid())

    def seconds(self) -> dict[str, float]:
        of_server = self._of_server()
        spent: defaultdict[str, float] = defaultdict(float)
        for process_id, now in descendants(os.getpid()).items():
            was = self._before.get(process_id, Stat(0, 0.0, 0.0))
            name = of_server.get(process_id) or program(process_id)
            spent[name] += now.seconds - was.seconds
            spent["server, those that ended" if name == "postgres" else f"{name}, those that ended"] += (
                now.of_ended - was.of_ended
            )
        return {name: seconds for name, seconds in spent.items() if seconds > 0}

    def _of_server(self) -> dict[int, str]:
        with psycopg.connect(self._conninfo) as connection:
            rows = connection.execute(
                "SELECT pid, CASE WHEN application_name <> '' AND backend_type = 'client backend'"
                " THEN 'server, for ' || application_name ELSE 'server, ' || backend_type END FROM pg_stat_activity"
            ).fetchall()
        return dict(rows)


def program(process_id: int) -> str:
    """Which of our programs that is; the name of its file for others, and `client` for ourselves."""
    if process_id == os.getpid():
        return _OURS
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return "ended"
    if "-m" in words[:-1]:
        return " ".join(words[words.index("-m") + 1 :][:2]).split(" -")[0].split(" user=")[0].strip()
    return words[0].rpartition("/")[2].split(":")[0]
