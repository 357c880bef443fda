"""Verifying the evidence: what is sound is left alone, and faults are told shortly. Damages: tests/test_checker.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from uuid_utils.compat import uuid7

from ledger.application import Ledger
from ledger.errors import KekUnknown, WrappedKeyDamaged
from ledger.findings import Finding, limited, place_of
from ledger.kek import FileKek
from ledger.keys import KeyStore
from ledger.verify import Extent, SnapshotKeys, extent_of, one_moment, verify_evidence
from tests.damages import disarm, undone
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.writing import KEK, attribute, registration, write_path
from tests.make import RECORDING_STARTS, Stream
from tests.server import TestServer
from tests.told import ACME, tell


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    """The history of tests/told.py, which no test changes for good."""
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


def found(connection: Connection[Any]) -> list[Finding]:
    return list(verify_evidence(connection, SnapshotKeys(connection, KEK)))


def test_nothing_is_found_where_nothing_is_wrong(told: str) -> None:
    with one_moment(told) as connection:
        assert found(connection) == []
        assert extent_of(connection) == Extent(customers=2, events=15, positions=15)


def test_nothing_is_found_in_an_empty_database(database: str) -> None:
    with one_moment(database) as connection:
        assert found(connection) == []
        assert extent_of(connection) == Extent(0, 0, 0)


def test_everything_is_passed_once(told: str) -> None:
    passed: list[int] = []
    with one_moment(told) as connection:
        assert list(verify_evidence(connection, SnapshotKeys(connection, KEK), advance=passed.append)) == []
    assert sum(passed) == 15 + 15


def test_what_waits_for_the_sealer_is_sound(database: str, seal: Callable[[], int]) -> None:
    with write_path(database) as path:
        receipt = path.accept(registration())
        seal()
        path.accept(attribute(receipt.customer_id, "n", 1))
        path.accept(registration())
    with one_moment(database) as connection:
        assert found(connection) == []


def test_time_that_goes_back_in_a_stream_is_found(
    database: str, ledger: Ledger, keys: KeyStore, seal: Callable[[], int]
) -> None:
    stream = Stream()
    stream.attribute("n", 1)
    stream.attribute("n", 2, recorded_at=RECORDING_STARTS)
    keys.ensure([stream.customer_id])
    ledger.save(*stream.events)
    seal()
    with one_moment(database) as connection:
        (finding,) = found(connection)
    assert (finding.check, finding.place) == ("recorded_at", place_of(stream.customer_id, 2, 1))


def test_entries_that_are_not_ours_are_told_and_sealed_as_they_are(database: str, seal: Callable[[], int]) -> None:
    stream = uuid7()
    with psycopg.connect(database) as connection:
        for version, entry in enumerate((b"\x93DSR\x01", b"", b"{}", b"[1]", b"\xff" * 60_000), start=1):
            connection.execute("INSERT INTO ledger.event VALUES (%s, %s, 'type', %s)", [stream, version, entry])
            connection.execute(
                "INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (%s, %s, now())", [stream, version]
            )
    seal()
    with one_moment(database) as connection:
        findings = found(connection)
    assert [finding.check for finding in findings] == ["event"] * 5


def test_a_fault_that_shows_everywhere_is_told_a_few_times_and_counted(database: str) -> None:
    counts: Counter[str] = Counter()
    with write_path(database) as path:
        for _ in range(6):
            path.accept(registration())
    with undone(database) as connection:
        disarm(connection)
        connection.execute("DELETE FROM ledger.payload WHERE part = 0")
        connection.execute("DELETE FROM ledger.unsealed WHERE version = 1")
        findings = list(verify_evidence(connection, SnapshotKeys(connection, KEK), counts=counts))
    assert counts == {"payload": 30, "queue": 6}
    assert [finding.check for finding in findings].count("payload") == 21
    assert findings[-1] == Finding("payload", "elsewhere", "10 more of this kind")


def test_counts_go_on_where_they_stand() -> None:
    counts = Counter({"other": 50})
    told = [Finding("log", f"log index {idx}", "") for idx in range(4)]
    assert list(limited(told, counts, most=4)) == told
    assert counts == {"log": 4, "other": 50}


def test_a_missing_key_is_told_of_every_subject_that_needs_it(told: str) -> None:
    with undone(told) as connection:
        disarm(connection)
        connection.execute("DELETE FROM keys.subject_key")
        findings = found(connection)
    assert {finding.check for finding in findings} == {"key"}
    assert len(findings) == 4
    assert f"subject {ACME}" in {finding.place for finding in findings}


# --- the keys -------------------------------------------------------------------------------------------------------


def test_a_key_is_held_once_it_was_read(told: str) -> None:
    with undone(told) as connection:
        keys = SnapshotKeys(connection, KEK)
        assert keys.hold([ACME]) == {}
        connection.execute("DELETE FROM keys.subject_key")
        assert len(keys[ACME]) == 32
        nobody = UUID(int=0)
        assert keys.hold([ACME, nobody]) == {nobody: "has no data key"}
        assert keys.hold([nobody]) == {nobody: "has no data key"}
        with pytest.raises(KeyError):
            keys[nobody]


@pytest.mark.parametrize(
    ("text", "error"),
    [(KEK_TEXT.replace("test:", "other:"), KekUnknown), (KEK_TEXT.replace("AAEC", "BBEC"), WrappedKeyDamaged)],
)
def test_another_key_encryption_key_is_told_from_a_damaged_data_key(
    told: str, text: str, error: type[Exception]
) -> None:
    with undone(told) as connection:
        with pytest.raises(error):
            SnapshotKeys(connection, FileKek.from_text(text)).require_kek()
        connection.execute("UPDATE keys.subject_key SET wrapped = '' WHERE subject = %s", [ACME])
        SnapshotKeys(connection, KEK).require_kek()
        connection.execute("DELETE FROM keys.subject_key")
        SnapshotKeys(connection, FileKek.from_text(text)).require_kek()


# --- one moment -----------------------------------------------------------------------------------------------------


def test_a_moment_stays_what_it_was_and_nothing_is_written_in_it(database: str) -> None:
    with write_path(database) as path:
        path.accept(registration())
        with one_moment(database) as connection:
            before = extent_of(connection)
            path.accept(registration())
            assert extent_of(connection) == before
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("CREATE TABLE read.mine ()")
