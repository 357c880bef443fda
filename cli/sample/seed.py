"""Tells the sample's histories to the service, through its public API and nothing else.

What must stay true: a step that was told is not told twice (its key is fixed), and a step that is refused stops its
customer's history with an error that names it.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import BaseModel, ConfigDict

from cli.client import ServiceClient
from cli.errors import CliError
from cli.sample.staff import claims_of, read_staff, record_staff
from cli.tokens import sign_token
from domain.values import BUSINESS_TIMEZONE
from settings import Settings

FIRST_CUSTOMER = "CN_USCC:91440300MAXPYXHN0H"
"""An identifier of the customer whose file has most to show."""

_FOLDER = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\{(?:(?P<days>[+-][0-9]+)d|id:(?P<item>[a-z-]+)|event:(?P<step>[a-z-]+))\}")


class Step(BaseModel):
    """One request; `post` is the path below the customer, empty for the registration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    body: dict[str, Any]
    post: str = ""
    name: str | None = None


@dataclass
class Story:
    """One customer's history and, while it is told, what the service answered."""

    title: str
    steps: list[Step]
    customer_id: str = ""
    entity_tag: str = ""
    events: dict[str, str] = field(default_factory=dict)

    def fill_in(self, value: Any) -> Any:
        """Return a value with its placeholders replaced."""
        match value:
            case str():
                return _PLACEHOLDER.sub(self._replacement, value)
            case dict():
                return {name: self.fill_in(part) for name, part in value.items()}
            case list():
                return [self.fill_in(part) for part in value]
            case _:
                return value

    def _replacement(self, match: re.Match[str]) -> str:
        if match["days"]:
            return (datetime.now(BUSINESS_TIMEZONE) + timedelta(days=int(match["days"]))).date().isoformat()
        if match["item"]:
            return str(uuid5(NAMESPACE_URL, f"dossier-sample/{self.title}/{match['item']}"))
        return self.events[match["step"]]


def read_stories() -> list[Story]:
    """Read the customers' histories, in the order of their files."""
    return [Story(path.stem, list(_steps(path))) for path in sorted(_FOLDER.glob("[0-9]-*.toml"))]


async def tell_sample(settings: Settings, url: str) -> int:
    """Tell all histories, different customers' at the same time, and record who told them; return how many requests.

    Raises CliError, or Unavailable when the service is gone.
    """
    tokens = {actor: sign_token(settings, claims) for actor, claims in claims_of(read_staff()).items()}
    stories = read_stories()
    async with ServiceClient(url, "", connections=len(stories)) as client:
        async with asyncio.TaskGroup() as tasks:
            for story in stories:
                tasks.create_task(_tell(client, story, tokens))
        recorded = await record_staff(settings, client)
    return recorded + sum(len(story.steps) for story in stories)


async def _tell(client: ServiceClient, story: Story, tokens: Mapping[str, str]) -> None:
    for number, step in enumerate(story.steps, start=1):
        headers = {
            "Authorization": f"Bearer {tokens[step.by]}",
            "Idempotency-Key": f"sample-{story.title}-{number}",
        }
        path = "/v1/customers"
        if story.customer_id:
            path += f"/{story.customer_id}{story.fill_in(step.post)}"
            headers["If-Match"] = story.entity_tag
        answer = await client.post(path, orjson.dumps(story.fill_in(step.body)), headers)
        if not answer.is_success:
            raise CliError(f"the sample's {story.title}, step {number}, was refused: {answer.problem()}")
        content = answer.json()
        story.customer_id, story.entity_tag = content["customer_id"], answer.headers["ETag"]
        if step.name:
            story.events[step.name] = content["events"][-1]["event_id"]


def _steps(path: Path) -> Iterator[Step]:
    for step in _read(path)["step"]:
        yield Step.model_validate(step)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
