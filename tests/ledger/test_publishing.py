"""The log as a folder: everything that a size needs, only what is new, and nothing that was not signed."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from psycopg import Connection

from db.pool import connect
from ledger import log_errors as errors
from ledger.checkpoint import Checkpoint, opened
from ledger.notes import SigningKey, new_note
from ledger.publishing import Publication, publish
from ledger.tiles import Tile, entries_in, hashes_in, tiles_of
from tests.ledger.naive_tree import root_of
from tests.ledger.signing import KEY, OTHER_KEY, Signing, numbered


@pytest.fixture
def log(database: str, tmp_path: Path) -> Iterator[Signing]:
    log = Signing(database, tmp_path)
    yield log
    log.close()


@pytest.fixture
def reader(database: str) -> Iterator[Connection]:
    with connect(database, "dossier_reader", autocommit=True) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "published"


def grown(log: Signing, begin: int, size: int) -> None:
    log.grow(*numbered(size - begin, begin))
    assert log.sign().size == size


def put(reader: Connection, folder: Path, key: SigningKey = KEY) -> Publication:
    return publish(reader, folder, key.verifier)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def check(folder: Path, size: int) -> None:
    """What is in the folder is the log of so many numbered entries."""
    entries = list(numbered(size))
    leaves = [sha256(b"\0" + entry).digest() for entry in entries]
    checkpoint = opened((folder / "checkpoint").read_bytes(), [KEY.verifier], KEY.name)
    assert checkpoint == Checkpoint(KEY.name, size, root_of(leaves))
    for tile in tiles_of(size):
        content = (folder / tile.path).read_bytes()
        if tile.level is None:
            assert entries_in(content, tile.width) == entries[tile.first : tile.first + tile.width]
            continue
        span = 256**tile.level
        places = range(tile.first, tile.first + tile.width)
        assert hashes_in(content, tile.width) == [
            root_of(leaves[place * span : (place + 1) * span]) for place in places
        ]


def test_a_log_is_published_whole(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 600)
    published = put(reader, folder)
    assert (published.checkpoint.size, published.size_before, published.tiles) == (600, 0, 7)
    assert files_in(folder) == {"checkpoint", *(tile.path for tile in tiles_of(600))}
    check(folder, 600)


@pytest.mark.parametrize("sizes", [(3, 5), (255, 256, 257), (100, 600), (256, 512), (256, 300)])
def test_only_what_is_new_is_written(log: Signing, reader: Connection, folder: Path, sizes: tuple[int, ...]) -> None:
    before = 0
    for size in sizes:
        grown(log, before, size)
        there = {path: (folder / path).stat().st_ino for path in files_in(folder)}
        put(reader, folder)
        check(folder, size)
        new = {path for path in files_in(folder) if (folder / path).stat().st_ino != there.get(path)}
        assert new == {"checkpoint", *(tile.path for tile in tiles_of(size, before))}
        before = size


def test_partial_tiles_stay_until_the_full_one_is_there(log: Signing, reader: Connection, folder: Path) -> None:
    for before, size in ((0, 3), (3, 5)):
        grown(log, before, size)
        put(reader, folder)
    assert {"tile/0/000.p/3", "tile/0/000.p/5", "tile/entries/000.p/3"} < files_in(folder)
    grown(log, 5, 256)
    put(reader, folder)
    assert files_in(folder) == {"checkpoint", "tile/0/000", "tile/entries/000", "tile/1/000.p/1"}


def test_who_publishes_again_changes_nothing(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 300)
    put(reader, folder)
    assert put(reader, folder).tiles == 0
    check(folder, 300)


def test_a_log_without_entries_is_a_checkpoint(log: Signing, reader: Connection, folder: Path) -> None:
    log.seal()
    log.sign()
    put(reader, folder)
    assert files_in(folder) == {"checkpoint"}


def test_everybody_may_read_what_is_published(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 3)
    put(reader, folder)
    assert all(path.stat().st_mode & stat.S_IROTH for path in folder.rglob("*"))


def test_a_place_that_was_begun_is_finished(log: Signing, reader: Connection, folder: Path) -> None:
    """As after a death before the checkpoint was written, or within a file."""
    grown(log, 0, 3)
    put(reader, folder)
    grown(log, 3, 300)
    (folder / "tile/0/.000.new").write_bytes(b"half a tile")
    (folder / "tile/0/000").write_bytes(b"of another machine's disk")
    put(reader, folder)
    check(folder, 300)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_what_was_never_signed_is_not_published(log: Signing, reader: Connection, folder: Path) -> None:
    log.grow(*numbered(3))
    with pytest.raises(errors.NotSigned):
        put(reader, folder)


def test_what_is_sealed_and_not_signed_stays(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 3)
    log.grow(b"fourth")
    assert put(reader, folder).checkpoint.size == 3


@pytest.mark.parametrize("before", [0, 5])
def test_an_altered_entry_is_not_published(log: Signing, reader: Connection, folder: Path, before: int) -> None:
    grown(log, 0, 5)
    if before:
        put(reader, folder)
    grown(log, 5, 20)
    there = files_in(folder)
    log.attack(
        "UPDATE ledger.event SET entry = 'another' WHERE (stream, version) ="
        " (SELECT stream, version FROM ledger.log WHERE idx = 9)"
    )
    with pytest.raises(errors.LeafMismatch) as caught:
        put(reader, folder)
    assert caught.value.idx == 9
    assert files_in(folder) == there


def test_a_folder_of_another_history_is_not_gone_on_with(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 5)
    folder.mkdir(parents=True)
    other = bytes(new_note(Checkpoint(KEY.name, 3, sha256(b"other").digest()).text, KEY))
    (folder / "checkpoint").write_bytes(other)
    with pytest.raises(errors.HistoryChanged):
        put(reader, folder)
    assert (folder / "checkpoint").read_bytes() == other


def test_a_folder_that_is_ahead_is_left_alone(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 5)
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_bytes(bytes(new_note(Checkpoint(KEY.name, 9, sha256(b"").digest()).text, KEY)))
    with pytest.raises(errors.MemoryAhead, match="9 entries"):
        put(reader, folder)


def test_a_folder_of_another_log_is_left_alone(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 5)
    put(reader, folder)
    note = bytes(new_note(Checkpoint(OTHER_KEY.name, 3, sha256(b"").digest()).text, OTHER_KEY))
    (folder / "checkpoint").write_bytes(note)
    with pytest.raises(errors.NoteUnverified):
        put(reader, folder)
    assert (folder / "checkpoint").read_bytes() == note


def test_a_note_of_another_key_is_not_published(log: Signing, reader: Connection, folder: Path) -> None:
    grown(log, 0, 5)
    with pytest.raises(errors.NoteUnverified):
        put(reader, folder, OTHER_KEY)


def test_a_node_that_was_altered_is_not_published(log: Signing, reader: Connection, folder: Path) -> None:
    """What the entries give is written, whatever the tables of the tree say; what they cannot give is checked."""
    grown(log, 0, 600)
    put(reader, folder)
    log.attack("UPDATE ledger.node SET hash = sha256('another') WHERE idx = 1")
    with pytest.raises(errors.HistoryChanged):
        put(reader, folder)
    assert Tile(1, 0, 2).path in files_in(folder)
