"""Every slot that a fact may fill: one table, and the JSON Pointers that name slots.

A slot's name is a JSON Pointer (RFC 6901) into the profile document. A presence slot says that an item
exists; the slots below it show only while it does. `subject` says whose data a slot holds: the customer's, or
that of the contact person whose id stands in the pattern. `portfolio` says how questions about all
customers may use it. How sensitive a value is, its slot says, raised by the two things that no slot tells: whether the
customer is an individual, and whether a contact point is of personal usage.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final


class Sensitivity(StrEnum):
    """Compared by how much is hidden, not as the texts that they are."""

    PUBLIC = "PUBLIC"
    INTERNAL = "INTERNAL"
    CONFIDENTIAL = "CONFIDENTIAL"
    SENSITIVE = "SENSITIVE"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def __lt__(self, other: str) -> bool:
        return self.rank < Sensitivity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Sensitivity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Sensitivity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Sensitivity(other).rank


_RANKS: Final = {each: rank for rank, each in enumerate(Sensitivity)}


@dataclass(frozen=True, slots=True)
class InPortfolio:
    """How a question about all customers may use a slot: in conditions and columns always, to group by if `groups`.

    `members` are those of its value that may be named below it; None: any. Slots below a presence slot cannot be asked
    for: a customer has any number of them, under ids that nobody knows beforehand.
    """

    groups: bool = True
    members: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class SlotKind:
    """One row of the table. `{name}` in the pattern stands for one escaped segment.

    `of_individual`: the sensitivity where the customer is an individual, if it is another.
    """

    pattern: str
    value: str
    sensitivity: Sensitivity
    subject: str = "customer"
    presence: bool = False
    in_profile: bool = True
    portfolio: InPortfolio | None = None
    of_individual: Sensitivity | None = None

    def matches(self, slot: str) -> bool:
        return _compiled(self.pattern).fullmatch(slot) is not None


_PUBLIC, _INTERNAL = Sensitivity.PUBLIC, Sensitivity.INTERNAL
_CONFIDENTIAL, _SENSITIVE = Sensitivity.CONFIDENTIAL, Sensitivity.SENSITIVE
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")
_POINTS: Final = "/contacts/{contact_id}/points/{point_id}"
_PERSONAL: Final = "PERSONAL"
_FREE_TEXT: Final = InPortfolio(groups=False)
_IDENTIFIER: Final = InPortfolio(groups=False, members=("issuer", "issued_on", "expires_on"))
_ADDRESS: Final = InPortfolio(members=("country", "region", "city", "district", "postcode"))

SLOTS: Final = (
    SlotKind("/identity/{name_kind}", "text", _PUBLIC, portfolio=_FREE_TEXT, of_individual=_INTERNAL),
    SlotKind("/identity/{name_kind}_language", "BCP 47 tag", _PUBLIC, portfolio=InPortfolio()),
    SlotKind("/identifiers/{scheme}/{value}", "issuer, issued_on, expires_on", _INTERNAL, portfolio=_IDENTIFIER),
    SlotKind("/identifiers/CN_RIC/{value}", "issuer, issued_on, expires_on", _SENSITIVE, portfolio=_IDENTIFIER),
    SlotKind(
        "/addresses/{address_kind}", "country, region, city, district, lines, postcode", _INTERNAL, portfolio=_ADDRESS
    ),
    SlotKind("/addresses/HOME", "country, region, city, district, lines, postcode", _SENSITIVE, portfolio=_ADDRESS),
    SlotKind("/contacts/{contact_id}", "true", _INTERNAL, "contact", presence=True),
    SlotKind("/contacts/{contact_id}/name", "text", _CONFIDENTIAL, "contact"),
    SlotKind("/contacts/{contact_id}/title", "text", _CONFIDENTIAL, "contact"),
    SlotKind("/contacts/{contact_id}/department", "text", _CONFIDENTIAL, "contact"),
    SlotKind("/contacts/{contact_id}/buying_role", "code", _CONFIDENTIAL, "contact"),
    SlotKind(_POINTS, "kind, value, usage, verified", _CONFIDENTIAL, "contact"),
    SlotKind("/primary_contact", "contact id", _INTERNAL, portfolio=_FREE_TEXT),
    SlotKind("/needs/{need_id}", "true", _INTERNAL, presence=True),
    SlotKind("/needs/{need_id}/statement", "text", _INTERNAL),
    SlotKind("/needs/{need_id}/pain_point", "text", _INTERNAL),
    SlotKind("/needs/{need_id}/concerns", "list of text", _INTERNAL),
    SlotKind("/needs/{need_id}/budget", "min, max, currency, approximate", _CONFIDENTIAL),
    SlotKind("/needs/{need_id}/decision_cycle", "ISO 8601 duration", _INTERNAL),
    SlotKind("/needs/{need_id}/required_by", "date", _INTERNAL),
    SlotKind("/needs/{need_id}/outcome", "code", _INTERNAL),
    SlotKind("/tier/{scheme}", "code", _INTERNAL, portfolio=InPortfolio(members=("code",))),
    SlotKind("/owner/{role}", "staff id", _INTERNAL, portfolio=InPortfolio()),
    SlotKind("/tags/{group}/{code}", "true", _INTERNAL, portfolio=InPortfolio()),
    SlotKind("/attributes/{key}", "any JSON value", _CONFIDENTIAL, portfolio=InPortfolio(members=None)),
)


@lru_cache(maxsize=16384)
def pointer(*segments: Hashable) -> str:
    """The JSON Pointer of `segments`, escaped as RFC 6901 says. A decision names the same slot several times."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)


def segments_of(slot: str) -> list[str]:
    """The unescaped segments of a pointer that starts with "/"."""
    return [segment.replace("~1", "/").replace("~0", "~") for segment in slot.split("/")[1:]]


@lru_cache(maxsize=65536)
def parent_of(slot: str) -> str | None:
    """The presence slot that must show for `slot` to show, or None."""
    if not slot.startswith(("/contacts/", "/needs/")):
        return None
    parent = "/".join(slot.split("/", 3)[:3])
    return None if parent == slot else parent


def forget_slots() -> None:
    """Forget which slots there were: their names may hold identifiers of somebody who was erased."""
    pointer.cache_clear()
    parent_of.cache_clear()


def kind_of(slot: str) -> SlotKind | None:
    """The table's row for `slot`; the pattern that says most of it wins. None for a slot that no fact can fill."""
    matching = [kind for kind in SLOTS if kind.matches(slot)]
    return max(matching, key=lambda kind: len(_PLACEHOLDER.sub("", kind.pattern)), default=None)


def sensitivity_of(slot: str, value: Any = None, *, is_individual: bool) -> Sensitivity:
    """How sensitive it is that `slot` holds `value`. SENSITIVE for a slot that no fact can fill."""
    kind = kind_of(slot)
    if kind is None:
        return Sensitivity.SENSITIVE
    least = kind.of_individual if is_individual and kind.of_individual is not None else kind.sensitivity
    is_personal = isinstance(value, dict) and kind.pattern == _POINTS and value.get("usage") == _PERSONAL
    return max(least, Sensitivity.SENSITIVE) if is_personal else least


def matches_pattern(pattern: str, slot: str) -> bool:
    """Whether `slot` is of a pattern as the table has them, of which some segments may be spelt out."""
    return pattern == slot or _compiled(pattern).fullmatch(slot) is not None


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # re.escape leaves "{" escaped as "\{"; a placeholder becomes one non-empty segment
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern)))
