"""What is left of the embedded server when it, its owner or the machine dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from db.data_folder import DataFolder, OwnerLock
from db.embedded import EmbeddedPostgres, attach
from db.errors import StartFailed
from db.postgres_binaries import find_bindir
from tests.db.owner import owner
from tests.processes import children_of, is_alive, title_of

MANY_SECONDS = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MANY_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


def kill_and_wait_for_another(server: EmbeddedPostgres) -> None:
    killed = server.process_id
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.process_id not in (None, killed))
    wait_until(lambda: answers(server.conninfo()))


def cluster_of(data_dir: Path) -> Path:
    return data_dir / f"pg{find_bindir().major}"


def recovering_children_of(process_id: int) -> list[int]:
    """Find the process that replays the log of a server that starts after a crash."""
    return [child for child in children_of(process_id) if " recovering" in title_of(child)]


def test_a_killed_server_is_started_again_with_all_that_was_committed(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.conninfo()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS value")
        kill_and_wait_for_another(server)
        with psycopg.connect(server.conninfo()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_a_busy_process_of_the_killed_server_is_waited_for(data_dir: Path) -> None:
    def be_busy(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        with contextlib.suppress(psycopg.OperationalError):
            connection.execute(
                "DO $$ BEGIN WHILE clock_timestamp() < statement_timestamp() + interval '1 s' LOOP END LOOP; END $$"
            )

    with (
        EmbeddedPostgres(data_dir, fsync=False) as server,
        psycopg.connect(server.conninfo(), autocommit=True) as connection,
    ):
        busy = threading.Thread(target=be_busy, args=[connection])
        busy.start()
        with psycopg.connect(server.conninfo(), autocommit=True) as watcher:
            is_busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
            wait_until(lambda: watcher.execute(is_busy).fetchone() == (1,))
        kill_and_wait_for_another(server)
        busy.join()
    assert "pre-existing shared memory block" in (data_dir / "postgres.log").read_text(encoding="utf-8")


def test_a_server_that_has_been_up_is_tried_until_what_is_in_its_way_is_gone(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("db.server_watch._LONGEST_PAUSE_SECONDS", 0.05)
    control_file = cluster_of(data_dir) / "global" / "pg_control"
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        killed = server.process_id
        assert killed is not None
        control_file.rename(control_file.with_name("pg_control.away"))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: caplog.text.count("PostgreSQL has died") > 10)
        (data_dir / "postgres.log").unlink()  # as somebody does who needs room
        control_file.with_name("pg_control.away").rename(control_file)
        wait_until(lambda: answers(server.conninfo()))


def test_a_server_that_was_never_up_is_not_tried_again(data_dir: Path) -> None:
    control_file = cluster_of(data_dir) / "global" / "pg_control"
    control_file.rename(control_file.with_name("pg_control.away"))
    with pytest.raises(StartFailed, match="could not find the database system"):
        EmbeddedPostgres(data_dir, fsync=False).start()
    control_file.with_name("pg_control.away").rename(control_file)


def test_a_restart_that_the_machine_refuses_is_tried_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        with monkeypatch.context() as broken:
            broken.setattr("db.unprivileged._LAUNCHER_COMMAND", ("/no/such/python",))
            killed = server.process_id
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: "could not be started" in caplog.text)
        wait_until(lambda: server.process_id not in (None, killed))
        wait_until(lambda: answers(server.conninfo()))


def test_a_full_disk_is_told_for_the_log_on_it_cannot(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("db.server_watch._LITTLE_SPACE_BYTES", 2**62)
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        kill_and_wait_for_another(server)
    assert f"the disk of {cluster_of(data_dir)} has no space left" in caplog.text


def test_the_server_ends_with_its_killed_owner(data_dir: Path) -> None:
    with owner(data_dir) as process:
        assert process.stdout is not None
        server_id = int(process.stdout.readline())
        assert is_alive(server_id)
        process.kill()
        wait_until(lambda: not is_alive(server_id))
        wait_until(OwnerLock(DataFolder.at(data_dir)).is_free)
    assert "database system is shut down" in (data_dir / "postgres.log").read_text(encoding="utf-8")


def test_an_orphaned_server_is_shut_down_and_waited_for(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with owner(data_dir) as process:
        assert process.stdout is not None
        server_id = int(process.stdout.readline())
        # Held still, it cannot follow its owner, nor let go of the lock.
        os.kill(server_id, signal.SIGSTOP)
        process.kill()
        process.wait()
        server = EmbeddedPostgres(data_dir, fsync=False)
        starting = threading.Thread(target=server.start)
        starting.start()
        try:
            wait_until(lambda: f"shutting down PostgreSQL {server_id}" in caplog.text)
        finally:
            os.kill(server_id, signal.SIGCONT)
        starting.join()
        assert server.process_id != server_id
        assert answers(server.conninfo())
        server.stop()


def test_an_orphan_that_never_ends_its_shutdown_is_made_to(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL 18 hangs when it is to shut down while it recovers from the crash of one of its processes."""
    monkeypatch.setattr("db.embedded._ORPHAN_SIGNALS", ((0.0, signal.SIGINT), (3.0, signal.SIGQUIT)))
    with owner(data_dir) as process:
        assert process.stdout is not None
        server_id = int(process.stdout.readline())
        conninfo = attach(data_dir)
        assert conninfo is not None
        with psycopg.connect(conninfo) as connection:
            connection.execute("CREATE TABLE much AS SELECT generate_series(1, 300000) AS value")
            connection.commit()
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        while not (recovering := recovering_children_of(server_id)):
            time.sleep(0.001)
        os.kill(recovering[0], signal.SIGSTOP)
        log_start = (data_dir / "postgres.log").stat().st_size
        process.kill()
        process.wait()
        wait_until(lambda: b"fast shutdown request" in (data_dir / "postgres.log").read_bytes()[log_start:])
        os.kill(recovering[0], signal.SIGCONT)
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert server.process_id != server_id
        assert answers(server.conninfo())


@pytest.mark.parametrize("content", ["{pid}\n{cluster}\n1\n5432\n{run}\n\n0 0\nready\n", "", "nonsense"])
def test_a_stale_pid_file_does_not_stop_the_next_start(data_dir: Path, content: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as unrelated:
        text = content.format(pid=unrelated.pid, cluster=cluster_of(data_dir), run=data_dir / "run")
        (cluster_of(data_dir) / "postmaster.pid").write_text(text, encoding="utf-8")
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(text, encoding="utf-8")
        with EmbeddedPostgres(data_dir, fsync=False) as server:
            assert answers(server.conninfo())
        assert unrelated.poll() is None
        unrelated.kill()
    assert (cluster_of(data_dir) / "postmaster.pid.stale").read_text(encoding="utf-8") == text


def test_a_server_that_somebody_started_by_hand_is_left_alone(data_dir: Path) -> None:
    lock = OwnerLock(DataFolder.at(data_dir))
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        # Another file under the name of the lock: as if the server had been started without it.
        (data_dir / "owner.lock").rename(data_dir / "owner.lock.other")
        assert lock.is_free()
        with pytest.raises(StartFailed, match=r"lock file \"postmaster.pid\" already exists"):
            EmbeddedPostgres(data_dir).start()
        assert answers(server.conninfo())
