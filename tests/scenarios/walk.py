"""Every route of the OpenAPI document, what it takes to use it, and a request that it understands.

What must stay true: the table is written by hand, beside the code, so that a route that came in by itself, or requires
something else than it did, is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson

from api.bodies import command_body
from api.examples import EXAMPLES
from api.routes import staff
from api.routes.commands import ROUTES
from domain.access import Action
from tests.scenarios.client import Api

WALKED: Final = "u-walked"
"""The member of staff that is asked about."""
OF_FILE: Final = "/v1/customers/{customer_id}"
_READ = {
    "": Action.READ_PROFILE,
    "/versions/{version}": Action.READ_PROFILE,
    "/history": Action.READ_HISTORY,
    "/blame": Action.READ_HISTORY,
    "/diff": Action.READ_HISTORY,
    "/timeline": Action.READ_HISTORY,
    "/knowledge": Action.READ_HISTORY,
    "/replay": Action.READ_HISTORY,
    "/erasures": Action.READ_HISTORY,
    "/accesses": Action.READ_ACCESSES,
    "/events/{version}/receipt": Action.READ_HISTORY,
}
_WRITTEN = {
    "/changes": Action.WRITE_FACTS,
    "/names": Action.WRITE_FACTS,
    "/identifiers": Action.WRITE_FACTS,
    "/identifiers/revoke": Action.WRITE_FACTS,
    "/addresses": Action.WRITE_FACTS,
    "/contacts": Action.WRITE_FACTS,
    "/contacts/{contact_id}/details": Action.WRITE_FACTS,
    "/contacts/{contact_id}/points": Action.WRITE_FACTS,
    "/contacts/{contact_id}/remove": Action.WRITE_FACTS,
    "/primary-contact": Action.WRITE_FACTS,
    "/needs": Action.WRITE_FACTS,
    "/needs/{need_id}/revise": Action.WRITE_FACTS,
    "/needs/{need_id}/close": Action.WRITE_FACTS,
    "/tags": Action.WRITE_FACTS,
    "/tags/remove": Action.WRITE_FACTS,
    "/attributes": Action.WRITE_FACTS,
    "/attributes/remove": Action.WRITE_FACTS,
    "/corrections": Action.CORRECT,
    "/retractions": Action.CORRECT,
    "/verifications": Action.VERIFY,
    "/owners": Action.ASSIGN_OWNER,
    "/archive": Action.ARCHIVE,
    "/reinstate": Action.ARCHIVE,
    "/tier": Action.ASSIGN_TIER,
    "/tier-requests": Action.REQUEST_TIER,
    "/tier-requests/{request_id}/withdraw": Action.REQUEST_TIER,
    "/tier-requests/{request_id}/approve": Action.DECIDE_TIER,
    "/tier-requests/{request_id}/reject": Action.DECIDE_TIER,
    "/proposals": Action.PROPOSE,
    "/proposals/{proposal_id}/withdraw": Action.PROPOSE,
    "/proposals/{proposal_id}/approve": Action.DECIDE_PROPOSAL,
    "/proposals/{proposal_id}/reject": Action.DECIDE_PROPOSAL,
    "/erasures": Action.REQUEST_ERASURE,
    "/erasures/{request_id}/withdraw": Action.REQUEST_ERASURE,
    "/erasures/{request_id}/approve": Action.DECIDE_ERASURE,
    "/erasures/{request_id}/reject": Action.DECIDE_ERASURE,
    "/holds": Action.HOLD,
    "/holds/{hold_id}/lift": Action.HOLD,
}
_OF_STAFF = (
    "/roles",
    "/manager",
    "/delegations",
    "/delegations/{delegation_id}/end",
    "/training",
    "/deactivate",
    "/reactivate",
)

WITHIN: Final = {f"POST {OF_FILE}/proposals": (Action.ASSIGN_OWNER, Action.WRITE_FACTS)}
"""By route what its example asks for besides, in the order in which it is refused."""

OF_NOTHING: Final = frozenset({"GET /v1/idempotency/{key}"})
"""What asks, in the walk, for something that there is not."""

OPEN: Final = frozenset({"GET /healthz", "GET /readyz", "GET /log/checkpoint", "GET /log/key", "GET /log/tile/{tile}"})
"""What anybody is answered: is it alive, and the log's hashes, which tell nothing of anybody."""

PERMISSIONS: Final[dict[str, Action]] = {
    **{f"GET {OF_FILE}{below}": action for below, action in _READ.items()},
    **{f"POST {OF_FILE}{below}": action for below, action in _WRITTEN.items()},
    "GET /v1/customers": Action.READ_PROFILE,
    "POST /v1/customers": Action.REGISTER,
    "GET /v1/approvals": Action.READ_PROPOSALS,
    "GET /v1/policies/{name}": Action.READ_POLICY,
    "GET /v1/policies/{name}/revisions": Action.READ_POLICY,
    **{
        f"POST /v1/policies/{{name}}/revisions{below}": Action.MANAGE_POLICY
        for below in ("", *(f"/{{revision_id}}/{verb}" for verb in ("approve", "reject", "withdraw")))
    },
    "GET /v1/history": Action.READ_AUDIT,
    "GET /v1/accesses": Action.READ_ACCESSES,
    "GET /v1/idempotency/{key}": Action.READ_AUDIT,
    "GET /metrics": Action.READ_METRICS,
    "POST /v1/portfolio/query": Action.READ_PORTFOLIO,
    "POST /v1/portfolio/diff": Action.READ_PORTFOLIO,
    "POST /v1/evidence": Action.EXPORT_EVIDENCE,
    **{f"GET /v1/staff{below}": Action.READ_STAFF for below in ("", "/{subject}", "/{subject}/history")},
    **{f"POST /v1/staff{below}": Action.MANAGE_STAFF for below in ("", *(f"/{{subject}}{path}" for path in _OF_STAFF))},
    "GET /v1/log/proofs/inclusion": Action.READ_LOG,
    "GET /v1/log/proofs/consistency": Action.READ_LOG,
}

_BODIES: Final = (
    {
        f"POST {OF_FILE}{below}": EXAMPLES[command_body(command, *from_path).__name__]
        for below, command, from_path in ROUTES
    }
    | {
        f"POST /v1/staff/{{subject}}{path}": EXAMPLES[staff.body_of(command, from_path).__name__]
        for path, command, from_path in staff.ROUTES
    }
    | {
        "POST /v1/staff": {**EXAMPLES["RecordMember"], "subject": WALKED},
        f"POST {OF_FILE}/changes": EXAMPLES["ChangesBody"],
        f"POST {OF_FILE}/proposals": EXAMPLES["ProposalBody"],
        "POST /v1/customers": EXAMPLES["RegistrationBody"],
        "POST /v1/policies/{name}/revisions": EXAMPLES["ProposeRevision"],
        **{
            f"POST /v1/policies/{{name}}/revisions/{{revision_id}}/{verb}": EXAMPLES["RevisionAnswer"]
            for verb in ("approve", "reject", "withdraw")
        },
        "POST /v1/portfolio/query": EXAMPLES["PortfolioQueryBody"],
        "POST /v1/portfolio/diff": EXAMPLES["PortfolioDiffBody"],
        "POST /v1/evidence": EXAMPLES["EvidenceBody"],
    }
)
_QUERIES: Final = {
    f"GET {OF_FILE}/diff": {"axis": "valid", "from": "2026-01-01", "to": "2026-02-01"},
    f"GET {OF_FILE}/knowledge": {"path": "/tier/VALUE"},
    "GET /v1/log/proofs/inclusion": {"position": "1"},
    "GET /v1/log/proofs/consistency": {"from_size": "1"},
}


@dataclass(frozen=True)
class Asked:
    """A request that a route understands, about one customer; what would be written is only tried.

    Of members of staff nothing is tried; there the request lacks the key without which nothing is written.
    """

    route: str
    customer_id: str

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        path = self.route.partition(" ")[2].replace("{customer_id}", self.customer_id)
        for name, value in {"version": "1", "tile": "0/000.p/1", "subject": WALKED, "name": "customer"}.items():
            path = path.replace(f"{{{name}}}", value)
        ids = ("contact_id", "need_id", "request_id", "proposal_id", "hold_id", "delegation_id", "revision_id", "key")
        for name in ids:
            path = path.replace(f"{{{name}}}", str(uuid4()) if f"{{{name}}}" in path else "")
        return path

    @property
    def body(self) -> Any:
        body: dict[str, Any] | None = _BODIES.get(self.route)
        return {"customer_id": self.customer_id} if self.route == "POST /v1/evidence" else body

    @property
    def query(self) -> dict[str, str]:
        is_tried = self.route.startswith("POST /v1/customers")
        return _QUERIES.get(self.route, {}) | ({"dry_run": "true"} if is_tried else {})

    @property
    def is_write(self) -> bool:
        return self.route.startswith(("POST /v1/customers", "POST /v1/staff", "POST /v1/policies"))

    def by(self, api: Api) -> httpx.Response:
        """The answer that somebody gets, of whatever kind: JSON, lines, bytes of the log."""
        headers = {"If-Match": '"1.0"', "Dossier-Purpose": "AUDIT"} | (
            {"Authorization": f"Bearer {api.token}"} if api.token else {}
        )
        content = None if self.body is None else orjson.dumps(self.body)
        return api.http.request(self.method, self.path, params=self.query or None, content=content, headers=headers)
