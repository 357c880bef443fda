"""Hypothesis strategies for payloads of every event type, drawn from the models' own annotations."""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from annotated_types import Ge, MinLen
from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from domain.events import EVENT_TYPES, Circumstances, Payload, Reason
from domain.events.access import Answered
from domain.events.quality import FactCorrected
from domain.events.service import ServicePayload
from domain.purposes import Purpose, PurposeCode
from domain.values import EARLIEST, LATEST, Budget

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)
_LONGEST_PATTERNED = 35
_LAST = LATEST - timedelta(microseconds=1)
"""The last instant that can be recorded."""
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    Any: _JSON,
    type(None): st.none(),
    UUID: st.uuids(),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(-90, 90),
    date: st.dates(date(1001, 1, 1), date(9998, 12, 31)),
    datetime: st.datetimes(EARLIEST.replace(tzinfo=None), _LAST.replace(tzinfo=None), timezones=st.just(UTC)),
}


def payloads() -> st.SearchStrategy[Payload]:
    """A payload of any type, corrections of all other types of customers' included."""
    plain = st.sampled_from(sorted(EVENT_TYPES.keys() - {FactCorrected.type})).flatmap(
        lambda name: models(EVENT_TYPES[name])
    )
    of_customers = plain.filter(lambda payload: not isinstance(payload, ServicePayload))
    corrected = of_customers.map(lambda payload: FactCorrected(replaced_type=payload.type, replacement=payload))
    return plain | corrected


def models(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Instances of a model; fields that have a default are sometimes left out."""
    if model in _OWN:
        return _OWN[model]()
    required = {name: _field(model, name) for name, field in model.model_fields.items() if field.is_required()}
    optional = {name: _field(model, name) for name, field in model.model_fields.items() if not field.is_required()}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: model(**fields))


def _field(model: type[BaseModel], name: str) -> st.SearchStrategy[Any]:
    field = model.model_fields[name]
    return _annotated(field.annotation, field.metadata)


def _annotated(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    metadata = [mark for each in metadata for mark in (each.metadata if isinstance(each, FieldInfo) else [each])]
    if origin is Annotated:
        return _annotated(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, types.UnionType):
        return st.one_of(*(_annotated(choice, []) for choice in arguments))
    if origin is tuple:
        fewest = max((mark.min_length for mark in metadata if isinstance(mark, MinLen)), default=0)
        return st.lists(_annotated(arguments[0], []), min_size=fewest, max_size=4).map(tuple)
    if origin is dict:
        return st.dictionaries(_TEXT, _annotated(arguments[1], []), max_size=3)
    if annotation is int and (least := [mark.ge for mark in metadata if isinstance(mark, Ge)]):
        return st.integers(int(str(least[0])), 2**63 - 1)
    return _texts(metadata) if annotation is str else _plain(annotation)


def _plain(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    return models(annotation)


def _texts(metadata: list[Any]) -> st.SearchStrategy[str]:
    if any(getattr(getattr(mark, "func", None), "__name__", "") == "_duration" for mark in metadata):
        return st.sampled_from(["P2M", "P1Y6M", "P3W", "PT36H"])
    patterns = [mark.pattern for mark in metadata if isinstance(mark, StringConstraints) and mark.pattern]
    if patterns:
        drawn = st.from_regex(patterns[0], fullmatch=True).map(lambda text: text.rstrip("\n"))
        return drawn.filter(lambda text: len(text) <= _LONGEST_PATTERNED)  # cut short, it might not fit any more
    return _TEXT.map(lambda text: text.strip() or "x")


def _budgets() -> st.SearchStrategy[Budget]:
    amounts = st.tuples(*[st.decimals(0, 10**12, places=2)] * 2)
    return amounts.flatmap(
        lambda pair: st.builds(
            Budget, min=st.just(min(pair)), max=st.just(max(pair)), currency=st.sampled_from(["CNY", "EUR", "USD"])
        )
    )


def _circumstances() -> st.SearchStrategy[Circumstances]:
    times = st.none() | _SIMPLE[datetime]
    reasons = st.none() | _TEXT.map(lambda text: Reason(text=text.strip() or "x"))
    return st.builds(Circumstances, effective_from=times, observed_at=times, reason=reasons)


def _purposes() -> st.SearchStrategy[Purpose]:
    said = [code for code in PurposeCode if code is not PurposeCode.OTHER]
    text = _TEXT.map(lambda text: text.strip() or "x")
    return st.builds(Purpose, code=st.sampled_from(said), text=st.none() | text) | st.builds(
        Purpose, code=st.just(PurposeCode.OTHER), text=text
    )


def _answered() -> st.SearchStrategy[Answered]:
    parts = st.tuples(*[st.integers(1, 2**63 - 1)] * 2)
    return parts.flatmap(
        lambda pair: st.builds(
            Answered, rows=st.integers(0, 2**63 - 1), question=_JSON, part=st.just(min(pair)), parts=st.just(max(pair))
        )
    )


_OWN: dict[type[BaseModel], Callable[[], st.SearchStrategy[Any]]] = {
    Budget: _budgets,
    Purpose: _purposes,
    Answered: _answered,
    Circumstances: _circumstances,
}
"""Models whose fields depend on each other."""
