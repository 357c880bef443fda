"""What of a file somebody sees whose ceiling is below the class of some of what it says.

Owns the marker that stands where a value is hidden. What must stay true: nothing that depends on a hidden value is
left, neither in a pointer that holds it nor in the words of the events that speak of it; that there is one may be seen;
what cannot be understood is hidden; and where nothing is hidden, nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import ValidationError

from domain.erased import Erased
from domain.events.base import EVENT_TYPES, Payload
from domain.events.contacts import ContactPointChanged
from domain.events.privacy import PersonalDataErased
from domain.slots import SLOTS, Sensitivity, kind_of, sensitivity_of

HIGHEST: Final = max(Sensitivity)
HIDDEN_SEGMENT: Final = "*"
"""Stands in a pointer for a segment that is a hidden value itself."""

_VALUE_SEGMENTS: Final = frozenset({"{value}", "{code}"})
"""Placeholders of patterns that stand for a value, not for the name of one."""

_WORDS: Final = {"source": ("detail", "url"), "reason": ("text",), "evidence": ("note", "url")}
"""The members of an envelope in which somebody may have told in words what the event says."""


def marker(level: Sensitivity) -> dict[str, Any]:
    """What stands, as JSON, where a value of a class is hidden."""
    return {"masked": True, "class": level.value}


def is_marker(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"masked", "class"}


def level_of_payload(payload: Payload) -> Sensitivity:
    """The class of what an event says: the highest of what it says of any slot, and never public."""
    return max((Sensitivity.INTERNAL, *(_level(slot, value, is_individual=True) for slot, value in payload.tells_of())))


def level_of_item(item: Mapping[str, Any]) -> Sensitivity:
    """The same of an event as histories show it: with what it did to the slots that it asserts, if there are any."""
    changes, stored_name = item["changes"], item["type"]
    if not changes or _tells_indirectly(stored_name):
        return level_of_event(stored_name, item["data"])
    told = (_level(change["path"], change.get("new"), is_individual=True) for change in changes)
    return max((Sensitivity.INTERNAL, *told))


def level_of_event(stored_name: str, data: Mapping[str, Any]) -> Sensitivity:
    """The same of an event whose content is JSON."""
    if data.keys() == Erased.model_fields.keys():
        return Sensitivity.INTERNAL  # nothing is left of it
    if stored_name not in EVENT_TYPES:
        return HIGHEST
    for content in (data, _with_erased(data)):
        try:
            return level_of_payload(EVENT_TYPES[stored_name].model_validate(content))
        except ValidationError:
            continue
    return HIGHEST


def slot_at(path: str) -> str | None:
    """The slot that `path` names, or in whose value it lies; None if it is neither."""
    while path:
        if kind_of(path) is not None:
            return path
        path = path.rpartition("/")[0]
    return None


_OF_OTHER_TIMES: Final = frozenset({PersonalDataErased.type, ContactPointChanged.type})
"""The events whose content repeats what others had said."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Hides what is above `ceiling`, of a customer that is an individual or not."""

    ceiling: Sensitivity
    is_individual: bool = True

    def hides(self, level: Sensitivity) -> bool:
        return level > self.ceiling

    def level(self, slot: str, value: Any = None) -> Sensitivity | None:
        """The class of a slot that is hidden, or hidden for the sake of its value; None if it shows."""
        level = _level(slot, value, is_individual=self.is_individual)
        return level if self.hides(level) else None

    def value(self, slot: str, value: Any) -> Any:
        level = self.level(slot, value)
        return value if level is None else marker(level)

    def pointer(self, slot: str) -> str:
        """The slot's name without the hidden value that it may hold."""
        return slot if self.level(slot) is None else _without_value(slot)

    def names_hidden_value(self, path: str) -> bool:
        """Whether the path itself says what is hidden: whoever asks by it asks for the value."""
        slot = slot_at(path)
        return slot is not None and self.pointer(slot) != slot

    def may_hide(self, told: bytes) -> bool:
        """Whether it cannot be told at a glance that nothing is hidden of JSON that names the slots of all it says."""
        return (
            self.ceiling < Sensitivity.CONFIDENTIAL
            or any(sign in told for sign in _signs())
            or told.count(_OLD_VALUE) > sum(map(told.count, _NO_OLD_VALUE))
        )

    def level_within(self, path: str) -> Sensitivity | None:
        """The highest hidden class of all that may be at `path`, above it in the same value, or below it."""
        slot = slot_at(path)
        if slot is not None and (level := self.level(slot)) is not None:
            return level
        asked = path.rstrip("/").split("/")
        below = (kind for kind in SLOTS if _begins(kind.pattern.split("/"), asked))
        levels = [level for kind in below if (level := self.level(kind.pattern)) is not None]
        return max(levels, default=None)

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by slot; those hidden in the names of their slots come to be one."""
        return {self.pointer(slot): self.value(slot, value) for slot, value in values.items()}

    def change(self, change: Mapping[str, Any]) -> dict[str, Any]:
        """What an event did to a slot, or what a slot says when: `path`, and values of whatever name."""
        slot = change["path"]
        shown = {name: self.value(slot, change[name]) for name in ("old", "new", "value") if name in change}
        return {**change, **shown, "path": self.pointer(slot)}

    def shows_whole(self, stored_name: str, level: Sensitivity) -> bool:
        """Whether nothing at all is hidden of an event of a class."""
        return not self.hides(level) and stored_name not in _OF_OTHER_TIMES

    def event(self, event: Mapping[str, Any], level: Sensitivity) -> dict[str, Any]:
        """An event of a class as some view shows it, `data` and words as far as they are there."""
        if not self.hides(level):
            return {**event, "data": self._data(event["type"], event["data"])} if "data" in event else dict(event)
        hidden = marker(level)
        shown: dict[str, Any] = {**event, "data": hidden} if "data" in event else dict(event)
        for member, words in _WORDS.items():
            if event.get(member):
                shown[member] = _without_words(event[member], words, hidden)
        return shown

    def _data(self, stored_name: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The content of an event that shows, but for what it repeats of other times."""
        if stored_name not in _OF_OTHER_TIMES:
            return data
        if "fields" in data:
            return {**data, "fields": [self.pointer(slot) if kind_of(slot) else slot for slot in data["fields"]]}
        if data.get("old_value") is not None:
            # it may have been of personal usage, of which the event says nothing
            return {**data, "old_value": marker(HIGHEST)} if self.hides(HIGHEST) else data
        return data


def _level(slot: str, value: Any, *, is_individual: bool) -> Sensitivity:
    """The class of a slot's value, remembered by slot where the value makes no difference."""
    level = _level_of(slot, is_individual)
    if isinstance(value, dict) and "usage" in value:
        return max(level, sensitivity_of(slot, value, is_individual=is_individual))
    return level


@lru_cache(maxsize=65536)
def _level_of(slot: str, is_individual: bool) -> Sensitivity:
    return sensitivity_of(slot, is_individual=is_individual)


def forget_levels() -> None:
    """Forget which slots there were (see slots.forget_slots)."""
    _level_of.cache_clear()
    _without_value.cache_clear()


@cache
def _signs() -> tuple[bytes, ...]:
    """One of these stands wherever something above CONFIDENTIAL is told: there no event tells of other slots besides.

    The begin of a slot's name; what raises a value's class; an event that repeats what others said, or does not name
    the slots that it tells of as those do that assert them. Besides them there is what a contact point was before.
    """
    slots = [kind.pattern.partition("{")[0] for kind in SLOTS if kind.sensitivity > Sensitivity.CONFIDENTIAL]
    texts = (*slots, '"PERSONAL"', PersonalDataErased.type, *filter(_tells_indirectly, EVENT_TYPES))
    return tuple(text.encode() for text in texts)


_OLD_VALUE: Final = b'"old_value":'
_NO_OLD_VALUE: Final = (_OLD_VALUE + b"null", _OLD_VALUE + b" null")


def _tells_indirectly(stored_name: str) -> bool:
    """Whether an event tells of other slots than those that it asserts; one that nobody knows may."""
    payload_class = EVENT_TYPES.get(stored_name)
    return payload_class is None or payload_class.tells_of is not Payload.tells_of


@lru_cache(maxsize=65536)
def _without_value(slot: str) -> str:
    """The pointer with what may be a value in it replaced; of no known slot nothing but its group is left."""
    kind = kind_of(slot)
    own = slot.split("/")
    names = own[:2] + ["{value}"] * (len(own) - 2) if kind is None else kind.pattern.split("/")
    shown = (HIDDEN_SEGMENT if name in _VALUE_SEGMENTS else part for name, part in zip(names, own, strict=True))
    return "/".join(shown)


def _begins(pattern: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether slots of a pattern can stand at a path or below it."""
    return len(pattern) >= len(asked) and all(
        name == part or name.startswith("{") for name, part in zip(pattern, asked, strict=False)
    )


def _without_words(told: Any, words: Iterable[str], hidden: Mapping[str, Any]) -> Any:
    """A reason, a source or pieces of evidence with the marker in place of words."""
    match told:
        case dict():
            return {**told, **{word: hidden for word in words if told.get(word) is not None}}
        case list():
            return [_without_words(each, words, hidden) for each in told]
        case _:
            return hidden


def _with_erased(content: Any) -> Any:
    """JSON with what stands for erased values made what the models take for it."""
    match content:
        case {"erased": True, "by": by, **rest} if not rest:
            return Erased(by=by)
        case dict():
            return {name: _with_erased(value) for name, value in content.items()}
        case list():
            return [_with_erased(value) for value in content]
        case _:
            return content
