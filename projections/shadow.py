"""A shadow of the tables that follow the log: the same tables, built beside the live ones, then put in their place.

Owns schema `shadow`. What must stay true: until the switch commits the live tables are untouched, wherever we die;
what takes their place is what they were, down to the last index, grant and comment; and a schema that no rebuild made
is never removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self

from psycopg import Connection, Cursor, errors
from psycopg.sql import SQL, Composable, Composed, Identifier

from db.queries import load
from projections.errors import SchemaTaken, TablesAltered
from projections.expected import Followed, Row
from projections.facts import Facts, refuse_overlaps
from projections.portfolio import tallies

_QUERIES: Final = load("projections", "shadow.sql")
_ROWS: Final = 10_000
_COLUMNS: Final = 0
"""The step of `definitions` that only describes."""
_PATIENT: Final = "3s"
"""For locks that nobody waits behind: longer than vacuum takes to notice that it is in the way."""
_BRIEF: Final = "100ms"
"""For locks that readers wait behind; far from where the server would look for a deadlock, and end a reader."""


class Shadow:
    """The shadow of some tables. The login of `connection`, which is in autocommit, owns the live ones."""

    def __init__(self, connection: Connection[Any], tables: Sequence[Followed]) -> None:
        self.tables = tables
        self._connection = connection
        self._names = {"names": [table.name for table in tables]}
        self._definitions: list[tuple[int, str]] = []
        self._rows: dict[Followed, list[Row]] = {table: [] for table in tables}
        self._waiting = 0

    def begin(self) -> None:
        """Make the empty tables. Raises SchemaTaken.

        One transaction from here to `complete`: until its commit nobody sees the shadow, afterwards it is whole.
        """
        self.discard()
        for name in ("create_schema", "mark_schema", "create_tracking", "admit_follower", "admit_tracking"):
            self._connection.execute(_QUERIES[name])
        for name in ("create_tables", "keep_out"):
            self._run(text for (text,) in self._connection.execute(_QUERIES[name], self._names).fetchall())
        self._definitions = self._live_definitions()

    def add(self, rows: Mapping[Followed, list[Row]]) -> None:
        """Add the rows of a customer; they are in the table after `flush`."""
        for table, of_table in rows.items():
            self._rows[table] += of_table
            self._waiting += len(of_table)
        if self._waiting >= _ROWS:
            self.flush()

    def complete(self, positions: Mapping[str, int]) -> None:
        """Give the filled tables all that the live ones have. `positions`: where the projections stood.

        Raises RectanglesOverlap: the rows were there before the triggers that refuse such ones.
        """
        self._run(text for step, text in self._definitions if step != _COLUMNS)
        for table in self.tables:
            self._connection.execute(_composed("analyze", shadow=Identifier("shadow", table.name)))
            if table.name == Facts.name:
                refuse_overlaps(self._connection, Identifier("shadow", table.name))
        tracked = {"names": list(positions), "positions": list(positions.values())}
        self._connection.execute(_QUERIES["track"], tracked)

    def switch(self, catch_up: Callable[[int], None]) -> bool:
        """Put the shadow in the place of the live tables. False, with nothing done, while these are in use.

        `catch_up` brings the shadow to a position, while the runner of the live tables stands there. Raises
        TablesAltered.
        """
        try:
            # If we die before the commit, the live tables are as they were; after it, the shadow is them.
            with self._connection.transaction():
                return self._switch(catch_up)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            return False

    def _switch(self, catch_up: Callable[[int], None]) -> bool:
        live, shadow = self._identifiers("read"), self._identifiers("shadow")
        self._wait_at_most(_PATIENT)
        self._connection.execute(_composed("send_vacuum_away", tables=SQL(", ").join([*live, *shadow])))
        positions = dict(self._connection.execute(_QUERIES["hold_runner"]).fetchall())
        followed = {name: positions[name] for name in self._names["names"]}
        catch_up(min(followed.values()))
        if dict(self._connection.execute(_QUERIES["shadow_positions"]).fetchall()) != followed:
            return False
        self._wait_at_most(_BRIEF)
        self._connection.execute(_composed("lock_readers_out", live=SQL(", ").join(live)))
        if self._live_definitions() != self._definitions:
            raise TablesAltered
        self._connection.execute(_composed("drop_live", live=SQL(", ").join(live)))
        for table in shadow:
            self._connection.execute(_composed("move_in", shadow=table))
        tallies.forget(self._connection)
        self._run(text for (text,) in self._connection.execute(_QUERIES["move_statistics_in"]).fetchall())
        self._connection.execute(_QUERIES["drop_schema"])
        return True

    def who_reads(self) -> list[int]:
        """The server's processes that hold live tables."""
        return [pid for (pid,) in self._connection.execute(_QUERIES["who_reads"], self._names).fetchall()]

    def discard(self) -> None:
        """Remove what is left of a shadow. Raises SchemaTaken."""
        found = self._connection.execute(_QUERIES["found_schema"]).fetchone()
        if found is None:
            return
        if found != (True,):
            raise SchemaTaken
        self._connection.execute(_QUERIES["drop_schema"])

    def flush(self) -> None:
        """Store the rows that were added."""
        for table, rows in self._rows.items():
            columns = SQL(", ").join(map(Identifier, table.columns))
            statement = _composed("copy", shadow=Identifier("shadow", table.name), columns=columns)
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
            rows.clear()
        self._waiting = 0

    def _run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _live_definitions(self) -> list[tuple[int, str]]:
        return self._connection.execute(_QUERIES["definitions"], self._names).fetchall()

    def _wait_at_most(self, lock_timeout: str) -> None:
        self._connection.execute(_QUERIES["wait_at_most"], {"lock_timeout": lock_timeout})

    def _identifiers(self, schema: str) -> list[Identifier]:
        return [Identifier(schema, table.name) for table in self.tables]


def cursor_on_shadow(tables: Iterable[Followed]) -> type[Cursor[Any]]:
    """The cursor through which a runner keeps up the shadow: its statements find the shadow where they name the live.

    So it is the everyday code that brings the shadow up to date; tables without a shadow are read as they are.
    """
    names = [*(table.name for table in tables), "tracking"]

    class ShadowCursor(Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
            for name in names:
                query = query.replace(f"read.{name}", f"shadow.{name}")
            return super().execute(query, *args, **kwargs)

    return ShadowCursor


def _composed(name: str, **parts: Composable) -> Composed:
    return SQL(_QUERIES[name]).format(**parts)
