"""Who PostgreSQL runs as, above all when we are root; and the launcher that makes it so."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import db
from db.embedded import EmbeddedPostgres
from db.postgres_binaries import find_bindir
from db.unprivileged import Identity, choose_identity, clean_environment, probe
from tests.db.owner import owner

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
needs_open_binaries = pytest.mark.skipif(
    any(not folder.stat().st_mode & 0o001 for folder in Path(find_bindir().program("postgres")).resolve().parents),
    reason="PostgreSQL's programs lie below a folder that is closed to other accounts",
)
WITHOUT_NAMESPACES = (sys.executable, str(Path(__file__).with_name("without_namespaces.py")))
SAME = Identity("same", (os.geteuid(), os.getegid()))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder below folders that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="dossier-test-"))
    yield folder
    shutil.rmtree(folder)


def owner_of(process_id: int) -> int:
    return Path(f"/proc/{process_id}").stat().st_uid


@pytest.mark.skipif(os.geteuid() == 0, reason="this is about other users")
def test_a_user_runs_postgres_as_himself(tmp_path: Path) -> None:
    assert choose_identity(tmp_path, find_bindir().program("postgres")) == SAME


@only_root
def test_root_changes_nothing_on_disk_where_user_namespaces_are_allowed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with EmbeddedPostgres(data_dir, fsync=False):
        owners = {path.lstat().st_uid for path in [data_dir, *data_dir.rglob("*")]}
    assert owners == {0}
    shutil.rmtree(data_dir)


@only_root
@needs_open_binaries
def test_root_runs_postgres_as_the_owner_of_the_folder(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(open_folder, nobody.pw_uid, nobody.pw_gid)
    with EmbeddedPostgres(open_folder, fsync=False) as server:
        assert server.process_id is not None
        assert owner_of(server.process_id) == nobody.pw_uid
    assert {path.lstat().st_uid for path in open_folder.glob("pg*/**/*")} == {nobody.pw_uid}
    assert {path.lstat().st_uid for path in open_folder.iterdir()} == {nobody.pw_uid}
    with EmbeddedPostgres(open_folder, fsync=False):
        pass


@only_root
@needs_open_binaries
def test_root_becomes_another_account_where_user_namespaces_are_forbidden(open_folder: Path) -> None:
    (open_folder / "data").mkdir()
    open_folder.chmod(0o755)
    with owner(open_folder / "data", *WITHOUT_NAMESPACES) as process:
        assert process.stdout is not None
        server_id = int(process.stdout.readline())
        accounts = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody")}
        assert owner_of(server_id) in accounts
        process.kill()
        process.wait()
    # The same folder is then that account's, also where namespaces are allowed.
    with EmbeddedPostgres(open_folder / "data", fsync=False) as server:
        assert server.process_id is not None
        assert owner_of(server.process_id) in accounts


@only_root
@needs_open_binaries
def test_root_says_which_folder_keeps_the_other_account_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "data").mkdir()
    with owner(tmp_path / "data", *WITHOUT_NAMESPACES) as process:
        output = process.communicate()[0]
    assert "UnusableAccount" in output
    assert f"cannot use {tmp_path / 'data'}" in output
    assert "Set DATABASE_URL" in output


def test_the_environment_of_postgres_is_clean() -> None:
    given = {"PATH": "/bin", "PGPORT": "1", "PG_BINDIR": "/x", "LANG": "de_DE", "LC_TIME": "de_DE", "LANGUAGE": "de"}
    assert clean_environment(given) == {"PATH": "/bin", "LC_ALL": "C"}


# --- the launcher ----------------------------------------------------------------------------------------------------


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = Path(db.__file__).with_name("launch.py")
    command = [sys.executable, "-I", "-S", str(launcher), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_command_that_does_not_exist_is_named() -> None:
    assert probe(SAME, ["/no/such/program"]) == "launch: /no/such/program: No such file or directory"


def test_a_command_that_fails_silently_is_reported_by_its_exit_code() -> None:
    assert probe(SAME, ["/bin/false"]) == "exit 1"
    assert probe(SAME, ["/bin/true"]) is None


def test_nothing_is_started_for_a_parent_that_has_ended() -> None:
    launched = launch("same", "1", str(int(signal.SIGKILL)), "/bin/echo", "started")
    assert launched.stdout == ""
    assert "the parent has ended" in launched.stderr


def test_an_identity_that_we_do_not_know_is_refused() -> None:
    assert "no such identity: somebody" in launch("somebody", "1", "9", "/bin/true").stderr
