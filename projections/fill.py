"""Fills all read models from the streams where there are none yet: after a restore, in one walk over them.

What must stay true: nobody else is at work in the database. While people are, rebuild.py does this beside them, and
tells what differed; here nothing was there to differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from psycopg import Connection

from db.pool import connect
from db.queries import load
from domain.file import CustomerFile
from ledger.kek import KeyEncryptionKey
from ledger.statements import FileChange
from ledger.verify import keys_at, one_moment
from projections.comparison import FOLLOWED, computed
from projections.errors import NeverFree
from projections.expected import Followed, Row
from projections.identifiers import IdentifierView
from projections.profile import ProfileView
from projections.rebuild import owner_of
from projections.shadow import Shadow

_QUERIES: Final = load("projections", "fill.sql")
_CUSTOMERS: Final = 200
_NO_CLAIMS: Final[frozenset[tuple[str, str]]] = frozenset()


def fill(
    conninfo: str,
    kek: KeyEncryptionKey,
    advance: Callable[[int], None] = lambda _: None,
    *,
    keys_conninfo: str | None = None,
) -> None:
    """Write the rows of all streams, as the login that owns the tables; `advance` is told of events.

    Raises StreamUnreadable, KeyEncryptionError, RebuildRefused or psycopg.Error.
    """
    with owner_of(conninfo) as owner:
        ((position,),) = owner.execute(_QUERIES["sealed"]).fetchall()
        owner.execute(_QUERIES["track"], {"names": list(FOLLOWED), "position": position})
        shadow = Shadow(owner, list(FOLLOWED.values()))
        # The tables that follow the log are made aside, without indexes at first, as a rebuild does it.
        with owner.transaction():
            shadow.begin()
            with one_moment(conninfo) as moment, keys_at(moment, kek, keys_conninfo) as keys:
                keys.require_kek()
                _walk(conninfo, computed(moment, keys, position), shadow, advance)
            shadow.flush()
            shadow.complete(dict.fromkeys(FOLLOWED, position))
        if not shadow.switch(lambda _: None):
            raise NeverFree(0, shadow.who_reads())


def _walk(
    conninfo: str,
    streams: Iterator[tuple[CustomerFile | None, Mapping[Followed, list[Row]], int]],
    shadow: Shadow,
    advance: Callable[[int], None],
) -> None:
    with connect(conninfo, "dossier_app") as writer:
        while some := list(islice(streams, _CUSTOMERS)):
            for _, rows, _ in some:
                shadow.add(rows)
            _write_inline(writer, [file for file, _, _ in some if file is not None])
            advance(sum(events for _, _, events in some))


def _write_inline(writer: Connection[Any], files: Sequence[CustomerFile]) -> None:
    """Profiles and identifiers, by the statements of everyday."""
    changes = [FileChange(_NO_CLAIMS, file) for file in files]
    for view in (ProfileView(), IdentifierView()):
        for statement in view.statements(changes):
            writer.execute(statement.sql, statement.params)
    writer.commit()
