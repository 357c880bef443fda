"""With a published copy of the log the verifier proves that a pack leaves nothing out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.pack import verify
from ledger.pack.verify import Verdict
from tests.ledger.forge import CONTACT, CUSTOMER, KEY, Event, Files, Forge, audited, event, with_manifest
from tests.ledger.published import path_of, publish

VKEY = str(KEY.verifier)
WHERE = "the published log"


def told(version: int) -> Event:
    return event(version, {CUSTOMER: {"n": version}, CONTACT: {}})


FORGE = Forge([told(1), told(2), told(3)], before=300, between=40)
ENTRIES = FORGE.log.entries
LAST = list(FORGE.places)[-1]
FILES = FORGE.files(disclosed=[1])


def found(files: Files, folder: Path) -> dict[str, Verdict]:
    audit = audited(files, keys=[VKEY], published=folder)
    return {place: finding.verdict for place, finding in audit.findings.faults.items()}


def without_last(files: Files) -> Files:
    """The last event is left out as if there had never been one, which no proof of the others can show."""
    return with_manifest({name: content for name, content in files.items() if f"/{LAST}." not in name}, 2)


def test_a_pack_that_leaves_nothing_out_is_said_to(tmp_path: Path) -> None:
    audit = audited(FILES, keys=[VKEY], published=publish(tmp_path, ENTRIES))
    assert (audit.findings.faults, audit.log.was_searched) == ({}, True)
    report = verify.report_of(audit)
    assert "searched  the whole log" in report
    assert "that no event follows these" not in report
    assert "that no event follows these" in verify.report_of(audited(FILES, keys=[VKEY]))


def test_an_event_that_was_left_out_at_the_end_is_found(tmp_path: Path) -> None:
    shortened = without_last(FILES)
    assert audited(shortened, keys=[VKEY]).findings.exit_code == 0
    assert found(shortened, publish(tmp_path, ENTRIES)) == {f"entries/{LAST}.json": Verdict.MISSING}


def test_an_entry_that_names_the_customer_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    forge = Forge([told(1)])
    poisoned = forge.log
    poisoned.entries.append(b'{"stream":"%s","stream":"x"}' % str(CUSTOMER).encode())
    folder = publish(tmp_path, poisoned.entries)
    assert found(forge.files(), folder) == {f"entries/{len(poisoned.entries) - 1}.json": Verdict.MISSING}


def test_events_of_others_that_name_the_customer_are_not_the_customers(tmp_path: Path) -> None:
    forge = Forge([told(1)])
    forge.log.entries.append(json.dumps({"stream": str(CONTACT), "correlation": str(CUSTOMER)}).encode())
    assert found(forge.files(), publish(tmp_path, forge.log.entries)) == {}


@pytest.mark.parametrize("more", [1, 100, 300])
def test_the_copy_may_be_newer_than_the_pack(tmp_path: Path, more: int) -> None:
    assert found(FILES, publish(tmp_path, [*ENTRIES, *(b"more %d" % number for number in range(more))])) == {}


def test_a_copy_of_another_history_is_told(tmp_path: Path) -> None:
    assert found(FILES, publish(tmp_path, [b"x", *ENTRIES[1:]])) == {WHERE: Verdict.TAMPERED}


def test_a_copy_that_is_older_than_the_pack_proves_nothing(tmp_path: Path) -> None:
    folder = publish(tmp_path, ENTRIES[:260])
    assert found(FILES, folder) == {WHERE: Verdict.MISSING}


@pytest.mark.parametrize("harm", ["missing", "a folder", "cut short", "fewer entries", "no log"])
def test_a_copy_that_is_not_whole_is_told(tmp_path: Path, harm: str) -> None:
    folder = publish(tmp_path / "log", ENTRIES)
    path = path_of(folder, "entries", 0)
    content = path.read_bytes()
    path.unlink()
    if harm == "a folder":
        path.mkdir()
    if harm == "cut short":
        path.write_bytes(content[:-1])
    if harm == "fewer entries":
        path.write_bytes(content[: -2 - len(ENTRIES[255])])
    where = tmp_path / "nowhere" if harm == "no log" else folder
    assert found(FILES, where) == {WHERE: Verdict.TAMPERED if harm == "cut short" else Verdict.MISSING}


def test_the_command_takes_the_folder(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for name, content in FILES.items():
        (tmp_path / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pack" / name).write_bytes(content)
    publish(tmp_path / "log", ENTRIES)
    assert verify.main([str(tmp_path / "pack"), "--key", VKEY, "--log", str(tmp_path / "log"), "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["log_was_searched"] is True
