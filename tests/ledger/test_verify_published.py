"""A published log is verified from its files alone: whole ones hold, and every fault is told by its index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db.pool import connect
from ledger import publishing
from ledger.believed import believed
from ledger.log_errors import NoteUnverified, OriginMismatch, SignatureInvalid
from ledger.verify_published import published_checkpoint, published_findings
from tests.ledger import signing
from tests.ledger.forge import FOREIGN_KEY, KEY
from tests.ledger.published import note_of, path_of, publish, write

ENTRIES = [b'{"n":%d}' % number for number in range(600)]
KEYS = [KEY.verifier]


def findings(folder: Path, *kept: bytes) -> list[tuple[str, str]]:
    """Check and place of each finding."""
    against = [believed(note, KEYS) for note in kept]
    found = published_findings(folder, published_checkpoint(folder, KEYS), against=against)
    return [(finding.check, finding.place) for finding in found]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 600])
def test_a_whole_log_holds(tmp_path: Path, size: int) -> None:
    assert findings(publish(tmp_path, ENTRIES[:size])) == []


def test_a_log_with_two_levels_of_full_tiles_holds(tmp_path: Path) -> None:
    entries = [b"%d" % number for number in range(70_000)]
    passed: list[int] = []
    folder = publish(tmp_path, entries)
    signed = published_checkpoint(folder, KEYS)
    assert list(published_findings(folder, signed, advance=passed.append)) == []
    assert sum(passed) == 70_000


def test_the_log_that_the_service_publishes_holds(database: str, tmp_path: Path) -> None:
    at_work = signing.Signing(database, tmp_path)
    folder, key = tmp_path / "published", signing.KEY.verifier
    kept = []
    for begin, size in ((0, 3), (3, 297), (300, 220)):
        at_work.grow(*signing.numbered(size, begin))
        at_work.sign()
        with connect(database, "dossier_reader", autocommit=True) as connection:
            publishing.publish(connection, folder, key)
        kept.append(believed(at_work.notes()[-1].encode(), [key]))
    at_work.close()
    signed = published_checkpoint(folder, [key])
    assert (signed.size, list(published_findings(folder, signed, against=kept))) == (520, [])


def test_tiles_of_a_log_that_has_grown_serve_an_older_checkpoint(tmp_path: Path) -> None:
    publish(tmp_path, ENTRIES[:300])
    folder = publish(tmp_path, ENTRIES)
    path_of(folder, "0", 1, 44).unlink()  # the full one has taken its place
    (folder / "checkpoint").write_bytes(note_of(ENTRIES[:300]))
    assert findings(folder) == []


# --- faults -----------------------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_an_edited_entry_is_told_by_its_index(tmp_path: Path) -> None:
    folder = publish(tmp_path, ENTRIES)
    edit(path_of(folder, "entries", 1), lambda content: content.replace(b'{"n":300}', b'{"n":301}'))
    assert findings(folder)[0] == ("entry", "log index 300")
    assert ("tile", "log index 256") in findings(folder)
    assert ("root", "checkpoint of size 600") in findings(folder)


def test_two_entries_that_changed_places_are_told(tmp_path: Path) -> None:
    swapped = [*ENTRIES[:10], ENTRIES[11], ENTRIES[10], *ENTRIES[12:]]
    folder = publish(tmp_path, ENTRIES)
    path_of(folder, "entries", 0).write_bytes(path_of(publish(tmp_path / "other", swapped), "entries", 0).read_bytes())
    assert findings(folder)[:2] == [("entry", "log index 10"), ("entry", "log index 11")]


def test_entries_that_changed_together_with_their_tile_are_found_one_level_up(tmp_path: Path) -> None:
    folder, other = publish(tmp_path / "log", ENTRIES), publish(tmp_path / "other", [b"x", *ENTRIES[1:]])
    for level in ("entries", "0"):
        path_of(folder, level, 0).write_bytes(path_of(other, level, 0).read_bytes())
    assert findings(folder) == [("tile", "log index 0"), ("root", "checkpoint of size 600")]


def test_another_history_with_all_its_tiles_does_not_give_the_signed_root(tmp_path: Path) -> None:
    folder = publish(tmp_path, [b"x", *ENTRIES[1:]])
    (folder / "checkpoint").write_bytes(note_of(ENTRIES))
    assert findings(folder) == [("root", "checkpoint of size 600")]


@pytest.mark.parametrize(
    ("tile", "expected"),
    [
        (("entries", 0, 256), [("entries", "log index 0")]),
        (("entries", 2, 88), [("entries", "log index 512")]),
        (("0", 1, 256), [("tile", "log index 256")]),
        (("1", 0, 2), [("tile", "log index 0")]),
    ],
)
@pytest.mark.parametrize("harm", ["missing", "cut short", "too long", "a folder"])
def test_a_file_that_is_not_there_or_not_whole_is_told(
    tmp_path: Path, tile: tuple[str, int, int], expected: list[tuple[str, str]], harm: str
) -> None:
    path = path_of(publish(tmp_path, ENTRIES), *tile)
    if harm in {"missing", "a folder"}:
        path.unlink()
    if harm == "a folder":
        path.mkdir()
    if harm == "cut short":
        edit(path, lambda content: content[:-1])
    if harm == "too long":
        edit(path, lambda content: content + bytes(32))
    assert findings(tmp_path) == expected


def test_a_tile_of_another_hash_is_told_by_its_first_entry(tmp_path: Path) -> None:
    folder = publish(tmp_path, ENTRIES)
    edit(path_of(folder, "1", 0, 2), lambda content: content[:32] + bytes(32))
    assert findings(folder) == [("tile", "log index 256")]


def test_a_log_that_was_cut_off_misses_its_end(tmp_path: Path) -> None:
    folder = publish(tmp_path, ENTRIES[:300])
    (folder / "checkpoint").write_bytes(note_of(ENTRIES))
    assert findings(folder)[0] == ("tile", "log index 256")
    assert ("entries", "log index 512") in findings(folder)


# --- checkpoints that somebody kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 599, 600])
def test_the_log_begins_as_a_kept_checkpoint_says(tmp_path: Path, size: int) -> None:
    assert findings(publish(tmp_path, ENTRIES), note_of(ENTRIES[:size])) == []


def test_of_several_kept_checkpoints_each_is_held_against_it(tmp_path: Path) -> None:
    kept = [note_of(ENTRIES[:size]) for size in (600, 5, 300, 5)]
    assert findings(publish(tmp_path, ENTRIES), *kept) == []


@pytest.mark.parametrize("size", [1, 300, 600])
def test_a_kept_checkpoint_of_another_history_is_told(tmp_path: Path, size: int) -> None:
    other = note_of([b"x", *ENTRIES[1:size]])
    assert findings(publish(tmp_path, ENTRIES), other) == [("root", f"checkpoint of size {size}")]


def test_a_kept_checkpoint_of_more_than_is_published_is_told(tmp_path: Path) -> None:
    assert findings(publish(tmp_path, ENTRIES[:5]), note_of(ENTRIES)) == [("checkpoint", "checkpoint of size 600")]


@pytest.mark.parametrize(
    ("note", "error"),
    [
        (note_of(ENTRIES, FOREIGN_KEY), NoteUnverified),
        (note_of(ENTRIES, origin="log.example/another"), OriginMismatch),
        (note_of(ENTRIES).replace(b"\n600\n", b"\n601\n"), SignatureInvalid),
    ],
)
def test_a_checkpoint_of_another_log_is_not_believed(note: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        believed(note, KEYS)


def test_what_is_written_by_hand_is_written_where_it_belongs(tmp_path: Path) -> None:
    write(tmp_path, "0", 1234, 7, b"")
    assert (tmp_path / "tile/0/x001/234.p/7").exists()
