"""Readers of everything that is answered: each asks one question and claims what the answer must have been.

Answers that name a position must be those of that very position; others of one between what was known to be recorded
before the question and what can have been recorded by the answer. Claims are judged at the end, when the log is known.
`READERS` is the table of them: another kind of answer is another line.
"""

from __future__ import annotations

import asyncio
import random
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx
import orjson

from tests.scenarios.client import assert_documented, assert_problem
from tests.scenarios.service import PATIENCE_SECONDS
from tests.scenarios.truth import LEAD, MANAGER, SLOTS, STAFF, State, Truth, Written, round_of

_AGAIN_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Claim:
    """`said` is one of what `must` lists."""

    question: str
    said: Any
    must: Callable[[Truth], Iterable[Any]]

    def assert_true(self, truth: Truth) -> None:
        admissible = list(self.must(truth))
        assert self.said in admissible, f"{self.question}\nsaid {self.said}\nmust {admissible[:3]}"


@dataclass
class Told:
    """A file as far as its writer was told: all events, and the instant of the last."""

    customer: str
    etag: str
    recorded_at: str
    written: list[Written] = field(default_factory=list)

    @property
    def version(self) -> int:
        return len(self.written)

    @property
    def token(self) -> str:
        return f"{self.customer}:{self.version}"


@dataclass
class Desk:
    """Where questions are asked. `files` grow while others write; `claims` are judged at the end."""

    http: httpx.AsyncClient
    token: str
    chance: random.Random
    files: dict[str, Told] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Why there was no answer, and the question was asked again."""
    positions: dict[str, list[int]] = field(default_factory=dict)
    """Positions at which a customer was seen."""
    reached: int = 0
    """The greatest of them: no later question is answered from less."""

    def any_file(self) -> Told:
        return self.chance.choice(list(self.files.values()))

    def a_position(self, told: Told) -> int | None:
        """One at which the customer is known; None while there is none."""
        known = self.positions.get(told.customer)
        if not known:
            return None
        return self.chance.choice([self.chance.choice(known), self.chance.randint(known[0], max(known)), max(known)])

    def recorded_at_most(self) -> dict[str, int]:
        """The last version that each file can have: all but its next round is known."""
        return {customer: told.version + len(SLOTS) for customer, told in self.files.items()}

    def claim(self, question: str, said: Any, must: Callable[[Truth], Iterable[Any]]) -> None:
        self.claims.append(Claim(question, said, must))

    def seen(self, told: Told, position: int) -> None:
        self.reached = max(self.reached, position)
        of_customer = self.positions.setdefault(told.customer, [position])
        of_customer.append(position)
        of_customer[0] = min(of_customer[0], position)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """The answer, whoever has to come back first; anything but success and 503 is a failure."""
        named = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        answer = await self.send("GET", path, params=named)
        assert answer.status_code == httpx.codes.OK, f"{path} {named}: {answer.status_code} {answer.text}"
        return answer

    async def send(self, method: str, path: str, headers: dict[str, str] | None = None, **how: Any) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert time.monotonic() < deadline, f"nobody answers {path}: {self.unanswered}"
            authorised = {"Authorization": f"Bearer {self.token}", **(headers or {})}
            try:
                answer = await self.http.request(method, path, headers=authorised, **how)
            except httpx.TransportError as error:
                self.unanswered[type(error).__name__] += 1
            else:
                if answer.is_success:
                    assert_documented(answer)
                    return answer
                assert_problem(answer)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                self.unanswered["503"] += 1
            await asyncio.sleep(_AGAIN_SECONDS)


async def the_current_profile(desk: Desk) -> None:
    told = desk.any_file()
    at_least = told.version
    profile = (await desk.get(_path(told))).json()
    version = profile["basis"]["version"]
    assert version >= at_least, f"{told.customer}: version {version} after {at_least} was acknowledged"

    def must(truth: Truth) -> Iterable[State]:
        # a round is one command: no half of it is ever the present
        state = truth.state(told.customer, truth.position(told.customer, version))
        return [state] if len({value for value in state.values() if isinstance(value, int)}) <= 1 else []

    desk.claim(f"profile of {told.customer}, version {version}", _shown(profile), must)


async def a_past_profile(desk: Desk) -> None:
    told = desk.any_file()
    if (position := desk.a_position(told)) is not None:
        await _profile(desk, told, at_position=position)


async def a_profile_as_known_at_an_instant(desk: Desk) -> None:
    """That of the last event, which is known then unless one with a later instant came into the log before it."""
    told = desk.any_file()
    recorded_at = told.recorded_at
    if told.written[-1].slot is None:
        return  # the registration may be known a moment later
    basis = await _profile(desk, told, known_at=recorded_at, after=told.token)
    if basis["stable"]:
        known_at = datetime.fromisoformat(recorded_at)
        desk.claim(f"known by {recorded_at}", basis["position"], lambda truth: [truth.known_by(known_at)])


async def the_latest_that_read_models_know(desk: Desk) -> None:
    told = desk.any_file()
    after, at_least = told.token, told.version
    basis = await _profile(desk, told, valid_at="2999-01-01", after=after)
    assert basis["version"] >= at_least


async def a_version(desk: Desk) -> None:
    told = desk.any_file()
    version = desk.chance.randint(1, told.version)
    profile = (await desk.get(f"{_path(told)}/versions/{version}")).json()
    position = profile["basis"]["position"]
    desk.claim(f"position of version {version}", position, lambda truth: [truth.position(told.customer, version)])
    _claim_state(desk, told, profile)


async def the_history(desk: Desk) -> None:
    """Two pages, newest first; the second one is about the first one's position, whatever happens between."""
    told = desk.any_file()
    position = desk.chance.choice([None, desk.a_position(told)])
    query = {"order": "desc", "limit": 6, "at_position": position, "after": None if position else told.token}
    page = (await desk.get(_path(told) + "/history", **query)).json()
    reached, items = page["basis"]["position"], page["items"]
    desk.seen(told, reached)
    if token := page["next_page_token"]:
        page = (await desk.get(_path(told) + "/history", **query, page_token=token)).json()
        assert page["basis"]["position"] == reached
        items += page["items"]
    said = [(item["position"], item["version"], *_moved(item)) for item in items]
    desk.claim(
        f"history of {told.customer} at {reached}",
        said,
        lambda truth: [[tuple(placed) for placed in reversed(truth.events(told.customer, reached)[-len(said) :])]],
    )


async def the_blame(desk: Desk) -> None:
    told = desk.any_file()
    position = desk.chance.choice([None, desk.a_position(told)])
    after = desk.chance.choice([None, told.token])
    page = (await desk.get(_path(told) + "/blame", at_position=position, after=after)).json()
    reached = page["basis"]["position"]
    desk.seen(told, reached)
    said = {
        item["path"]: (item["set_by"]["position"], item["set_by"]["version"], item["path"], item["value"])
        for item in page["items"]
        if item["path"] in SLOTS
    }

    def must(truth: Truth) -> Iterable[Any]:
        return [{slot: tuple(placed) for slot, placed in truth.holders(told.customer, reached).items()}]

    desk.claim(f"blame of {told.customer} at {reached}", said, must)


async def a_diff(desk: Desk) -> None:
    told = desk.any_file()
    first, second = desk.a_position(told), desk.a_position(told)
    if first is None or second is None:
        return
    to = desk.chance.choice([str(second), told.recorded_at])
    answer = (await desk.get(_path(told) + "/diff", from_=first, to=to)).json()
    start, end = answer["from"]["position"], answer["to"]["position"]
    said = {change["path"]: (change.get("from"), change.get("to")) for change in answer["changes"]}

    def must(truth: Truth) -> Iterable[Any]:
        before, after = truth.state(told.customer, start), truth.state(told.customer, end)
        slots = [slot for slot in SLOTS if before.get(slot) != after.get(slot)]
        return [{slot: (before.get(slot), after.get(slot)) for slot in slots}]

    ours = {path: moved for path, moved in said.items() if path in SLOTS}
    desk.claim(f"diff of {told.customer} from {start} to {end}", ours, must)


async def a_list(desk: Desk) -> None:
    """All files of one manager, page by page; every page is about one position."""
    staff, told, lowest = desk.chance.choice(STAFF), desk.any_file(), desk.reached
    at_least = desk.chance.choice([None, told.version])
    after = f"{told.customer}:{at_least}" if at_least else None
    query = {"owner": staff, "limit": desk.chance.choice([1, 2, 50]), "after": after}
    said: dict[str, State] = {}
    position, token = None, None
    while True:
        page = (await desk.get("/v1/customers", **query, page_token=token)).json()
        said |= {item["customer_id"]: _owners(item["owner"]) for item in page["items"]}
        if (token := page["next_page_token"]) is None:
            break
        named = orjson.loads(urlsafe_b64decode(token))[0]
        assert position in (None, named), "a page of another position"
        position = named
    latest = desk.recorded_at_most()

    def must(truth: Truth) -> Iterable[Any]:
        if position is not None:
            return [truth.owned(staff, position)]
        last = max(
            truth.position(customer, min(version, _last(truth, customer))) for customer, version in latest.items()
        )
        first = max(lowest, truth.position(told.customer, at_least) if at_least else 0)
        return (truth.owned(staff, each) for each in truth.between(first, last))

    desk.claim(f"files of {staff} at {position}", said, must)


async def the_portfolio(desk: Desk) -> None:
    """All files of one manager once more, asked of the whole book at once; every page says the position it is about."""
    staff, lowest = desk.chance.choice(STAFF), desk.reached
    question = {
        "where": {"all": [{"path": MANAGER, "eq": staff}]},
        "columns": ["customer_id", MANAGER, LEAD],
        "limit": desk.chance.choice([1, 2, 50]),
    }
    said: dict[str, State] = {}
    positions: set[int] = set()
    token: str | None = None
    while True:
        body = question if token is None else {**question, "page_token": token}
        answer = await desk.send("POST", "/v1/portfolio/query", content=orjson.dumps(body))
        assert answer.status_code == httpx.codes.OK, answer.text
        page = answer.json()
        positions.add(page["basis"]["position"])
        said |= {
            row.pop("customer_id"): {slot: row[slot] for slot in row if row[slot] is not None} for row in page["items"]
        }
        if (token := page["next_page_token"]) is None:
            break
    (position,) = positions
    assert position >= lowest, "less than was seen before"
    desk.claim(f"portfolio of {staff} at {position}", said, lambda truth: [truth.owned(staff, position)])


READERS: Final[tuple[Callable[[Desk], Awaitable[None]], ...]] = (
    the_current_profile,
    a_past_profile,
    a_profile_as_known_at_an_instant,
    the_latest_that_read_models_know,
    a_version,
    the_history,
    the_blame,
    a_diff,
    a_list,
    the_portfolio,
)


async def _profile(desk: Desk, told: Told, **moment: Any) -> dict[str, Any]:
    profile = (await desk.get(_path(told), **moment)).json()
    _claim_state(desk, told, profile)
    basis: dict[str, Any] = profile["basis"]
    return basis


def _claim_state(desk: Desk, told: Told, profile: dict[str, Any]) -> None:
    position, version = profile["basis"]["position"], profile["basis"]["version"]
    desk.seen(told, position)
    desk.claim(
        f"profile of {told.customer} at {position}",
        (version, _shown(profile)),
        lambda truth: [(len(truth.events(told.customer, position)), truth.state(told.customer, position))],
    )


def _path(told: Told) -> str:
    return f"/v1/customers/{told.customer}"


def _shown(profile: dict[str, Any]) -> State:
    attributes = {f"/attributes/{key}": value for key, value in profile.get("attributes", {}).items()}
    return attributes | _owners(profile.get("owner", {}))


def _owners(owner: dict[str, str]) -> State:
    return {slot: owner[role] for slot in (MANAGER, LEAD) if (role := slot.rpartition("/")[2]) in owner}


def _moved(item: dict[str, Any]) -> tuple[str | None, Any]:
    ours = [(change["path"], change["new"]) for change in item["changes"] if change["path"] in SLOTS]
    return ours[0] if ours else (None, None)


def _last(truth: Truth, customer: str) -> int:
    return len(truth.events(customer, truth.end))


def changes_of(number: int) -> list[dict[str, Any]]:
    """A round as the list of changes that records it."""
    return [
        {"type": "customer.attribute-recorded", "key": slot.rpartition("/")[2], "value": value}
        if slot.startswith("/attributes/")
        else {"type": "customer.owner-assigned", "role": slot.rpartition("/")[2], "to_staff": value}
        for slot, value in round_of(number)
    ]
