"""Files so long that their profile rows are compressed."""

from __future__ import annotations

import random
import zlib
from functools import cache

from hypothesis import strategies as st

from domain.file import CustomerFile
from projections import stored_state
from tests.make import Stream

_WORDS = 1000


def long_text(number: int, length: int) -> str:
    """The same each time, of words, some common and some rare: it is compressed as well as what people write."""
    chance = random.Random(number)  # noqa: S311 - no secret
    return " ".join(_word(int(_WORDS ** chance.random())) for _ in range(length // 2))[:length]


@cache
def _word(rank: int) -> str:
    letters = random.Random(rank)  # noqa: S311 - no secret
    return "".join(letters.choices("etaoinshrdlucmfwypvbgk", k=letters.randint(2, 9)))


def texts(length: int) -> st.SearchStrategy[str]:
    """Texts of this length, each drawn as a number: hypothesis would not draw so many characters."""
    return st.integers(0, 1000).map(lambda number: long_text(number, length))


def a_long_stream() -> Stream:
    """Whose file says about 3,500 bytes."""
    stream = Stream()
    for number in range(8):
        stream.attribute(f"field_{number}", long_text(number, 370))
    return stream


@cache
def _a_long_stream() -> Stream:
    return a_long_stream()


def a_long_file() -> CustomerFile:
    """The same one each time."""
    stream = _a_long_stream()
    return CustomerFile.folded(stream.customer_id, stream.events).copy()


def compressed(
    content: bytes,
    dictionary: bytes = stored_state.DICTIONARY,
    level: int = 9,
) -> bytes:
    """As another compressor might write it."""
    compressor = zlib.compressobj(level, zdict=dictionary)
    return compressor.compress(content) + compressor.flush()
