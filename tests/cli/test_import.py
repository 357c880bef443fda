"""Importing change logs into a real service."""

from __future__ import annotations

import gzip
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.changes import as_file, line
from tests.cli.service import Dossier, Outcome, RunningService, kill, wait_until

_IS_BEHIND = """
    SELECT (SELECT count(*) FROM ledger.event) > (SELECT min(position) FROM read.tracking)
"""


class Importer:
    """Imports into the service under an identifier scheme of the test's own."""

    def __init__(self, dossier: Dossier, folder: Path) -> None:
        self.scheme = f"T{uuid.uuid4().hex[:12].upper()}"
        self._dossier = dossier
        self._folder = folder

    def run(self, lines: list[dict[str, Any]] | bytes, *options: str, name: str = "log.ndjson") -> Outcome:
        file = self._folder / name
        file.write_bytes(lines if isinstance(lines, bytes) else as_file(lines))
        source = () if "--source" in options else ("--source", self.scheme)
        outcome = self._dossier("import-changes", file, "--id-scheme", self.scheme, "--json", *source, *options)
        self._wait_until_readable()
        return outcome

    def _wait_until_readable(self) -> None:
        """Wait until the read models have passed all that is recorded."""
        conninfo = self._dossier("db", "url").out.strip()
        with psycopg.connect(conninfo, autocommit=True) as connection:
            wait_until(lambda: connection.execute(_IS_BEHIND).fetchone() == (False,))

    def show(self, entity: str, *options: str) -> Any:
        outcome = self._dossier("show", f"{self.scheme}:{entity}", "--json", *options)
        assert outcome.exit_code == 0, outcome.err
        return outcome.json()

    def blame(self, entity: str, path: str) -> Any:
        outcome = self._dossier("blame", f"{self.scheme}:{entity}", "--path", path, "--json")
        return outcome.json()["items"][0]["set_by"]


@pytest.fixture
def importer(service: RunningService, dossier: Dossier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Importer:
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))
    return Importer(dossier, tmp_path)


def figures(outcome: Outcome, *names: str) -> list[int]:
    summary = outcome.json()
    return [summary[name] for name in names]


HISTORY = [
    line(1, path="name", new="Ada"),
    line(2, path="born", new=1815),
    line(3, person_id="B2", path="name", new="Bob"),
    line(4, commit="c2", recorded_at="2021-05-06T07:08:09-04:00", op="change", path="name", old="Ada", new="Ada L."),
    line(5, commit="c2", recorded_at="2021-05-06T07:08:09-04:00", op="add", path="note", new=None, authored_commit="x"),
    line(6, commit="c3", recorded_at="2022-01-01T00:00:00Z", op="remove", path="born", old=1815, new=None),
]


def test_a_change_log_becomes_files_with_a_past(importer: Importer) -> None:
    outcome = importer.run(HISTORY, "--kind", "INDIVIDUAL")
    assert outcome.exit_code == 0, outcome
    assert figures(outcome, "lines", "changes", "commands", "customers", "broken") == [6, 6, 4, 2, 0]
    now = importer.show("A1")
    assert now["customer_kind"] == "INDIVIDUAL"
    assert now["attributes"] == {"name": "Ada L.", "note": None}
    assert importer.show("A1", "--valid-at", "2021-01-01")["attributes"] == {"name": "Ada", "born": 1815}


def test_blame_names_commit_reason_and_source(importer: Importer) -> None:
    importer.run(HISTORY)
    setter = importer.blame("A1", "/attributes/note")
    assert setter["evidence"][0]["url"] == "commit:x"
    assert setter["source"] == {"kind": "IMPORT_FILE", "detail": "commit c2", "batch_id": importer.scheme, "row": 5}
    assert setter["reason"]["text"] == "first load"


def test_the_same_file_again_adds_nothing(importer: Importer) -> None:
    importer.run(HISTORY)
    version = importer.show("A1")["basis"]["version"]
    again = importer.run(gzip.compress(as_file(HISTORY)), name="log.ndjson.gz")
    assert again.exit_code == 0
    assert figures(again, "changes", "commands", "replayed", "other_content") == [0, 4, 4, 0]
    assert importer.show("A1")["basis"]["version"] == version


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_a_log_comes_in_parts_and_then_as_a_whole(importer: Importer, cut: int) -> None:
    importer.run(HISTORY[:cut], name="part1")
    assert importer.run(HISTORY[cut:], name="part2").exit_code == 0
    assert importer.run(HISTORY[cut:], name="part2").exit_code == 0
    assert importer.show("A1")["attributes"] == {"name": "Ada L.", "note": None}
    version = importer.show("A1")["basis"]["version"]
    whole = importer.run(HISTORY, name="whole")
    assert figures(whole, "changes", "refused") == [0, 0]
    assert importer.show("A1")["basis"]["version"] == version


def test_a_broken_line_is_reported_and_the_rest_goes_in(importer: Importer) -> None:
    content = as_file(HISTORY[:2]) + b"{}\n" + as_file(HISTORY[2:])
    outcome = importer.run(content)
    assert outcome.exit_code == 1
    assert "line 3 is broken: seq: Field required" in outcome.err
    assert figures(outcome, "lines", "changes", "broken") == [7, 6, 1]


def test_a_mapped_value_that_changed_nothing_does_not_make_a_repeated_import_differ(importer: Importer) -> None:
    log = [
        line(1, path="name", new="Ada"),
        line(2, commit="c2", op="remove", path="name", old="Ada", new=None),
        line(3, commit="c3", path="name", new="Ada"),
        line(4, commit="c3", path="note", new="back again"),
    ]
    assert figures(importer.run(log, "--name-path", "name"), "changes", "commands") == [4, 3]
    again = importer.run(log, "--name-path", "name")
    assert again.exit_code == 0
    assert figures(again, "changes", "replayed", "other_content") == [0, 3, 0]


def test_a_mended_line_goes_in_later(importer: Importer) -> None:
    importer.run(as_file(HISTORY[:1]) + b'{"seq": 2}\n' + as_file(HISTORY[2:3]))
    assert importer.show("A1")["attributes"] == {"name": "Ada"}
    mended = importer.run(HISTORY[:3])
    assert mended.exit_code == 0
    assert figures(mended, "changes", "unchanged") == [1, 1]
    assert importer.show("A1")["attributes"] == {"name": "Ada", "born": 1815}


def test_a_line_with_other_content_than_before_is_told(importer: Importer) -> None:
    importer.run(HISTORY[:3])
    outcome = importer.run([HISTORY[0] | {"new": "Eve"}, *HISTORY[1:3]])
    assert outcome.exit_code == 1
    assert figures(outcome, "other_content", "replayed", "changes") == [1, 1, 0]
    assert importer.show("A1")["attributes"]["name"] == "Ada"


def test_mapped_paths_fill_slots_and_stay_attributes(importer: Importer, tmp_path: Path) -> None:
    paths = tmp_path / "map.toml"
    paths.write_text('[paths]\n"uscc" = "/identifiers/CN_USCC"\n"manager" = "/owner/ACCOUNT_MANAGER"\n')
    uscc = "91330100799655058B"
    log = [line(1, path="uscc", new=uscc), line(2, path="manager", new="u-7"), line(3, path="name", new="Ada")]
    outcome = importer.run(log, "--map", str(paths), "--name-path", "name")
    assert outcome.exit_code == 0, outcome
    shown = importer.show("A1")
    assert shown["display_name"] == "Ada"
    assert shown["owner"] == {"ACCOUNT_MANAGER": "u-7"}
    assert uscc in shown["identifiers"]["CN_USCC"]
    assert shown["attributes"] == {"uscc": uscc, "manager": "u-7", "name": "Ada"}


def test_a_mapped_value_that_the_service_refuses_stays_an_attribute(importer: Importer, tmp_path: Path) -> None:
    paths = tmp_path / "map.toml"
    paths.write_text('[paths]\n"lei" = "/identifiers/LEI"\n')
    outcome = importer.run([line(1, path="lei", new="WRONG"), line(2, path="b", new=1)], "--map", str(paths))
    assert outcome.exit_code == 1
    assert "line 1 is refused: customer.identifier-recorded" in outcome.err
    assert importer.show("A1")["attributes"] == {"lei": "WRONG", "b": 1}


def test_an_identifier_of_somebody_else_does_not_mix_up_two_files(importer: Importer, tmp_path: Path) -> None:
    paths = tmp_path / "map.toml"
    paths.write_text(f'[paths]\n"same" = "/identifiers/{importer.scheme}X"\n')
    log = [line(1, path="same", new="1"), line(2, person_id="B2", path="same", new="1"), line(3, person_id="B2")]
    outcome = importer.run(log, "--map", str(paths), "--concurrency", "1")
    assert outcome.exit_code == 1
    assert figures(outcome, "customers", "refused") == [2, 1]
    assert importer.show("A1")["customer_id"] != importer.show("B2")["customer_id"]
    assert importer.show("B2")["attributes"] == {"same": "1", "field.3": "x"}


def test_a_change_that_the_service_refuses_is_left_out_alone(importer: Importer) -> None:
    # Removing what is not there changes nothing; a date beyond the calendar is refused.
    log = [line(1, path="a"), line(2, path="b", effective_at="0001-01-01"), line(3, path="c")]
    outcome = importer.run(log, "--effective-from", "effective_at")
    assert outcome.exit_code == 1
    assert "line 2 is refused" in outcome.err
    assert importer.show("A1")["attributes"] == {"a": "x", "c": "x"}


def test_a_stated_date_counts_when_asked_for(importer: Importer) -> None:
    importer.run([line(1, path="a", effective_at="2019-01-03"), line(2, path="b")], "--effective-from", "effective_at")
    assert importer.show("A1", "--valid-at", "2019-02-01")["attributes"] == {"a": "x"}


def test_an_import_needs_the_role(importer: Importer, dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSSIER_TOKEN", dossier("token", "--actor", "u-9").out.strip())
    outcome = importer.run(HISTORY)
    assert outcome.exit_code == 3
    assert "customer:enter" in outcome.err
    assert "the same command again goes on from here" in outcome.err


def test_the_importing_person_is_the_actor(
    importer: Importer, dossier: Dossier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSSIER_TOKEN", dossier("token", "--actor", "u-9", "--role", "importer").out.strip())
    importer.run(HISTORY)
    assert importer.blame("A1", "/attributes/name")["actor"] == "u-9"


def test_a_worker_that_dies_on_the_way_costs_nothing(importer: Importer, service: RunningService) -> None:
    log = [line(n, commit=f"c{n}", person_id=f"P{n % 40}", path=f"f{n}", new=n) for n in range(2000)]
    kill(service.children()["cli.worker"])
    outcome = importer.run(log)
    assert outcome.exit_code == 0, outcome.err
    assert outcome.json()["commands"] == 2000
    assert importer.show("P7")["attributes"] == {f"f{n}": n for n in range(7, 2000, 40)}


def test_a_dry_run_sends_nothing(importer: Importer, dossier: Dossier) -> None:
    outcome = importer.run(HISTORY, "--dry-run")
    *requests, _ = outcome.out.splitlines()
    assert len(requests) == 4
    assert '"path":"/v1/customers"' in requests[0]
    assert "nothing was sent" in outcome.err
    assert dossier("show", f"{importer.scheme}:A1").exit_code == 4


def test_an_empty_log_is_no_error(importer: Importer) -> None:
    outcome = importer.run(b"")
    assert (outcome.exit_code, outcome.json()["lines"]) == (0, 0)


def test_figures_are_told_to_people(importer: Importer, dossier: Dossier, tmp_path: Path) -> None:
    importer.run(HISTORY)
    outcome = dossier("import-changes", tmp_path / "log.ndjson", "--id-scheme", importer.scheme, "--source", "other")
    assert outcome.exit_code == 0
    assert "6 lines changed nothing" in outcome.out


@pytest.mark.parametrize(
    "options",
    [
        ["--map", "none.toml"],
        ["--kind", "PERSON"],
        ["--source", ""],
        ["--concurrency", "0"],
        ["--effective-from", "never"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(importer: Importer, options: list[str]) -> None:
    assert importer.run(HISTORY, *options).exit_code == 2


def test_a_log_that_cannot_be_read_is_told(dossier: Dossier, service: RunningService, tmp_path: Path) -> None:
    outcome = dossier("import-changes", tmp_path / "none", "--data", service.data)
    assert outcome.exit_code == 2
    assert "cannot be read" in outcome.err
