"""What the load client orders: customers it knows, and one order after another about them, by chance but by seed.

A clerk makes orders of every kind that the write path treats differently, some of which are bound to be refused, and
learns from answers what there is to change.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.scenarios.client import PHONE, WELL_FOUNDED, Signer

CUSTOMERS = 36
_EVENTS_OF_A_CUSTOMER = 150
"""A file this long is left alone and a new one opened in its place: the check after it reads every file as a whole."""


@dataclass(frozen=True)
class Answer:
    """A definite answer of the service."""

    status: int
    content: dict[str, Any]
    replayed: bool
    etag: str


@dataclass(eq=False)
class Order:
    """One write under its own key. `doubts` tells, per attempt without a definite answer, what came instead."""

    key: str
    token: str
    path: str
    body: dict[str, Any]
    if_match: str | None
    doubts: list[str] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self.answer is not None and self.answer.status < 300

    @property
    def is_refused(self) -> bool:
        return self.answer is not None and not self.is_acknowledged


@dataclass(eq=False)
class Customer:
    """What the client knows of a file."""

    customer_id: str
    contact_id: str
    etag: str = '"0.0"'
    version: int = 0
    needs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    correctable: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/v1/customers/{self.customer_id}"


class Clerk:
    """Makes orders; `chance` decides which. Orders of one seed are the same as long as the answers are."""

    def __init__(self, signer: Signer, chance: random.Random) -> None:
        self._chance = chance
        self._editors = [signer.token(actor, ["editor"]) for actor in ("u-118", "u-119")]
        self._approver = signer.token("u-301", ["approver"])
        self._importer = signer.token("svc-import", ["importer"], kind="SERVICE")
        self._customers: list[Customer] = []
        self._opening: dict[str, Customer] = {}
        self._kinds = (
            (self._attribute, 30), (self._point, 12), (self._tag, 12), (self._need, 8), (self._revision, 8),
            (self._several, 10), (self._correction, 8), (self._tier, 4), (self._request, 4), (self._approval, 6),
            (self._many, 2),
        )  # fmt: skip

    def next(self) -> Order:
        """An order about a customer that there is, or for a new one."""
        files = [customer for customer in self._customers if customer.version < _EVENTS_OF_A_CUSTOMER]
        if len(files) + len(self._opening) < CUSTOMERS or self._chance.random() < 0.02:
            return self._registration()
        kinds, weights = zip(*self._kinds, strict=True)
        kind = self._chance.choices(kinds, weights)[0]
        order: Order = kind(self._chance.choice(files))
        return order

    def learn(self, order: Order) -> None:
        """Take from a definite answer what later orders need."""
        assert order.answer is not None
        opened = self._opening.pop(order.key, None)
        if not order.is_acknowledged:
            return
        if opened is not None:
            self._customers.append(opened)
        content = order.answer.content
        customer = next(each for each in self._customers if each.customer_id == content["customer_id"])
        if content["version"] > customer.version:
            customer.etag, customer.version = order.answer.etag, content["version"]
        for event in content["events"]:
            _learn_event(customer, event)

    def _order(self, customer: Customer, command: str, body: dict[str, Any], token: str | None = None) -> Order:
        """With the ETag last seen, a stale one now and then; importers do not look."""
        draw = self._chance.random()
        if token is None and draw < 0.4:
            return Order(self._id(), self._importer, customer.path + command, {**WELL_FOUNDED, **body}, "*")
        etag = '"1.0"' if draw > 0.97 else customer.etag
        by = token or self._chance.choice(self._editors)
        return Order(self._id(), by, customer.path + command, {**WELL_FOUNDED, **body}, etag)

    def _registration(self) -> Order:
        customer = Customer(self._id(), self._id())
        body = {
            "customer_kind": "ORGANISATION",
            "customer_id": customer.customer_id,
            "name": f"Acme {self._chance.randrange(10**6)}",
            # two in three times a number that another file may hold
            "identifiers": [{"scheme": "DUNS", "value": f"{self._chance.randrange(300):09}"}],
            "changes": [{"type": "customer.contact-added", "contact_id": customer.contact_id, "name": "Lin"}],
            "contact": {"name": "Zhang San", "points": [PHONE]},
            **WELL_FOUNDED,
        }
        if self._chance.random() < 0.5:
            del body["identifiers"]
        order = Order(self._id(), self._chance.choice(self._editors), "/v1/customers", body, None)
        self._opening[order.key] = customer
        return order

    def _attribute(self, customer: Customer) -> Order:
        body = {"key": f"k{self._chance.randrange(12)}", "value": self._chance.randrange(1000)}
        if self._chance.random() < 0.2:
            body["effective_from"] = f"2026-{self._chance.randrange(11, 13)}-01"
        return self._order(customer, "/attributes", body)

    def _point(self, customer: Customer) -> Order:
        value = f"139{self._chance.randrange(10**8):08}"
        return self._order(customer, f"/contacts/{customer.contact_id}/points", {"kind": "MOBILE", "value": value})

    def _tag(self, customer: Customer) -> Order:
        body = {"group": "REGION", "code": self._chance.choice(["EAST", "SOUTH", "NORTH"])}
        return self._order(customer, self._chance.choice(["/tags", "/tags/remove"]), body)

    def _need(self, customer: Customer) -> Order:
        return self._order(customer, "/needs", {"need_id": self._id(), "statement": "lower costs"})

    def _revision(self, customer: Customer) -> Order:
        if not customer.needs:
            return self._need(customer)
        body = {"changes": {"pain_point": f"costs {self._chance.randrange(1000)}"}, "cause_analysis": "they moved"}
        return self._order(customer, f"/needs/{self._chance.choice(customer.needs)}/revise", body)

    def _several(self, customer: Customer) -> Order:
        return self._listed(customer, self._chance.randrange(2, 6))

    def _many(self, customer: Customer) -> Order:
        return self._listed(customer, 40)

    def _listed(self, customer: Customer, changes: int) -> Order:
        values = [
            {"type": "customer.attribute-recorded", "key": f"m{number}", "value": self._chance.randrange(1000)}
            for number in range(changes)
        ]
        return self._order(customer, "/changes", {"changes": values})

    def _correction(self, customer: Customer) -> Order:
        if not customer.correctable:
            return self._attribute(customer)
        corrects = customer.correctable.pop(self._chance.randrange(len(customer.correctable)))
        body = {"corrects": corrects, "replacement": {"value": self._chance.randrange(1000, 2000)}}
        return self._order(customer, "/corrections", body)

    def _tier(self, customer: Customer) -> Order:
        code = self._chance.choice(["CHURN_RISK", "ORDINARY", "POTENTIAL"])
        return self._order(customer, "/tier", {"to_code": code}, self._editors[0])

    def _request(self, customer: Customer) -> Order:
        body = {"to_code": "HIGH_VALUE", "request_id": self._id()}
        return self._order(customer, "/tier-requests", body, self._editors[0])

    def _approval(self, customer: Customer) -> Order:
        if not customer.requests:
            return self._request(customer)
        path = f"/tier-requests/{customer.requests.pop()}/approve"
        order = self._order(customer, path, {}, self._approver)
        order.body = {"comment": "seen"}
        return order

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))


def _learn_event(customer: Customer, event: dict[str, Any]) -> None:
    match event["type"]:
        case "customer.need-identified":
            customer.needs.append(event["data"]["need_id"])
        case "customer.tier-reassignment-requested":
            customer.requests.append(event["data"]["request_id"])
        case "customer.attribute-recorded":
            customer.correctable.append(event["event_id"])
