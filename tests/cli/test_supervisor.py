"""What becomes of programs that die: started again, for ever or a few times; and how those that live are ended."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cli.errors import CliError
from cli.supervisor import Program, StopRequest, Supervisor
from tests.cli.service import wait_until

DIES_AT_ONCE = Program("weakling", "tests.cli.no_such_module", {})
DIES_ONCE_UP = Program("weakling", "tests.cli.short_lived", {})


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.supervisor._POLL_SECONDS", 0.01)
    monkeypatch.setattr("cli.supervisor._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("cli.supervisor._LONGEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def pauses(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The pauses, as told, after which the weakling is started again; all so far."""
    heard: list[str] = []

    def told() -> list[str]:
        heard.append(capfd.readouterr().err)
        again = r"^dossier: the weakling has ended \(exit code 1\); it is started again in ([0-9.]+) s$"
        return re.findall(again, "".join(heard), re.MULTILINE)

    return told


@contextmanager
def running(supervisor: Supervisor) -> Iterator[None]:
    request = StopRequest()
    thread = threading.Thread(target=supervisor.run, args=[request])
    thread.start()
    try:
        yield
    finally:
        request.make()
        thread.join()
        supervisor.end(request)


def test_a_program_that_was_never_up_is_given_up(pauses: Callable[[], list[str]]) -> None:
    with pytest.raises(CliError) as caught:
        Supervisor([[DIES_AT_ONCE]]).run(StopRequest())
    assert str(caught.value) == (
        "the weakling has ended (exit code 1), 7 times in a row without ever being up; giving up"
    )
    assert pauses() == ["0.01", "0.02", "0.04", "0.05", "0.05", "0.05"]


def test_a_program_that_was_up_is_started_for_ever(pauses: Callable[[], list[str]]) -> None:
    with running(Supervisor([[DIES_ONCE_UP]])):
        wait_until(lambda: len(pauses()) > 7)
    assert pauses()[:7] == ["0.01", "0.02", "0.04", "0.05", "0.05", "0.05", "0.05"]


def test_after_a_life_that_was_not_short_the_pauses_begin_anew(
    pauses: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.supervisor._SHORT_LIFE_SECONDS", 0)
    with running(Supervisor([[DIES_ONCE_UP]])):
        wait_until(lambda: len(pauses()) > 2)
    assert set(pauses()) == {"0.01"}


def test_what_the_machine_refuses_to_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], pauses: Callable[[], list[str]]
) -> None:
    supervisor = Supervisor([[DIES_ONCE_UP]])
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/no/such/python")
        with running(supervisor):
            wait_until(lambda: "could not be started (No such file or directory)" in capfd.readouterr().err)
    with running(supervisor):
        wait_until(pauses)


def test_what_cannot_be_logged_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stderr", full)
        with pytest.raises(CliError, match="giving up"):
            Supervisor([[DIES_AT_ONCE]]).run(StopRequest())


def test_a_group_is_ended_together_and_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "said"

    def lingering(name: str, others: int) -> Program:
        words = {"LINGERING_FILE": str(file), "LINGERING_NAME": name, "LINGERING_OTHERS": str(others)}
        return Program(name, "tests.cli.lingering", words)

    # One after another, the first would wait for the others for ever.
    with running(Supervisor([[lingering(name, 3) for name in "abc"], [lingering("last", 4)]])):
        wait_until(lambda: file.exists() and file.read_text().count("started") == 4)
    *first, last_told, last_ended = file.read_text().splitlines()[4:]
    assert sorted(first) == ["a ended", "a told", "b ended", "b told", "c ended", "c told"]
    assert (last_told, last_ended) == ("last told", "last ended")
