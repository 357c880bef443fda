"""Makes what was deleted vanish from a database's files: tables are rewritten, and old write-ahead log is dropped.

PostgreSQL marks deleted rows as free and leaves their bytes where they are: in pages, in indexes, in the samples that
ANALYZE draws, in segments of the log and in those that it uses again. What must stay true: a table is rewritten only
when nobody can see its deleted rows any more, because they would be copied; and what could not be dropped is told by
name. Blocks that the file system has got back are not overwritten: that is the disk's business.

Who reads or writes a table waits while it is rewritten, each table in its turn. We wait for a table in short turns
ourselves, so that nobody stands behind us who would not have had to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from db.conninfo import with_settings
from db.errors import AnotherScrub, StillSeen, TableBusy
from db.queries import load

_QUERIES: Final = load(Path(__file__).parent, "scrub.sql")
_SETTINGS: Final = {
    "timezone": "UTC",
    "statement_timeout": "0",
    "lock_timeout": "1s",
    "client_min_messages": "warning",
}
_PAUSE_SECONDS: Final = 0.5
_ROUNDS: Final = 5
"""Segments may be used again until every process of the server has heard that they are not to be."""


@dataclass(slots=True)
class Scrubbed:
    """Which tables were rewritten, each in how many seconds during which nobody else could use it.

    `residues`: what may still hold deleted rows in this cluster. `elsewhere`: where copies are that we cannot reach.
    """

    tables: dict[str, float] = field(default_factory=dict)
    segments_dropped: int = 0
    residues: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def scrub(
    conninfo: str,
    *,
    schemas: Collection[str],
    tables: Collection[str] = (),
    patience_seconds: float = 600.0,
    doing: Callable[[str], None] = lambda _: None,
) -> Scrubbed:
    """Rewrite the tables of these schemas and these ones, draw their samples anew, and drop the log of before.

    As the login that owns them; the log needs a superuser, else it is a residue. `doing` is told what is being done.
    Raises AnotherScrub, StillSeen or TableBusy after `patience_seconds`, or psycopg.Error, perhaps halfway.
    """
    deadline = time.monotonic() + patience_seconds
    scrubbed = Scrubbed()
    url = with_settings(conninfo, _SETTINGS, application_name="dossier_scrub")
    with psycopg.connect(url, autocommit=True) as owner:
        if owner.execute(_QUERIES["take_turn"]).fetchone() != (True,):
            raise AnotherScrub
        for table in _tables(owner, schemas, tables):
            # For each anew: the samples of one that was just rewritten are deleted rows of a catalogue.
            doing(f"waiting for who may still see what was deleted from {table}")
            _await_blindness(owner, deadline)
            doing(f"rewriting {table}")
            scrubbed.tables[table] = _rewritten(owner, table, deadline)
        doing("dropping the write-ahead log")
        _drop_log(owner, scrubbed)
    return scrubbed


def _await_blindness(owner: Connection[Any], deadline: float) -> None:
    """Wait until nobody sees row versions that were deleted before now. Raises StillSeen."""
    (row,) = owner.execute(_QUERIES["now_as_transaction"]).fetchall()
    while seeing := [who for (who,) in owner.execute(_QUERIES["who_sees_before"], {"xid": row[0]}).fetchall()]:
        if time.monotonic() > deadline:
            raise StillSeen(seeing)
        time.sleep(_PAUSE_SECONDS)


def _tables(owner: Connection[Any], schemas: Collection[str], tables: Collection[str]) -> list[str]:
    params = {"schemas": list(schemas), "tables": list(tables)}
    return [f"{schema}.{name}" for schema, name in owner.execute(_QUERIES["tables"], params).fetchall()]


def _rewritten(owner: Connection[Any], table: str, deadline: float) -> float:
    """Rewrite a table with its indexes, and draw the samples of its values anew; how long it was out of use."""
    seconds = _when_free(table, deadline, lambda: owner.execute(SQL("VACUUM (FULL) {}").format(_identifier(table))))
    if not table.startswith("pg_catalog."):
        _when_free(table, deadline, lambda: _draw_anew(owner, table))
    return seconds


def _draw_anew(owner: Connection[Any], table: str) -> None:
    with owner.transaction():  # in one, so that nobody plans without any
        if _may_all(owner):
            named = {"table": _identifier(table).as_string(owner)}
            owner.execute(_QUERIES["forget_samples"], named)
            owner.execute(_QUERIES["forget_samples_together"], named)
        owner.execute(SQL("ANALYZE {}").format(_identifier(table)))


def _identifier(table: str) -> Identifier:
    return Identifier(*table.split(".", 1))


def _when_free(table: str, deadline: float, work: Callable[[], object]) -> float:
    """Do something to a table as soon as nobody is in the way; how long it took. Raises TableBusy."""
    while True:
        began = time.monotonic()
        try:
            work()
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise TableBusy(table) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return time.monotonic() - began


# --- the write-ahead log ----------------------------------------------------------------------------------------------


def _drop_log(owner: Connection[Any], scrubbed: Scrubbed) -> None:
    """Go on in segments that are new, and have the server remove all others."""
    for told, query in ((scrubbed.elsewhere, "elsewhere"), (scrubbed.residues, "keeps_log")):
        told += [f"{name}: {why}" for name, why in owner.execute(_QUERIES[query]).fetchall()]
    if not _may_all(owner):
        scrubbed.residues.append("write-ahead log: this login may not drop it; segments are used again in their time")
        scrubbed.residues.append("samples of values: this login may not delete those that ANALYZE does not renew")
        return
    with _without_recycling(owner):
        for _ in range(_ROUNDS):
            before = _segments(owner)
            _begin_anew(owner, before[-1])
            # If we die here, the segments of before are still there, and the next scrubbing drops them.
            owner.execute(_QUERIES["checkpoint"])
            after = _segments(owner)
            scrubbed.segments_dropped += len(set(before) - set(after))
            if after[0] > before[-1]:
                return
    scrubbed.residues.append(f"write-ahead log: segments up to {after[-1]} were not dropped by the server")


def _begin_anew(owner: Connection[Any], last: str) -> None:
    """Write on until the segment at hand is a new one: those that stand ready still hold what they once held."""
    while True:
        owner.execute(_QUERIES["write_something"])
        if _current(owner) > last:
            return
        owner.execute(_QUERIES["begin_segment"])


def _may_all(owner: Connection[Any]) -> bool:
    return owner.execute(_QUERIES["may_all"]).fetchone() == (True,)


@contextmanager
def _without_recycling(owner: Connection[Any]) -> Iterator[None]:
    if owner.execute(_QUERIES["recycles"]).fetchone() != (True,):
        yield
        return
    try:
        owner.execute(_QUERIES["stop_recycling"])
        owner.execute(_QUERIES["reload"])
        yield
    finally:
        # If we die before this, segments are removed instead of used again until the end of the next scrubbing.
        owner.execute(_QUERIES["recycle_again"])
        owner.execute(_QUERIES["reload"])


def _segments(owner: Connection[Any]) -> list[str]:
    return [name for name, _ in owner.execute(_QUERIES["segments"]).fetchall()]


def _current(owner: Connection[Any]) -> str:
    return str(owner.execute(_QUERIES["segments"]).fetchall()[0][1])
