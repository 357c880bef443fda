"""The bytes of read.profile.state: short and very long files as JSON, long ones compressed; nothing else is taken."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from db.migrate import MIGRATIONS, migrate
from domain.file import CustomerFile
from projections import stored_state
from projections.differences import profile_differences, profile_row
from projections.errors import StateMalformed
from projections.profile import FOLD_VERSION, decode, encode
from tests.make import Stream
from tests.projections.histories import streams
from tests.projections.long_files import a_long_file, compressed, texts
from tests.server import TestServer

_UNHURRIED = settings(deadline=None)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_CONTENTS = st.dictionaries(
    st.text(),
    st.recursive(_SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)
LONG: Final = encode(a_long_file())


@_UNHURRIED
@given(_CONTENTS, st.text(), st.integers(0, 9000))
@example({}, "", 0)
@example({}, "x", 2600)
@example({}, "ü", 6000)
def test_what_is_written_down_comes_back(content: dict[str, Any], text: str, times: int) -> None:
    content["long"] = text * (times // max(len(text), 1))
    assert stored_state.load(stored_state.dump(content)) == content


@_UNHURRIED
@given(streams(), texts(7000), st.integers(0, 7000))
def test_a_file_of_any_length_comes_back(stream: Stream, text: str, length: int) -> None:
    stream.attribute("long", text[:length])
    file = CustomerFile.folded(stream.customer_id, stream.events).copy()
    columns = (file.version, file.profile_version, file.boundaries, file.as_of, FOLD_VERSION)
    assert decode(file.customer_id, (*columns, encode(file))) == file


@pytest.mark.parametrize(
    ("length", "form"), [(100, b"{"), (2600, b"{"), (2601, b"x"), (6000, b"x"), (6001, b"{"), (50_000, b"{")]
)
def test_what_stays_in_its_row_only_when_it_is_compressed_is_compressed(length: int, form: bytes) -> None:
    content = {"a": "b" * (length - len(orjson.dumps({"a": ""})))}
    state = stored_state.dump(content)
    assert state[:1] == form
    assert len(state) == length if form == b"{" else len(state) < length
    assert stored_state.load(state) == content


def test_a_long_file_takes_less_than_half() -> None:
    assert len(LONG) < 0.5 * len(orjson.dumps(stored_state.load(LONG)))


def test_a_compressed_state_names_its_dictionary_which_stays_the_same_for_a_fold_version() -> None:
    assert (FOLD_VERSION, LONG[2:6].hex()) == (4, f"{zlib.adler32(stored_state.DICTIONARY):08x}") == (4, "4dcf5f70")
    assert len(LONG) < len(zlib.compress(orjson.dumps(stored_state.load(LONG)), 9))


@given(st.integers(0, len(LONG) - 1))
def test_a_state_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(StateMalformed):
        stored_state.load(LONG[:length])


@given(st.integers(0, len(LONG) - 1), st.integers(1, 255))
@example(len(LONG) - 1, 1)
def test_a_state_with_another_byte_is_refused(place: int, change: int) -> None:
    state = bytearray(LONG)
    state[place] ^= change
    with pytest.raises(StateMalformed):
        stored_state.load(bytes(state))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (b"", "neither"),
        (b"of another time", "neither"),
        (b"[]", "neither"),
        (b"{", "no JSON"),
        (LONG[:-4] + bytes(4), "does not decompress"),
        (LONG[:-1], "not all of it"),
        (LONG + b"x", "or more"),
        (zlib.compress(b'{"a'), "no JSON"),
        (compressed(orjson.dumps(stored_state.load(LONG)), b"another dictionary"), "does not decompress"),
    ],
)
def test_a_state_that_we_never_write_is_refused_by_name(state: bytes, reason: str) -> None:
    with pytest.raises(StateMalformed, match=reason):
        stored_state.load(state)


@pytest.mark.parametrize("level", [0, 6, 9])
def test_a_row_that_another_compressor_wrote_is_no_difference(level: int) -> None:
    file = a_long_file()
    content = stored_state.load(LONG)
    for same in (content, dict(reversed(content.items()))):
        row = profile_row(file)._replace(state=compressed(orjson.dumps(same), level=level))
        assert row.state != profile_row(file).state
        assert list(profile_differences(file.customer_id, file, row)) == []


def test_a_compressed_row_that_says_something_else_differs() -> None:
    file = a_long_file()
    content = stored_state.load(LONG)
    states = [compressed(orjson.dumps({**content, "archived": True})), LONG[:-1], b"of another time"]
    for state in states:
        (difference,) = profile_differences(file.customer_id, file, profile_row(file)._replace(state=state))
        assert difference.detail == "differs in state"


def test_rows_from_before_there_were_compressed_ones_are_read_as_they_are(server: TestServer, tmp_path: Path) -> None:
    migrations = sorted(MIGRATIONS.glob("*.sql"))
    (first,) = [number for number, path in enumerate(migrations) if path.stem.endswith("_compressed_states")]
    for path in migrations[:first]:
        shutil.copy(path, tmp_path)
    file = a_long_file()
    numbers = (file.version, file.profile_version, file.boundaries, file.as_of)
    with server.database(template="template0") as conninfo:
        migrate(conninfo, tmp_path)
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "INSERT INTO read.profile VALUES"
                " (%s, %s, %s, %s, %s, NULL, 3, %s), (%s, %s, %s, %s, %s, NULL, 2, 'of another time')",
                [file.customer_id, *numbers, orjson.dumps(stored_state.load(LONG)), uuid7(), *numbers],
            )
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            rows = connection.execute(
                "SELECT customer_id, version, profile_version, boundaries, as_of, fold_version, state FROM read.profile"
            ).fetchall()
    assert [decode(customer_id, row) for customer_id, *row in rows if customer_id == file.customer_id] == [file]
    assert [decode(customer_id, row) for customer_id, *row in rows if customer_id != file.customer_id] == [None]
