"""Where PostgreSQL's programs are found, and what is asked of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.errors import BinariesNotFound
from db.postgres_binaries import Binaries, find_bindir, inspect, newest_first


def fake(folder: Path, version: str, *, with_initdb: bool = True) -> Path:
    folder.mkdir()
    for name in ("postgres", "initdb") if with_initdb else ("postgres",):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def test_pg_bindir_comes_first(tmp_path: Path) -> None:
    folder = fake(tmp_path / "bin", "16.3 (Debian 16.3-1)")
    assert find_bindir({"PG_BINDIR": str(folder)}) == Binaries(folder, 16)


def test_a_relative_pg_bindir_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", "19devel")
    monkeypatch.chdir(tmp_path)
    assert find_bindir({"PG_BINDIR": "bin"}) == Binaries(tmp_path / "bin", 19)


def test_without_pg_bindir_something_is_found_that_is_new_enough() -> None:
    assert find_bindir({}).major >= 15


def test_a_pg_bindir_that_does_not_hold_is_an_error_and_not_a_hint(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFound, match=r"no initdb and postgres that run here.*Set DATABASE_URL"):
        find_bindir({"PG_BINDIR": str(tmp_path)})
    with pytest.raises(BinariesNotFound, match="PostgreSQL 14; 15 or newer is needed"):
        find_bindir({"PG_BINDIR": str(fake(tmp_path / "old", "14.12"))})


def test_the_newest_usable_programs_win(tmp_path: Path) -> None:
    folders = [
        fake(tmp_path / "a", "15.4"),
        fake(tmp_path / "b", "17.1"),
        fake(tmp_path / "c", "14.9"),
        fake(tmp_path / "d", "18.1", with_initdb=False),
        fake(tmp_path / "e", "nothing"),
        tmp_path / "nowhere",
    ]
    assert [binaries.major for binaries in newest_first(folders)] == [17, 15]
    assert inspect(tmp_path / "d") is None


def test_the_sort_order_is_postgres_own_where_it_has_one(tmp_path: Path) -> None:
    assert Binaries(tmp_path, 17).locale_choices()[0][0] == "--locale-provider=builtin"
    assert Binaries(tmp_path, 16).locale_choices() == [["--locale=C.UTF-8"], ["--locale=C"]]
