"""The embedded server: who owns it, when it starts and ends, what it makes of a folder as it finds it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import psycopg
import pytest

from db.data_folder import DataFolder, OwnerLock
from db.embedded import EmbeddedPostgres, attach, refuse_other_platforms
from db.errors import (
    AlreadyOwned,
    EmbeddedPostgresError,
    InitializationFailed,
    OtherMajorVersion,
    StartFailed,
    UnsupportedPlatform,
    UnusableFolder,
)
from db.postgres_binaries import find_bindir
from tests.db.owner import owner


def ask(conninfo: str, question: str) -> object:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(question.encode()).fetchall()[0][0]


def cluster_of(data_dir: Path) -> Path:
    return data_dir / f"pg{find_bindir().major}"


def test_an_empty_folder_becomes_a_private_cluster(tmp_path: Path) -> None:
    data_dir = tmp_path / "below" / "data"
    with EmbeddedPostgres(data_dir) as server:
        conninfo = server.conninfo()
        assert ask(conninfo, "SELECT current_user::text || '@' || current_database()") == "dossier@dossier"
        for name, expected in {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "TimeZone": "UTC",
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
        }.items():
            assert ask(conninfo, f"SELECT current_setting('{name}')") == expected
    for name in ("", "run", "owner.lock", "postgres.log", cluster_of(data_dir).name):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) & 0o077 == 0, name
    shutil.rmtree(data_dir)


def test_letters_sort_by_code_point_so_that_indexes_can_move(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert (
            ask(server.conninfo(), "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,B,ä,a}'::text[]) x") == "Babä"
        )


def test_what_was_written_is_there_after_a_restart(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server, psycopg.connect(server.conninfo()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert ask(server.conninfo(), "SELECT value FROM kept") == 7


def test_settings_and_connection_keywords_are_passed_on(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False, settings={"work_mem": "9MB"}) as server:
        conninfo = server.conninfo("postgres", application_name="me")
        assert ask(conninfo, "SELECT current_database()") == "postgres"
        assert ask(conninfo, "SELECT current_setting('application_name')") == "me"
        assert ask(conninfo, "SELECT current_setting('work_mem')") == "9MB"


def test_stopping_does_not_wait_for_clients_and_stopping_again_does_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, fsync=False)
    server.start()
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute("SELECT 1")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.stop()
    assert server.process_id is None
    with pytest.raises(EmbeddedPostgresError, match="is not started"):
        server.conninfo()


def test_variables_that_steer_postgres_do_not_reach_it(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1234")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "xx_XX")
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert ask(server.conninfo(), "SELECT 1") == 1


def test_our_database_is_made_again_if_we_died_before_making_it(data_dir: Path) -> None:
    with (
        EmbeddedPostgres(data_dir, fsync=False) as server,
        psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection,
    ):
        connection.execute("DROP DATABASE dossier")
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert ask(server.conninfo(), "SELECT 1") == 1


# --- ownership -------------------------------------------------------------------------------------------------------


def test_a_second_owner_is_refused_and_attaches(data_dir: Path) -> None:
    assert attach(data_dir) is None
    with owner(data_dir) as process:
        # Asked while it is starting: waits for it.
        while OwnerLock(DataFolder.at(data_dir)).is_free():
            assert process.poll() is None
        conninfo = attach(data_dir)
        assert conninfo is not None
        assert ask(conninfo, "SELECT current_setting('data_directory')") == str(cluster_of(data_dir))
        with pytest.raises(AlreadyOwned, match=f"process {process.pid}"):
            EmbeddedPostgres(data_dir).start()
        assert ask(conninfo, "SELECT 1") == 1
    assert attach(data_dir) is None


def test_a_second_owner_in_the_same_process_is_refused(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        with pytest.raises(AlreadyOwned, match=f"process {os.getpid()}"):
            EmbeddedPostgres(data_dir).start()
        assert ask(server.conninfo(), "SELECT 1") == 1


def test_there_is_nothing_to_attach_to_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert attach(tmp_path / "nowhere") is None


def test_a_holder_that_cannot_be_seen_is_reported_after_a_while(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.embedded._LOCK_WAIT_SECONDS", 0.1)
    elsewhere = OwnerLock(DataFolder.at(data_dir))
    assert elsewhere.try_acquire()
    # As in another container: the process id means nothing here.
    (data_dir / "owner.lock").write_text("99999999 1\n", encoding="ascii")
    with pytest.raises(AlreadyOwned, match="cannot be seen from here"):
        EmbeddedPostgres(data_dir).start()
    elsewhere.release()


# --- folders as they are found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a b 50% 'c' \"d\"", "with,comma", "x" * 120], ids=["odd", "comma", "long"])
def test_any_path_will_do(data_dir: Path, name: str) -> None:
    moved = data_dir.rename(data_dir.with_name(name))
    try:
        with EmbeddedPostgres(moved, fsync=False) as server:
            assert ask(server.conninfo(), "SELECT 1") == 1
            assert attach(moved) == server.conninfo()
            socket_dir = Path(str(psycopg.conninfo.conninfo_to_dict(server.conninfo())["host"]))
        assert socket_dir.parent == moved or not socket_dir.exists()
    finally:
        moved.rename(data_dir)


def test_a_socket_folder_that_others_may_enter_is_refused(data_dir: Path) -> None:
    (data_dir / "run").chmod(0o755)
    with pytest.raises(UnusableFolder, match="nobody else may enter"):
        EmbeddedPostgres(data_dir).start()
    (data_dir / "run").chmod(0o700)
    assert OwnerLock(DataFolder.at(data_dir)).is_free()


def test_a_folder_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data" / "pg14").mkdir(parents=True)
    with pytest.raises(OtherMajorVersion, match="made by PostgreSQL 14") as caught:
        EmbeddedPostgres(tmp_path / "data").start()
    assert (caught.value.found, caught.value.wanted) == ([14], find_bindir().major)
    assert "PG_BINDIR" in str(caught.value)


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableFolder, match="File exists"):
        EmbeddedPostgres(tmp_path / "file").start()


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "owner.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnusableFolder, match="symbolic link"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "precious"


def test_a_path_with_a_line_break_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableFolder, match="line break"):
        EmbeddedPostgres(tmp_path / "a\nb")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
def test_a_folder_that_we_may_not_look_into_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UnusableFolder, match="Permission denied"):
        EmbeddedPostgres(tmp_path / "closed").start()
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "closed" / "owner.lock").touch(mode=0)
    with pytest.raises(UnusableFolder, match="Permission denied"):
        attach(tmp_path / "closed")


def test_a_server_that_cannot_start_says_why_and_leaves_the_folder_free(data_dir: Path) -> None:
    configuration = cluster_of(data_dir) / "postgresql.auto.conf"
    configuration.write_text("no_such_parameter = 1\n", encoding="utf-8")
    with pytest.raises(StartFailed, match="no_such_parameter") as caught:
        EmbeddedPostgres(data_dir).start()
    configuration.write_text("", encoding="utf-8")
    assert "no_such_parameter" in caught.value.log_tail
    assert OwnerLock(DataFolder.at(data_dir)).is_free()


def test_a_cluster_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir(mode=0o755)
    (programs / "postgres").symlink_to(find_bindir().program("postgres"))
    (programs / "initdb").write_text("#!/bin/sh\necho no room on the device\nexit 1\n", encoding="utf-8")
    (programs / "initdb").chmod(0o755)
    monkeypatch.setenv("PG_BINDIR", str(programs))
    with pytest.raises(InitializationFailed, match="no room on the device"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"owner.lock"}


def test_what_an_interrupted_start_left_behind_is_removed(tmp_path: Path) -> None:
    (tmp_path / "data" / ".initdb-dead").mkdir(parents=True)
    with EmbeddedPostgres(tmp_path / "data", fsync=False) as server:
        assert ask(server.conninfo(), "SELECT 1") == 1
    assert not list((tmp_path / "data").glob(".initdb-*"))
    shutil.rmtree(tmp_path / "data")


def test_a_long_log_is_set_aside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.data_folder._LOG_BYTES_KEPT", 0)
    before = (data_dir / "postgres.log").read_bytes()
    with EmbeddedPostgres(data_dir, fsync=False):
        assert (data_dir / "postgres.log.1").read_bytes() == before


def test_other_platforms_are_told_what_to_do() -> None:
    with pytest.raises(UnsupportedPlatform, match=r"not on darwin\. Set DATABASE_URL"):
        refuse_other_platforms("darwin")
    refuse_other_platforms("linux")
