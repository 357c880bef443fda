"""A person at the service: a client that signs its own tokens and does what a careful client does.

Every write carries a fresh Idempotency-Key and the ETag of the file as it stands, unless told otherwise. Every
answer is held against what the OpenAPI document says of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jwt
import orjson
from pydantic import BaseModel

from api.schemas import erasures, events, governance, portfolio, profiles, service, views

PROBLEM = "application/problem+json"
LINES = "application/x-ndjson"
PHONE = {"kind": "MOBILE", "value": "13800138000"}
WELL_FOUNDED: dict[str, Any] = {
    "reason": {"text": "told by the customer in person"},
    "evidence": [{"note": "letter of the customer"}],
    "observed_at": "2026-01-01T09:00:00+08:00",
}
"""Circumstances that satisfy every rule about reasons, evidence and observation."""

_ID = "[^/]+"
_DOCUMENTED: dict[str, type[BaseModel]] = {
    "GET /v1/customers": profiles.CustomerPage,
    "GET /v1/approvals": profiles.ApprovalPage,
    f"GET /v1/policies/{_ID}": governance.PolicyEdition,
    f"GET /v1/policies/{_ID}/revisions": governance.PolicyRevisionPage,
    "POST /v1/policies/.*": governance.PolicyRecorded,
    f"GET /v1/customers/{_ID}": profiles.Profile,
    f"GET /v1/customers/{_ID}/versions/{_ID}": profiles.Profile,
    f"GET /v1/customers/{_ID}/history": events.HistoryPage,
    f"GET /v1/customers/{_ID}/blame": views.BlamePage,
    f"GET /v1/customers/{_ID}/diff": views.Differences,
    f"GET /v1/customers/{_ID}/timeline": views.TimelinePage,
    f"GET /v1/customers/{_ID}/knowledge": views.KnowledgePage,
    f"GET /v1/customers/{_ID}/erasures": erasures.FileErasures,
    f"GET /v1/customers/{_ID}/replay": views.ReplayLine,
    f"GET /v1/customers/{_ID}/events/{_ID}/receipt": events.EventReceipt,
    "GET /v1/idempotency/.+": events.UsedIdempotencyKey,
    "GET /v1/history": events.HistoryPage,
    f"GET /v1/customers/{_ID}/accesses": governance.AccessPage,
    "GET /v1/accesses": governance.AccessPage,
    "GET /v1/staff": governance.StaffPage,
    f"GET /v1/staff/{_ID}": governance.StaffMember,
    f"GET /v1/staff/{_ID}/history": governance.StaffHistoryPage,
    "POST /v1/staff.*": governance.StaffRecorded,
    "POST /v1/customers.*": events.Recorded,
    "POST /v1/portfolio/query": portfolio.PortfolioPage,
    "POST /v1/portfolio/diff": portfolio.PortfolioDifferences,
    "GET /v1/log/proofs/inclusion": service.InclusionProof,
    "GET /v1/log/proofs/consistency": service.ConsistencyProof,
    "GET /healthz": service.Alive,
    "GET /readyz": service.Ready,
}


@dataclass(frozen=True)
class Signer:
    """Makes bearer tokens with the service's own signing key."""

    pem: bytes = field(repr=False)

    def token(self, actor: str, roles: Sequence[str] = (), **claims: Any) -> str:
        now = int(time.time())
        content = {"iss": "dossier", "aud": "dossier", "iat": now, "exp": now + 3600, "sub": actor, "roles": [*roles]}
        return jwt.encode({**content, **claims}, self.pem, algorithm="EdDSA")


@dataclass(frozen=True)
class Api:
    """One actor's way to the service; without a token, an anonymous one. Says what for, unless `purpose` is None."""

    http: httpx.Client = field(repr=False)
    token: str = field(default="", repr=False)
    purpose: str | bytes | None = "SERVICE"

    def request(self, method: str, path: str, *, expect: int | None = None, **how: Any) -> httpx.Response:
        """The plain answer; with `expect` its status is asserted, and that problems are problems."""
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        stated = {} if self.purpose is None else {"Dossier-Purpose": self.purpose}
        answer = self.http.request(method, path, headers={**authorization, **stated, **how.pop("headers", {})}, **how)
        if expect is not None:
            assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        if answer.status_code >= 400 and method != "HEAD":
            assert_problem(answer)
        elif answer.content:
            assert_documented(answer)
        return answer

    def get(self, path: str, /, *, expect: int = 200, **query: Any) -> httpx.Response:
        """GET, with query parameters by name; `from_` stands for `from`."""
        named = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self.request("GET", path, expect=expect, params=named or None)

    def post(self, path: str, body: Any = None, /, *, expect: int = 200, **headers: str | None) -> httpx.Response:
        """POST a JSON body. Headers by name in snake case; None leaves one out."""
        sent = {"idempotency_key": str(uuid4()), **headers}
        named = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
        content = body if isinstance(body, bytes) else orjson.dumps({} if body is None else body)
        return self.request("POST", path, expect=expect, content=content, headers=named)

    def register(self, name: str | None = "Acme Ltd", *, expect: int = 201, **body: Any) -> File:
        """Open a file, with a name and a contact point unless the body says otherwise."""
        opening = {"customer_kind": "ORGANISATION", "contact": {"name": "Zhang San", "points": [PHONE]}}
        stated = opening if name is None else {**opening, "name": name}
        answer = self.post("/v1/customers", {**stated, **body}, expect=expect)
        return self.file(answer.json()["customer_id"])

    def file(self, customer_id: str) -> File:
        return File(self, customer_id)


@dataclass(frozen=True)
class File:
    """One customer's file as one actor sees and changes it."""

    api: Api
    customer_id: str

    @property
    def path(self) -> str:
        return f"/v1/customers/{self.customer_id}"

    def seen_by(self, api: Api) -> File:
        return File(api, self.customer_id)

    @property
    def etag(self) -> str:
        return self.api.get(self.path).headers["ETag"]

    def send(self, command: str, body: Any = None, /, *, expect: int = 200, **headers: str | None) -> httpx.Response:
        """Send a command as a client that has just looked at the file."""
        if "if_match" not in headers:
            headers = {"if_match": self.etag, **headers}
        return self.api.post(self.path + command, body, expect=expect, **headers)

    def record(self, command: str, /, expect: int = 200, **body: Any) -> dict[str, Any]:
        """Send a command with good reasons; the answer's last event, or the problem."""
        content: dict[str, Any] = self.send(command, {**WELL_FOUNDED, **body}, expect=expect).json()
        return content["events"][-1] if "events" in content else content

    def change(self, *changes: dict[str, Any], expect: int = 200, **circumstances: Any) -> dict[str, Any]:
        """Send a list of changes with good reasons; the answer's content."""
        body = {**WELL_FOUNDED, **circumstances, "changes": list(changes)}
        content: dict[str, Any] = self.send("/changes", body, expect=expect).json()
        return content

    def propose(self, *changes: dict[str, Any], expect: int = 200, **stated: Any) -> str:
        """Propose changes with good reasons; the proposal's id."""
        proposal_id = str(uuid4())
        body = {"proposal_id": proposal_id, **WELL_FOUNDED, **stated, "changes": list(changes)}
        self.send("/proposals", body, expect=expect)
        return proposal_id

    def agree(self, by: Api, *changes: dict[str, Any], **stated: Any) -> list[dict[str, Any]]:
        """Propose changes and have a second person agree to them; the events of these changes."""
        proposal_id = self.propose(*changes, **stated)
        answer = self.seen_by(by).send(f"/proposals/{proposal_id}/approve").json()
        events: list[dict[str, Any]] = answer["events"][1:]
        return events

    def profile(self, *, expect: int = 200, **moment: Any) -> dict[str, Any]:
        """The current profile, or at a moment, including all that was recorded so far."""
        if moment and not {"after", "at_position"} & moment.keys():
            moment["after"] = self.token
        content: dict[str, Any] = self.api.get(self.path, expect=expect, **moment).json()
        return content

    @property
    def version(self) -> int:
        return int(self.profile()["basis"]["version"])

    @property
    def token(self) -> str:
        """What `after` needs for a read to include all that was recorded so far."""
        return f"{self.customer_id}:{self.version}"

    def read(self, kind: str, /, **query: Any) -> dict[str, Any]:
        """History, blame, diff, timeline or knowledge, including all that was recorded so far."""
        content: dict[str, Any] = self.api.get(f"{self.path}/{kind}", after=self.token, **query).json()
        return content

    def history(self, **filters: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.read("history", **filters)["items"]
        return items

    def blame(self, path: str, **moment: Any) -> dict[str, Any]:
        """The one blame item at `path`."""
        (item,) = self.read("blame", path=path, **moment)["items"]
        found: dict[str, Any] = item
        return found

    def known_at(self, event: Mapping[str, Any]) -> str:
        """When the log knew the event: later than it was recorded, if what is sealed before it was recorded later."""
        self.read("history", limit=1)  # so that it is in the log
        at_version = self.api.get(f"{self.path}/versions/{event['version']}").json()
        return str(at_version["basis"]["known_at"])

    @property
    def position(self) -> int:
        """The position of the newest event of the file."""
        return int(self.history(order="desc", limit=1)[0]["position"])


def assert_documented(answer: httpx.Response) -> None:
    """The answer is what the document says, nothing less and nothing more."""
    asked = f"{answer.request.method} {answer.request.url.path}"
    (model,) = {model for pattern, model in _DOCUMENTED.items() if re.fullmatch(pattern, asked)}
    is_lines = answer.headers["content-type"] == LINES
    for content in answer.content.splitlines() if is_lines else [answer.content]:
        model.model_validate_json(content)
    assert is_lines == (model is views.ReplayLine)
    assert is_lines or answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"


def assert_problem(answer: httpx.Response) -> None:
    """A problem as RFC 9457 and the rule book want it, and nothing of the machine room in it."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    problem = answer.json()
    assert problem["type"].startswith("urn:dossier:problem:"), problem
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    assert answer.status_code != 500, problem
    for field_error in problem.get("errors", []):
        assert field_error.keys() == {"pointer", "detail"}, problem
    for secret in ("Traceback", "psycopg", "SELECT ", "postgresql://", "host="):
        assert secret not in answer.text
