"""Bytes with one thing wrong in them, for tests of what must be refused."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def edited(draw: st.DrawFn, original: bytes) -> bytes:
    """The bytes with one of them replaced, left out or added, or cut short: never the same bytes."""
    place = draw(st.integers(0, len(original) - 1))
    byte = bytes([draw(st.integers(0, 255))])
    left_out = draw(st.integers(0, 1))
    changes = [
        original[:place],
        original[:place] + byte + original[place + left_out :],
        original[:place] + original[place + 1 :],
    ]
    return draw(st.sampled_from([change for change in changes if change != original]))
