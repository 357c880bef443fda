"""What all answers have in common: their base, what stands instead of a value, where in the log, pages, problems."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.slots import Sensitivity

ChangeKind = Literal["CHANGE", "CORRECTION", "LATE"]
FileState = Literal["LIVE", "ARCHIVED"]


class Answer(BaseModel):
    """Base of the models of answers."""

    model_config = ConfigDict(extra="forbid")


class Masked(Answer):
    """Stands where there is a value that the caller's roles and scopes do not show, of that class."""

    masked: Literal[True]
    class_: Sensitivity = Field(alias="class")


class LogPosition(Answer):
    position: int


class Basis(Answer):
    """Which events are known (up to `position`) and which instant is shown; null: the present, ahead of the log.

    `stable`: the same question will get the same answer for ever.
    """

    known_at: AwareDatetime
    position: int | None
    valid_at: AwareDatetime
    stable: bool


class Erased(Answer):
    """Stands where a value was erased, at every moment that is asked about; `by` is the event that erased it."""

    erased: Literal[True]
    by: UUID


Item = TypeVar("Item")


class Page(Answer, Generic[Item]):
    items: list[Item]
    next_page_token: str | None


class ProblemField(Answer):
    """`pointer` is a JSON Pointer into the body, or the name of a header or parameter."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `type` is urn:dossier:problem:<slug>; `invariant` the broken rule, where it has an id.

    `permission` is what the caller lacks, where that is why. `instance` is the path; a request that was refused before
    it was read has none.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    invariant: str | None = None
    permission: str | None = None
    errors: list[ProblemField] = Field([])
