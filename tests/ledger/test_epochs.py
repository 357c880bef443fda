"""Epochs: what the log says about where its history was cut off, and what does not hold of it."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import psycopg
import pytest

from ledger.epochs import LOG_STREAM, OWN, Epoch, Epochs, begin_epoch, epochs_of
from ledger.errors import EpochsUnreadable
from ledger.ring import KekRing
from ledger.sealer import Sealer
from ledger.verify import SnapshotKeys, one_moment, verify_evidence
from tests.checker import check
from tests.damages import disarm
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.writing import attribute, write_path
from tests.told import ACME, settle, tell

ENTRY = "UPDATE ledger.event SET entry = %(entry)s WHERE stream = %(own)s AND version = 1"


def begin(conninfo: str, checkpoint: str | None = None) -> Epoch:
    with psycopg.connect(conninfo) as connection:
        return begin_epoch(connection, "u-7", checkpoint)


def findings(conninfo: str) -> list[str]:
    kek = KekRing.from_text(KEK_TEXT)
    with one_moment(conninfo) as connection:
        return [finding.detail for finding in verify_evidence(connection, SnapshotKeys(connection, kek))]


@pytest.fixture
def forked(database: str) -> str:
    tell(database)
    begin(database, "a signed note\n")
    settle(database)
    return database


def test_an_epoch_is_the_next_entry_of_the_log_before_all_that_waits(database: str) -> None:
    tell(database)
    with write_path(database) as path:
        path.accept(attribute(ACME, "n", 5))
    epoch = begin(database, "a signed note\n")
    sealer = Sealer(database, batch=1)
    assert sealer.seal_once() == 1
    sealer.close()
    with psycopg.connect(database) as connection:
        idx, entry = connection.execute(
            "SELECT idx, entry FROM ledger.log JOIN ledger.event USING (stream, version) ORDER BY idx DESC LIMIT 1"
        ).fetchall()[0]
        waiting = connection.execute("SELECT stream FROM ledger.unsealed").fetchall()
    said = orjson.loads(entry)
    assert (idx, said["stream"], said["version"], said["actor"]) == (15, str(LOG_STREAM), 1, "u-7")
    assert said["epoch"] == {"name": epoch.name, "after": {"name": "1", "size": 15, "checkpoint": "a signed note\n"}}
    assert said["parts"] == []
    assert waiting == [(ACME,)]


def test_customers_and_their_read_models_pass_it_over(forked: str) -> None:
    with write_path(forked) as path:
        path.accept(attribute(ACME, "n", 5))
    settle(forked)
    check(forked, KekRing.from_text(KEK_TEXT))


def test_an_epoch_in_an_empty_log_begins_with_it(database: str) -> None:
    assert begin(database).after == 0
    settle(database)
    assert findings(database) == []


def test_each_epoch_follows_the_one_before(forked: str) -> None:
    third = begin(forked)
    settle(forked)
    with psycopg.connect(forked) as connection:
        epochs = epochs_of(connection)
    assert [name.partition("-")[0] for name, _ in epochs.all] == ["1", "2", "3"]
    assert (epochs.current, [after for _, after in epochs.all]) == (third.name, [0, 15, 16])
    assert findings(forked) == []


def test_two_epochs_of_one_number_have_two_names(database: str) -> None:
    tell(database)
    with psycopg.connect(database) as connection:
        first = begin_epoch(connection, "u-7", None)
        connection.rollback()
        second = begin_epoch(connection, "u-7", None)
    assert first.after == second.after
    assert first.name != second.name


def test_what_was_said_in_an_epoch_holds_up_to_the_first_fork_after_it() -> None:
    epochs = Epochs([Epoch("1", 0), Epoch("2-a", 100), Epoch("3-b", 250)])
    assert [epochs.shared_up_to(name) for name in ("1", "2-a", "3-b")] == [100, 250, None]
    with pytest.raises(KeyError):
        epochs.shared_up_to("2-c")


def _other(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def changed(entry: bytes) -> bytes:
        said = orjson.loads(entry)
        change(said)
        return orjson.dumps(said)

    return changed


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JSON": (lambda _: b"{", "is no entry that begins an epoch"),
    "a number": (lambda _: b"7", "is no entry that begins an epoch"),
    "no name": (_other(lambda said: said.update(epoch={"after": {}})), "is no entry that begins an epoch"),
    "a size that is none": (
        _other(lambda said: said.update(epoch={"name": "2-a", "after": {"name": "1", "size": "15"}})),
        "is no entry that begins an epoch",
    ),
    "another predecessor": (
        _other(lambda said: said.update(epoch={"name": "2-a", "after": {"name": "9", "size": 15}})),
        "does not follow the epoch 1",
    ),
    "another place": (
        _other(lambda said: said.update(epoch={"name": "2-a", "after": {"name": "1", "size": 3}})),
        "does not stand where it says that its epoch begins, at index 3",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_entry_that_was_changed_is_found(forked: str, damage: str) -> None:
    change, expected = DAMAGES[damage]
    with psycopg.connect(forked) as connection:
        disarm(connection)
        ((entry,),) = connection.execute("SELECT entry FROM ledger.event WHERE stream = %(own)s", OWN).fetchall()
        connection.execute(ENTRY, {**OWN, "entry": change(entry)})
    assert expected in findings(forked)
    assert "the hash is not that of the entry" in findings(forked)


def test_epochs_that_make_no_sense_are_an_error_with_the_version(forked: str) -> None:
    with psycopg.connect(forked) as connection:
        disarm(connection)
        connection.execute(ENTRY, {**OWN, "entry": b"{"})
        with pytest.raises(EpochsUnreadable) as caught:
            epochs_of(connection)
    assert caught.value.version == 1
