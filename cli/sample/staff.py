"""Who tells the sample's histories, and how they become members of staff: through the public API, as an administrator.

They are recorded after the histories are told: until then their tokens' roles count.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict

from cli.client import ServiceClient
from cli.errors import CliError
from cli.tokens import Claims, sign_token
from domain.values import BUSINESS_TIMEZONE
from settings import Settings

_FILE: Final = Path(__file__).parent / "staff.toml"
_ADMINISTRATOR: Final = Claims("svc-sample", ("administrator",), kind="SERVICE")
_HIRED: Final = {"reason": {"text": "recorded with the sample"}}

Request = tuple[str, dict[str, Any]]
"""A path below /v1/staff, and a body."""


class Deputy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str
    days: int
    reason: str


class Person(BaseModel):
    """A member of the sample's staff."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    roles: list[str]
    team: str
    manager: str | None = None
    training: dict[str, tuple[int, int]] = {}
    deputy: Deputy | None = None


def read_staff() -> dict[str, Person]:
    """Read who they are, by their ids."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {subject: Person.model_validate(person) for subject, person in content.items()}


def claims_of(staff: Mapping[str, Person]) -> dict[str, Claims]:
    """What their tokens say."""
    return {subject: Claims(subject, person.roles, person.name) for subject, person in staff.items()}


async def record_staff(settings: Settings, client: ServiceClient) -> int:
    """Record all of them; return how many requests it took. Raises CliError, or Unavailable."""
    headers = {"Authorization": f"Bearer {sign_token(settings, _ADMINISTRATOR)}"}
    requests = list(_requests(read_staff()))
    for number, (path, body) in enumerate(requests, start=1):
        key = {"Idempotency-Key": f"sample-staff-{number}"}
        answer = await client.post(f"/v1/staff{path}", orjson.dumps(body), {**headers, **key})
        if not answer.is_success:
            raise CliError(f"the sample's staff, {path or 'a member'}, was refused: {answer.problem()}")
    return len(requests)


def _requests(staff: Mapping[str, Person]) -> Iterator[Request]:
    """Everybody first, so that managers and deputies are known when they are named."""
    for subject, person in staff.items():
        yield "", {"subject": subject, "name": person.name, "team": person.team}
        yield f"{_path(subject)}/roles", {"roles": person.roles, **_HIRED}
    for subject, person in staff.items():
        if person.manager is not None:
            yield f"{_path(subject)}/manager", {"manager": person.manager}
        for training, (ago, ahead) in person.training.items():
            days = {"completed_on": _day(-ago), "valid_until": _day(ahead)}
            yield f"{_path(subject)}/training", {"training": training, **days}
        if (deputy := person.deputy) is not None:
            until = {"effective_to": _day(deputy.days), "reason": {"text": deputy.reason}}
            yield f"{_path(subject)}/delegations", {"to": deputy.to, **until}


def _path(subject: str) -> str:
    return f"/{quote(subject, safe='')}"


def _day(days: int) -> str:
    return (datetime.now(BUSINESS_TIMEZONE) + timedelta(days=days)).date().isoformat()
