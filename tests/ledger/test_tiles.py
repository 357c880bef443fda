"""Tiles: one path for each, which of them a log has, and what their bytes hold."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log_errors import MalformedTile
from ledger.merkle import TILE_WIDTH
from ledger.tiles import Tile, bundle_of, entries_in, hashes_in, tiles_of
from tests.ledger.edits import edited

_TILES = st.builds(Tile, st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, TILE_WIDTH))
_ENTRIES = st.lists(st.binary(max_size=300), max_size=TILE_WIDTH)
_SIZES = st.integers(0, 300_000)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 17), "tile/1/999.p/17"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Tile(None, 0, 1), "tile/entries/000.p/1"),
        (Tile(None, 2**63 - 1), "tile/entries/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_paths_are_as_the_specification_writes_them(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.from_path(path.removeprefix("tile/")) == tile


@given(_TILES)
def test_a_path_leads_back_to_its_tile(tile: Tile) -> None:
    assert Tile.from_path(tile.path.removeprefix("tile/")) == tile


@given(_TILES.flatmap(lambda tile: edited(tile.path.removeprefix("tile/").encode())) | st.binary(max_size=30))
def test_a_path_is_a_tile_in_its_one_form_or_none(path: bytes) -> None:
    text = path.decode("utf-8", "replace")
    try:
        tile = Tile.from_path(text)
    except MalformedTile:
        return
    assert tile.path == f"tile/{text}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "0/1000",
        "0/x000/001",
        "0/x001/x234",
        "0/001/234",
        "00/000",
        "01/000",
        "64/000",
        "-1/000",
        "data/000",
        "entries/x01/000",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/01",
        "0/000.p/256",
        "0/000.p/999",
        "0/000.p/1/2",
        "0/x009/x223/x372/x036/x854/x775/808",
        "0/٠٠٠",  # noqa: RUF001 - digits, but not ours
        "0/000\n",
        "../000",
    ],
)
def test_what_names_no_tile_is_refused(path: str) -> None:
    with pytest.raises(MalformedTile):
        Tile.from_path(path)


# --- which a log has ------------------------------------------------------------------------------------------------


def test_the_tiles_of_seventy_thousand_entries() -> None:
    """The example of the specification."""
    counts = Counter((tile.level, tile.width) for tile in tiles_of(70_000))
    assert counts == {(None, 256): 273, (None, 112): 1, (0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}


def test_a_full_tile_stands_for_one_hash_above() -> None:
    assert list(tiles_of(256)) == [Tile(None, 0), Tile(0, 0), Tile(1, 0, 1)]


def test_a_log_without_entries_has_no_tiles() -> None:
    assert list(tiles_of(0)) == []


@given(_SIZES)
def test_a_log_has_the_tiles_that_its_size_gives_it(size: int) -> None:
    tiles = set(tiles_of(size))
    assert len(tiles) == len(list(tiles_of(size)))
    for tile in tiles:
        assert tile.entries_needed <= size
        wider = Tile(tile.level, tile.index, tile.width + 1)
        assert tile.is_full or wider.entries_needed > size
    for level in (None, 0, 1, 2):
        hashes = size >> (8 * (level or 0))
        assert sum(tile.width for tile in tiles if tile.level == level) == hashes


@given(_SIZES, _SIZES)
def test_what_is_new_completes_what_was_there(one: int, other: int) -> None:
    since, size = sorted((one, other))
    new, old, now = set(tiles_of(size, since)), set(tiles_of(since)), set(tiles_of(size))
    assert new == now - old
    # Only partial tiles have given way, to wider ones.
    assert not any(tile.is_full for tile in old - now)


# --- their bytes ----------------------------------------------------------------------------------------------------


@given(_ENTRIES)
def test_a_bundle_holds_its_entries(entries: list[bytes]) -> None:
    assert entries_in(bundle_of(entries), len(entries)) == entries


def test_a_bundle_holds_the_longest_entries() -> None:
    entries = [bytes(65_535), b""]
    assert bundle_of(entries)[:2] == b"\xff\xff"
    assert entries_in(bundle_of(entries), 2) == entries


@given(st.integers(0, 500), st.binary(max_size=500))
def test_any_bytes_are_a_bundle_or_refused_by_name(width: int, data: bytes) -> None:
    try:
        entries = entries_in(data, width)
    except MalformedTile:
        return
    assert bundle_of(entries) == data


@given(_ENTRIES.filter(bool), st.data())
def test_a_bundle_cut_short_is_refused(entries: list[bytes], data: st.DataObject) -> None:
    bundle = bundle_of(entries)
    cut = data.draw(st.integers(0, len(bundle) - 1))
    with pytest.raises(MalformedTile):
        entries_in(bundle[:cut], len(entries))


def test_the_hashes_of_a_tile() -> None:
    tile = bytes(range(64))
    assert hashes_in(tile, 2) == [tile[:32], tile[32:]]
    for wrong in (tile[:-1], tile + b"\0", b""):
        with pytest.raises(MalformedTile):
            hashes_in(wrong, 2)
