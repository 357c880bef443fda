"""The profile document: visible slots laid out as the nested object that their pointers describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from domain.slots import parent_of, segments_of


def document_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nest `values` (slot to JSON value) so that every slot's pointer resolves in the result.

    A presence slot becomes the object that holds its children.
    """
    document: dict[str, Any] = {}
    for _, slot, path, last, is_presence in sorted(map(_place_of, values)):
        place = document
        for segment in path:
            place = place.setdefault(segment, {})
        place[last] = {} if is_presence else values[slot]
    return document


def narrowed(values: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Only the slots at or below the pointers `fields`, and the presence slots they need."""
    wanted = tuple(fields)
    chosen = {slot for slot in values if is_below(slot, wanted)}
    chosen |= {parent for slot in chosen if (parent := parent_of(slot)) is not None and parent in values}
    return {slot: values[slot] for slot in values if slot in chosen}


def forget_places() -> None:
    """Forget which slots there were (see slots.forget_slots)."""
    _place_of.cache_clear()


def is_below(slot: str, fields: Iterable[str]) -> bool:
    """Whether `slot` is one of the pointers `fields` or lies below one."""
    return any(slot == field or slot.startswith(field + "/") for field in fields)


@lru_cache(maxsize=65536)
def _place_of(slot: str) -> tuple[int, str, tuple[str, ...], str, bool]:
    """Where a slot's value goes, sorted behind what it lies in: depth, slot, segments above, last one, presence."""
    *path, last = segments_of(slot)
    return len(path), slot, tuple(path), last, _is_presence(slot)


def _is_presence(slot: str) -> bool:
    return slot.startswith(("/contacts/", "/needs/")) and slot.count("/") == 2  # noqa: PLR2004 - "/group/id"
