"""The file of the log's key: how it is made, and what is refused."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from ledger.log_errors import LogKeyExposed, LogKeyMissing, LogKeyOfAnotherLog, LogKeyUnusable, MalformedKey
from ledger.log_key import log_key_at, log_key_from
from tests.ledger.signing import KEY


def test_a_new_key_is_for_its_owner_alone_and_read_again_later(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log"
    made = log_key_at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["log"]
    assert log_key_from(path).verifier == log_key_at(path).verifier == made.verifier


def test_each_log_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = {log_key_at(tmp_path / str(number)).name for number in range(20)}
    assert len(names) == 20
    assert all(re.fullmatch(r"dossier\.local/[0-9a-f]{8}", name) for name in names)


def test_a_log_can_be_given_its_name(tmp_path: Path) -> None:
    assert log_key_at(tmp_path / "log", "bank.example/files").name == "bank.example/files"


def test_a_key_of_another_name_is_refused(tmp_path: Path) -> None:
    log_key_at(tmp_path / "log", "bank.example/files")
    with pytest.raises(LogKeyOfAnotherLog) as caught:
        log_key_at(tmp_path / "log", "bank.example/other")
    assert (caught.value.expected, caught.value.found) == ("bank.example/other", "bank.example/files")


def test_what_cannot_be_a_name_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(MalformedKey):
        log_key_at(tmp_path / "log", "two words")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log"
    log_key_at(path)
    path.chmod(mode)
    with pytest.raises(LogKeyExposed, match="chmod 600"):
        log_key_at(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogKeyMissing, match="log"):
        log_key_from(tmp_path / "log")


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe", str(KEY.verifier).encode()])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(LogKeyUnusable, match="holds no key"):
        log_key_from(path)
