"""What a question about all customers may name: slots, members of their values, and what decisions made of a file.

What must stay true: a path that is not known is refused by the name of the nearest one, never taken for an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final

from domain.code_schemes import tags, tier_schemes
from domain.events.classification import OwnerRole
from domain.events.contacts import AddressKind
from domain.events.identity import NameKind
from domain.slots import SLOTS, InPortfolio, kind_of, pointer, segments_of
from projections.portfolio.errors import NotGroupable, PathUnknown


class Decided(StrEnum):
    """What decisions made of a file: it depends on what is known alone, whatever instant is asked about."""

    CUSTOMER_KIND = "/customer_kind"
    FILE_STATE = "/file_state"


CUSTOMER_ID: Final = "customer_id"


@dataclass(frozen=True, slots=True)
class Path:
    """A slot, and the member of its value that is meant: all of the value if that is empty. `text` is how it was named.

    `slot` is "" for what is no slot: the customer's id, and what `decided` names.
    """

    text: str
    slot: str = ""
    member: tuple[str, ...] = ()
    decided: Decided | None = None

    @property
    def is_customer_id(self) -> bool:
        return not self.slot and self.decided is None


@lru_cache
def path_of(text: str) -> Path:
    """The path that `text` names. Raises PathUnknown."""
    if text == CUSTOMER_ID:
        return Path(text)
    if text in set(Decided):
        return Path(text, decided=Decided(text))
    ends = [place for place, sign in enumerate(text) if sign == "/"][1:]
    for end in (*ends, len(text)):
        if (use := _use_of(text[:end])) is not None:
            return Path(text, text[:end], _member(text, text[:end], use))
    raise PathUnknown(text, _nearest(text))


@lru_cache
def group_path_of(text: str) -> Path:
    """A path to group by. Raises NotGroupable, too."""
    path = path_of(text)
    use = _use_of(path.slot)
    if path.is_customer_id or (use is not None and not use.groups):
        raise NotGroupable(text)
    return path


def _use_of(slot: str) -> InPortfolio | None:
    """How `slot` may be used; None for what is no slot, or none that may be asked for."""
    kind = kind_of(slot)
    if kind is None or slot not in _closed().get(kind.pattern, (slot,)):
        return None
    return kind.portfolio


def _member(text: str, slot: str, use: InPortfolio) -> tuple[str, ...]:
    if len(text) == len(slot):
        return ()
    member = tuple(segments_of(text[len(slot) :]))
    if use.members is not None and (len(member) > 1 or member[0] not in use.members):
        near = get_close_matches(member[0], use.members, n=1, cutoff=0.0)
        raise PathUnknown(text, "/".join((slot, *near)))
    return member


@cache
def _closed() -> dict[str, tuple[str, ...]]:
    """By pattern the slots there can be, where their names are taken from a list."""
    return {
        "/identity/{name_kind}": tuple(pointer("identity", f"{kind.lower()}_name") for kind in NameKind),
        "/identity/{name_kind}_language": tuple(
            pointer("identity", f"{kind.lower()}_name_language") for kind in NameKind
        ),
        "/addresses/{address_kind}": tuple(pointer("addresses", kind) for kind in AddressKind),
        "/tier/{scheme}": tuple(pointer("tier", scheme) for scheme in tier_schemes()),
        "/owner/{role}": tuple(pointer("owner", role) for role in OwnerRole),
        "/tags/{group}/{code}": tuple(pointer("tags", group, code) for group, code in tags()),
    }


def _nearest(text: str) -> str:
    candidates = [CUSTOMER_ID, *Decided]
    for kind in SLOTS:
        if kind.portfolio is not None:
            for slot in _closed().get(kind.pattern, (_filled(kind.pattern, text),)):
                candidates += [slot, *(f"{slot}/{member}" for member in kind.portfolio.members or ())]
    nearest: str = get_close_matches(text, candidates, n=1, cutoff=0.0)[0]
    return nearest


def _filled(pattern: str, text: str) -> str:
    """The pattern with what stands in `text` at the places of its placeholders."""
    given = text.split("/")
    return "/".join(
        given[place] if part.startswith("{") and place < len(given) and given[place] else part
        for place, part in enumerate(pattern.split("/"))
    )
