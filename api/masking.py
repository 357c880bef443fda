"""Views of files with what is hidden from the caller taken out: of the answer as it was made, before it is sent.

What must stay true: a view of which a mask hides nothing is answered as if there were no mask; where it hides something
the answer has another ETag.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from api.encoding import to_json
from api.profile_document import Profile
from domain.events import Payload
from domain.facts import ABSENT
from domain.masking import Mask, level_of_event, level_of_item, level_of_payload, marker
from domain.slots import SLOTS, Sensitivity, pointer, sensitivity_of
from projections.events import bodies_of
from projections.past import LaterFact, PastFile
from projections.portfolio.answers import Row
from projections.portfolio.paths import Path

_DIGITS: Final = 8
_USAGE: Final = b'"PERSONAL"'
"""Where it stands, a value may be of a higher class than its slot."""


@cache
def tag_of(mask: Mask) -> str:
    """What the ETag of an answer in which a mask hides something has in it: another, where other things are hidden."""
    table = [[kind.pattern, kind.sensitivity, kind.of_individual] for kind in SLOTS]
    stated = to_json([mask.ceiling, mask.is_individual, table])
    return f".m{sha256(stated).hexdigest()[:_DIGITS]}"


# --- profiles ---------------------------------------------------------------------------------------------------------


def seen_profile(profile: Profile, mask: Mask | None) -> tuple[Profile, str]:
    """The profile as it is shown, and what that adds to its ETag."""
    if mask is None:
        return profile, ""
    whole = replace(
        profile, pending=list(profile.pending), requests=list(profile.requests), awaited=list(profile.awaited)
    )
    shown = replace(
        whole,
        values=mask.values(whole.values),
        pending=[_later(item, mask) for item in whole.pending],
        requests=[_request(request, mask) for request in whole.requests],
        awaited=[seen_request(request, mask) for request in whole.awaited],
    )
    return shown, "" if shown == whole else tag_of(mask)


def _later(item: LaterFact, mask: Mask) -> LaterFact:
    value = item.value if item.value is ABSENT else mask.value(item.slot, item.value)
    return item._replace(slot=mask.pointer(item.slot), value=value)


def _request(request: Mapping[str, Any], mask: Mask) -> Mapping[str, Any]:
    level = mask.level(pointer("tier", request["scheme"]))
    return request if level is None else {**request, **dict.fromkeys(("from_code", "to_code", "reason"), marker(level))}


def seen_request(request: Mapping[str, Any], mask: Mask | None) -> Mapping[str, Any]:
    """A request that waits for a second person: the slots that it would move, and its words, for who may see them."""
    levels = [] if mask is None else [level for path in request["paths"] if (level := mask.level(path)) is not None]
    if mask is None or not levels:
        return request
    said = {} if request["reason"] is None else {"reason": marker(max(levels))}
    return {**request, **said, "paths": list(map(mask.pointer, request["paths"]))}


def is_clear(file: PastFile, mask: Mask) -> bool:
    """Whether it can be told at once that nothing of a past file is hidden."""
    return not (
        mask.hides(_highest(file.slots))
        or _USAGE in file.lines
        or any(mask.level(item.slot, None if item.value is ABSENT else item.value) for item in file.later)
        or any(mask.level(path) for request in file.decided.awaited.values() for path in request["paths"])
    )


@lru_cache(maxsize=4096)
def _highest(slots: str) -> Sensitivity:
    """The highest class of the slots in a JSON list, and of what is in every file."""
    return max((Sensitivity.INTERNAL, *(sensitivity_of(slot, is_individual=True) for slot in orjson.loads(slots))))


def forget_classes() -> None:
    """Forget which slots there were (see slots.forget_slots)."""
    _highest.cache_clear()


# --- events -----------------------------------------------------------------------------------------------------------


def masked_items(items: Iterable[Mapping[str, Any]], mask: Mask) -> list[dict[str, Any]]:
    """Events as histories show them."""
    return [
        mask.event(item, level_of_item(item)) | {"changes": [mask.change(change) for change in item["changes"]]}
        for item in items
    ]


def masked_page(items: bytes, mask: Mask) -> bytes:
    """The same of what the server made of a page: items with commas between."""
    if not mask.may_hide(items):
        return items
    return to_json(masked_items(orjson.loads(b"[%b]" % items), mask))[1:-1]


def masked_data(payload: Payload, data: bytes, mask: Mask) -> Any:
    """The content of an event that was just recorded, which is JSON already."""
    level = level_of_payload(payload)
    if mask.shows_whole(payload.type, level):
        return orjson.Fragment(data)
    return mask.event({"type": payload.type, "data": orjson.loads(data)}, level)["data"]


async def shows_whole(
    connection: AsyncConnection[Any], customer_id: UUID, versions: Collection[int], mask: Mask
) -> bool:
    """Whether nothing at all is hidden of these events; not of those that are not known."""
    told = (await bodies_of(connection, {(customer_id, version) for version in versions})).get(customer_id, {})
    levels = {version: (body["type"], level_of_event(body["type"], body["data"])) for version, body in told.items()}
    return all(version in levels and mask.shows_whole(*levels[version]) for version in versions)


async def masked_blame(
    connection: AsyncConnection[Any], customer_id: UUID, items: bytes, mask: Mask
) -> tuple[bytes, str]:
    """Blame items with commas between, and what that adds to their ETag; the setting events' words are theirs."""
    said: list[dict[str, Any]] = orjson.loads(b"[%b]" % items)
    versions = {(customer_id, item["set_by"]["version"]) for item in said}
    told = (await bodies_of(connection, versions, mask)).get(customer_id, {})
    shown = [_blamed(item, told[item["set_by"]["version"]], mask) for item in said]
    return (items, "") if shown == said else (to_json(shown)[1:-1], tag_of(mask))


def _blamed(item: Mapping[str, Any], event: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    slot, previous = item["path"], item["previous"]
    words = {name: event[name] for name in ("source", "reason", "evidence") if name in event}
    return {
        **item,
        "path": mask.pointer(slot),
        "value": mask.value(slot, item["value"]),
        "previous": previous and {**previous, "value": mask.value(slot, previous["value"])},
        "set_by": {**item["set_by"], **words},
    }


def masked_erasures(
    requests: Iterable[Mapping[str, Any]], holds: Iterable[Mapping[str, Any]], mask: Mask
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What became of requests for erasure, and holds: slots without the values in their names, words for who may."""
    shown = [dict(request) for request in requests]
    for request in shown:
        if request["erased"] is not None:
            fields = [path if path == "/" else mask.pointer(path) for path in request["erased"]["fields"]]
            request["erased"] = {**request["erased"], "fields": fields}
        for step, word in (("requested", "reason"), ("decided", "comment")):
            request[step] = _word_hidden(request[step], word, mask)
    held = [_word_hidden(hold, "reference", mask) for hold in holds]
    return shown, [{**hold, "placed": _word_hidden(hold["placed"], "reason", mask)} for hold in held]


def _word_hidden(step: Mapping[str, Any] | None, word: str, mask: Mask) -> Any:
    level = Sensitivity.INTERNAL
    return {**step, word: marker(level)} if step and step[word] is not None and mask.hides(level) else step


# --- tables -----------------------------------------------------------------------------------------------------------


def masked_rows(rows: Sequence[Row], columns: Sequence[Path], mask: Mask | None) -> Sequence[Row]:
    """Rows with a marker in every place of a hidden column: nobody learns which of them have a value there."""
    if mask is None:
        return rows
    levels = [mask.level(path.slot) if path.slot else None for path in columns]
    if not any(levels):
        return rows
    return [
        [value if level is None else marker(level) for value, level in zip(row, levels, strict=True)] for row in rows
    ]
