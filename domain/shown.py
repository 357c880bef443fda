"""How sensitive an answer is, for the record of who saw it.

What must stay true: never less than what is in it. Of a file's values the exact class is told; of an answer that is
text already, whether anything SENSITIVE may be in it, by the marks that such a slot's name or value always has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from domain.slots import SLOTS, Sensitivity, kind_of, segments_of, sensitivity_of

_PERSONAL: Final = "PERSONAL"
"""The usage that makes a contact point SENSITIVE (domain/slots.py)."""


def highest_of(values: Mapping[str, Any], *, is_individual: bool) -> Sensitivity:
    """The highest class among a file's values by slot; PUBLIC of none."""
    return max(
        (sensitivity_of(slot, value, is_individual=is_individual) for slot, value in values.items()),
        default=Sensitivity.PUBLIC,
    )


@lru_cache(maxsize=1024)
def highest_asked(paths: frozenset[str]) -> Sensitivity:
    """The highest class that values at some paths of portfolio questions can have; INTERNAL of none."""
    slots = [path for path in paths if path.startswith("/")]
    return max((_class_at(slot) for slot in slots), default=Sensitivity.INTERNAL)


def highest_in(*texts: bytes) -> Sensitivity:
    """SENSITIVE where anything of that class may stand in an answer's text, else CONFIDENTIAL."""
    return Sensitivity.SENSITIVE if any(map(_may_be_sensitive, texts)) else Sensitivity.CONFIDENTIAL


def _may_be_sensitive(text: bytes) -> bool:
    # Looking for each mark alone is many times as fast as the pattern, and finds none in nearly every text.
    for mark in MARKS:
        if mark in text:
            return _MARKED.search(text) is not None
    return False


def _class_at(path: str) -> Sensitivity:
    """Of a slot, or of a member of its value; of an individual, as it may be of one."""
    slot = path
    while slot and kind_of(slot) is None:
        slot = slot.rpartition("/")[0]
    return sensitivity_of(slot or path, is_individual=True)


def _marks() -> Iterable[str]:
    for kind in SLOTS:
        if Sensitivity.SENSITIVE in {kind.sensitivity, kind.of_individual}:
            yield [segment for segment in segments_of(kind.pattern) if "{" not in segment][-1]
    yield _PERSONAL


MARKS: Final = tuple(mark.encode() for mark in dict.fromkeys(_marks()))
"""With another mark, what read.events says of its rows is to be made anew (a test tells)."""
_MARKED: Final = re.compile(rb'["/](?:%b)["/]' % b"|".join(map(re.escape, MARKS)))
