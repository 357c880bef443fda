"""Every error this room raises on purpose.

DatabaseFloorError
├── MalformedConninfo             a connection string that cannot be read
├── QueryError
│   ├── MalformedQueryFile        a .sql file breaks the format of named statements
│   └── UnknownQuery              no statement of that name (also a KeyError)
├── MigrationError
│   ├── UnsuitableServer          too old, not UTF-8, or without btree_gist
│   ├── MalformedMigration        a file name breaks the numbering
│   ├── MigrationChanged          an applied file was edited since
│   ├── MigrationMissing          an applied file is gone
│   ├── DatabaseNewerThanCode     the database has migrations that this code does not know
│   ├── BeingRestored             a restore of the database has not ended
│   └── MigrationFailed           the server refused a statement
├── ScrubError
│   ├── AnotherScrub              somebody else is scrubbing this database
│   ├── StillSeen                 deleted rows can still be seen by somebody; carries who
│   └── TableBusy                 a table was never free to be rewritten; carries table
├── ArchiveError
│   ├── FolderNotEmpty            an archive goes into a new or an empty folder
│   ├── ArchiveMissing            there is no such folder
│   ├── ArchiveUnfinished         a folder without a manifest: its backup did not end
│   ├── ArchiveDamaged            a file is not the one that was written; names it
│   ├── DatabaseNotEmpty          an archive is put back into an empty database only
│   └── AnotherRestore            one is at work in this database
└── EmbeddedPostgresError
    ├── UnsupportedPlatform       embedded PostgreSQL runs on Linux only
    ├── BinariesNotFound          no usable PostgreSQL programs
    ├── UnusableAccount           no account here can run PostgreSQL
    ├── UnusableFolder            the data folder cannot hold a cluster
    ├── OtherMajorVersion         the data folder was made by another major version
    ├── AlreadyOwned              another process runs the server of this data folder
    ├── InitializationFailed      initdb failed
    └── StartFailed               the server ended before it was ready
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

USE_DATABASE_URL = "Set DATABASE_URL to use a PostgreSQL server of your own instead."


class DatabaseFloorError(Exception):
    """Root of the tree."""


class MalformedConninfo(DatabaseFloorError):
    """A connection string that cannot be read; it is not repeated, for it may hold a password."""

    def __init__(self) -> None:
        super().__init__("the connection string is neither keywords (host=... dbname=...) nor a URL (postgresql://...)")


class QueryError(DatabaseFloorError):
    """Something is wrong with a named statement."""


class MalformedQueryFile(QueryError):
    """A .sql file breaks the format of named statements."""

    def __init__(self, source: str, line: int, reason: str) -> None:
        super().__init__(f"{source}:{line}: {reason}")
        self.source = source
        self.line = line
        self.reason = reason


class UnknownQuery(QueryError, KeyError):
    """No statement of that name in the file."""

    def __init__(self, source: str, name: str) -> None:
        super().__init__(f"{source} has no statement named {name!r}")
        self.source = source
        self.name = name

    def __str__(self) -> str:
        return str(self.args[0])


class MigrationError(DatabaseFloorError):
    """The schema cannot be brought up to date."""


class UnsuitableServer(MigrationError):
    """The server cannot hold our schema."""


class MalformedMigration(MigrationError):
    """A migration file breaks the numbering NNNN_name.sql, dense from 0001."""


class MigrationChanged(MigrationError):
    """A migration file is not the one that was applied."""

    def __init__(self, name: str) -> None:
        super().__init__(f"migration {name} was edited after it had been applied; restore the file as it was")
        self.name = name


class MigrationMissing(MigrationError):
    """An applied migration has no file any more, though later ones have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"migration {name} was applied to this database, but its file is gone")
        self.name = name


class DatabaseNewerThanCode(MigrationError):
    """The database has been migrated by a newer version of this program."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"the database is newer than this program: it has {', '.join(names)}; update the program")
        self.names = names


class BeingRestored(MigrationError):
    """The database is half of one: a restore is at work on it, or was killed."""

    def __init__(self) -> None:
        super().__init__(
            "a restore of this database has not ended; wait for it, or if it was interrupted begin it again"
        )


class MigrationFailed(MigrationError):
    """The server refused a migration; nothing of it was applied. The cause is chained."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"migration {name} failed and was rolled back: {reason}")
        self.name = name


class ScrubError(DatabaseFloorError):
    """What was deleted may still be in files; run it again."""


class AnotherScrub(ScrubError):
    """Somebody else is scrubbing this database."""

    def __init__(self) -> None:
        super().__init__("another scrubbing of this database is under way")


class StillSeen(ScrubError):
    """Somebody can still see the deleted rows, so that a rewritten table would have them too; `who` says who."""

    def __init__(self, who: list[str]) -> None:
        super().__init__(f"what was deleted can still be seen by {'; '.join(who)}")
        self.who = who


class TableBusy(ScrubError):
    """A table was never free to be rewritten."""

    def __init__(self, table: str) -> None:
        super().__init__(f"{table} was in use all the time, so that it could not be rewritten")
        self.table = table


class ArchiveError(DatabaseFloorError):
    """An archive cannot be written, read or put back."""


class FolderNotEmpty(ArchiveError):
    """Something is there already; nothing is ever written over."""

    def __init__(self, folder: Path, *, is_unfinished: bool = False) -> None:
        what = "holds a backup that did not end; remove it, or" if is_unfinished else "is not empty;"
        super().__init__(f"{folder} {what} name a new folder")
        self.folder = folder


class ArchiveMissing(ArchiveError):
    """There is no such folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no folder {folder}")
        self.folder = folder


class ArchiveUnfinished(ArchiveError):
    """A folder without a manifest, which is written last."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} has no manifest.json: it is no archive, or its backup did not end")
        self.folder = folder


class ArchiveDamaged(ArchiveError):
    """`file` of an archive is not the one that was written."""

    def __init__(self, folder: Path, file: str, detail: str) -> None:
        super().__init__(f"{folder / file}: {detail}")
        self.folder = folder
        self.file = file
        self.detail = detail


class DatabaseNotEmpty(ArchiveError):
    """What is there would be lost, or mixed with what is put back."""

    def __init__(self, found: str) -> None:
        super().__init__(f"the database is not empty (it has {found}); restore into a new one")
        self.found = found


class AnotherRestore(ArchiveError):
    """Another restore is at work in this database."""

    def __init__(self) -> None:
        super().__init__("another restore is at work in this database")


class EmbeddedPostgresError(DatabaseFloorError):
    """The embedded server cannot be run."""


class UnsupportedPlatform(EmbeddedPostgresError):
    """Embedded PostgreSQL needs Linux: death signals, /proc, locks shared with child processes."""

    def __init__(self, platform: str) -> None:
        super().__init__(f"embedded PostgreSQL runs on Linux, not on {platform}. {USE_DATABASE_URL}")
        self.platform = platform


class BinariesNotFound(EmbeddedPostgresError):
    """No usable PostgreSQL programs where we look for them."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} {USE_DATABASE_URL}")


class UnusableAccount(EmbeddedPostgresError):
    """Neither this account nor another one that we may become can run PostgreSQL."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} {USE_DATABASE_URL}")


class UnusableFolder(EmbeddedPostgresError):
    """The data folder cannot hold a cluster."""


class OtherMajorVersion(EmbeddedPostgresError):
    """The data folder holds a cluster of another major version of PostgreSQL."""

    def __init__(self, data_dir: Path, found: list[int], wanted: int) -> None:
        majors = ", ".join(str(major) for major in found)
        super().__init__(
            f"{data_dir} was made by PostgreSQL {majors}, and the programs at hand are PostgreSQL {wanted}. "
            f"Point PG_BINDIR at the programs of PostgreSQL {majors}, or export and import into a new data folder."
        )
        self.data_dir = data_dir
        self.found = found
        self.wanted = wanted


class AlreadyOwned(EmbeddedPostgresError):
    """Another process runs, or still holds, the server of this data folder; attach() may reach it."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(f"the database in {data_dir} is run by {holder}")
        self.data_dir = data_dir


class InitializationFailed(EmbeddedPostgresError):
    """initdb failed; nothing was left behind."""

    def __init__(self, output: str) -> None:
        super().__init__(f"initdb failed. {USE_DATABASE_URL}\n{output}")
        self.output = output


class StartFailed(EmbeddedPostgresError):
    """The server ended before it was ready."""

    def __init__(self, reason: str, log_tail: str) -> None:
        super().__init__(f"{reason}\n{log_tail}".rstrip())
        self.log_tail = log_tail
