"""Files in which every value that not everybody may see, and every word about it, is a text that stands nowhere else.

What must stay true: of each such text it is known how it is classed, so that a search of answers says who saw what.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from stdnum.cn import ric

from domain.slots import Sensitivity
from tests.canary import has_canary, new_canary
from tests.scenarios.client import Api, File

CONFIDENTIAL, SENSITIVE = Sensitivity.CONFIDENTIAL, Sensitivity.SENSITIVE
_DIGITS = 13
_WHEN: dict[str, dict[str, Any]] = {"now": {}, "late": {"days": -5}, "early": {"days": 9}}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            "contact details point left attribute removed need revised home ric revoked proposed corrected retracted"
            " verified tag".split()
        ),
        st.sampled_from(sorted(_WHEN)),
    ),
    min_size=3,
    max_size=10,
)
"""What is recorded, and from when on it is so."""


@dataclass
class Guarded:
    """A file as its writer sees it, who agrees to what the writer proposes, and the canaries with their classes."""

    file: File
    second: Api
    canaries: dict[str, Sensitivity] = field(default_factory=dict)
    _facts: list[tuple[dict[str, Any], Sensitivity]] = field(default_factory=list)
    _contacts: list[tuple[str, str]] = field(default_factory=list)
    _needs: list[str] = field(default_factory=list)
    _numbers: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, writer: Api, second: Api, owner: str) -> Guarded:
        guarded = cls(writer.file(""), second)
        point = {"kind": "EMAIL", "value": guarded.mail()}
        body: dict[str, Any] = {
            "contact": {"name": guarded.text(CONFIDENTIAL), "points": [point]},
            "owner": owner,
            "effective_from": (datetime.now(UTC) - timedelta(days=20)).isoformat(),
        }
        guarded.file = writer.register("Guarded Ltd", **body)
        contacts = guarded.file.profile()["contacts"]
        guarded._contacts = [(contact, next(iter(said["points"]))) for contact, said in contacts.items()]
        return guarded

    def with_everything(self) -> Guarded:
        """Each step there is, once."""
        for number, name in enumerate(["contact", "details", "point", "attribute", "need", "revised", "home", "ric"]):
            self.take(name, ["now", "late", "early"][number % 3])
        for name in ("corrected", "verified", "retracted", "attribute", "removed", "left", "tag"):
            self.take(name, "now")
        for name in ("ric", "revoked", "ric", "proposed"):
            self.take(name, "now")
        return self

    def text(self, level: Sensitivity) -> str:
        canary = new_canary()
        self.canaries[canary] = level
        return canary

    def mail(self) -> str:
        canary = new_canary().lower()
        self.canaries[canary] = CONFIDENTIAL
        return f"{canary}@example.com"

    def number(self) -> str:
        canary = str(secrets.randbelow(9 * 10**_DIGITS) + 10**_DIGITS)
        self.canaries[canary] = CONFIDENTIAL
        return canary

    def seen_in(self, content: bytes, above: Sensitivity) -> list[str]:
        """The canaries of a higher class that stand in some bytes."""
        return [canary for canary, level in self.canaries.items() if level > above and _stands_in(canary, content)]

    def take(self, name: str, when: str = "now") -> None:
        """Record something; what makes no sense on this file is left."""
        effective = {}
        if shift := _WHEN[when]:
            effective["effective_from"] = (datetime.now(UTC) + timedelta(**shift)).isoformat()
        getattr(self, f"_{name}")(effective)

    def _record(self, level: Sensitivity, command: str, /, **body: Any) -> dict[str, Any]:
        event = self.file.record(command, **self._why(level), **body)
        self._facts.append((event, level))
        return event

    def _why(self, level: Sensitivity) -> dict[str, Any]:
        """Reasons that would give the value away."""
        return {
            "reason": {"code": "BACKDATED", "text": self.text(level)},
            "evidence": [{"note": self.text(level), "url": f"https://example.com/{self.text(level)}"}],
            "source": {"kind": "VISIT", "detail": self.text(level), "url": f"https://example.com/{self.text(level)}"},
        }

    def _contact(self, when: dict[str, Any]) -> None:
        names = {name: self.text(CONFIDENTIAL) for name in ("name", "title", "department")}
        point = {"kind": "EMAIL", "value": self.mail()}
        event = self._record(CONFIDENTIAL, "/contacts", **names, points=[point], **when)
        if not when.get("effective_from", "") > datetime.now(UTC).isoformat():
            added = self.file.history(type="customer.contact-added")[-1]["data"]["contact_id"]
            self._contacts.append((added, event["data"]["point_id"]))

    def _details(self, when: dict[str, Any]) -> None:
        contact, _ = self._contacts[0]
        self._record(CONFIDENTIAL, f"/contacts/{contact}/details", changed={"title": self.text(CONFIDENTIAL)}, **when)

    def _point(self, _when: dict[str, Any]) -> None:
        contact, point = self._contacts[0]
        body = {"point_id": point, "kind": "EMAIL", "value": self.mail()}
        self._record(CONFIDENTIAL, f"/contacts/{contact}/points", **body)

    def _left(self, _when: dict[str, Any]) -> None:
        if len(self._contacts) > 1:
            contact, _ = self._contacts.pop()
            self.file.record(f"/contacts/{contact}/remove", removal_reason="LEFT_COMPANY")

    def _attribute(self, when: dict[str, Any]) -> None:
        value = {self.text(CONFIDENTIAL): [self.text(CONFIDENTIAL), 1]}
        self._record(CONFIDENTIAL, "/attributes", key="secret", value=value, **when)

    def _removed(self, _when: dict[str, Any]) -> None:
        if "secret" in self.file.profile().get("attributes", {}):
            self._record(CONFIDENTIAL, "/attributes/remove", key="secret")
            self._facts.pop()

    def _need(self, when: dict[str, Any]) -> None:
        budget = {"min": self.number(), "max": f"9{self.number()}", "currency": "CNY"}
        event = self._record(CONFIDENTIAL, "/needs", statement="open to all", budget=budget, **when)
        if not when.get("effective_from", "") > datetime.now(UTC).isoformat():
            self._needs.append(event["data"]["need_id"])

    def _revised(self, _when: dict[str, Any]) -> None:
        if self._needs:
            changes = {"budget": {"min": self.number(), "max": f"9{self.number()}", "currency": "CNY"}}
            why = self.text(CONFIDENTIAL)
            self._record(CONFIDENTIAL, f"/needs/{self._needs[0]}/revise", changes=changes, cause_analysis=why)

    def _home(self, when: dict[str, Any]) -> None:
        where = {"country": "CN", "city": self.text(SENSITIVE), "lines": [self.text(SENSITIVE)]}
        self._record(SENSITIVE, "/addresses", address_kind="HOME", **where, **when)

    def _ric(self, when: dict[str, Any]) -> None:
        number = _resident_number()
        self.canaries[number] = SENSITIVE
        self._record(SENSITIVE, "/identifiers", scheme="CN_RIC", value=number, issuer=self.text(SENSITIVE), **when)
        self._numbers.append(number)

    def _revoked(self, _when: dict[str, Any]) -> None:
        for revocation in self._revocations():
            self.file.agree(self.second, revocation, **self._why(SENSITIVE))

    def _proposed(self, _when: dict[str, Any]) -> None:
        for revocation in self._revocations():
            self.file.propose(revocation, **self._why(SENSITIVE))

    def _revocations(self) -> list[dict[str, Any]]:
        """Of one number that shows, if there is any of which that was not asked yet."""
        shown = self.file.profile().get("identifiers", {}).get("CN_RIC", {})
        numbers = [number for number in self._numbers if number in shown][:1]
        self._numbers = [number for number in self._numbers if number not in numbers]
        return [{"type": "customer.identifier-revoked", "scheme": "CN_RIC", "value": number} for number in numbers]

    def _corrected(self, _when: dict[str, Any]) -> None:
        replacements: dict[str, Any] = {
            "customer.address-changed": {"city": self.text(SENSITIVE)},
            "customer.attribute-recorded": {"value": self.text(CONFIDENTIAL)},
            "customer.contact-details-changed": {"changed": {"title": self.text(CONFIDENTIAL)}},
        }
        for index, (event, level) in enumerate(self._facts):
            if event["type"] in replacements:
                del self._facts[index]
                body = {"corrects": event["event_id"], "replacement": replacements[event["type"]]}
                self._record(level, "/corrections", **body)
                self._facts.pop()
                break
        for unused in [canary for content in replacements.values() for canary in _texts(content)]:
            if not any(unused in str(item) for item in self.file.history(type="customer.fact-corrected")):
                del self.canaries[unused]

    def _retracted(self, _when: dict[str, Any]) -> None:
        for index, (event, level) in enumerate(self._facts):
            if event["type"] in {"customer.attribute-recorded", "customer.address-changed"}:
                del self._facts[index]
                self._record(level, "/retractions", retracts=event["event_id"])
                self._facts.pop()
                return

    def _verified(self, _when: dict[str, Any]) -> None:
        for event, level in reversed(self._facts):
            slots = {"customer.address-changed": "/addresses/HOME"}
            if event["type"] == "customer.identifier-recorded":
                slots[event["type"]] = f"/identifiers/CN_RIC/{event['data']['value']}"
            shown = {item["path"]: item for item in self.file.read("blame")["items"]}
            item = shown.get(slots.get(event["type"], ""))
            if item is not None and item["set_by"]["event_id"] == event["event_id"]:
                body = {"path": item["path"], "value_event_id": event["event_id"], "method": "CALLBACK"}
                self._record(level, "/verifications", **body, result="MATCH")
                self._facts.pop()
                return

    def _tag(self, _when: dict[str, Any]) -> None:
        if "REGION" not in self.file.profile().get("tags", {}):
            self.file.record("/tags", group="REGION", code="EAST")


def _stands_in(canary: str, content: bytes) -> bool:
    """Of numbers the whole, as parts of numbers come about by chance."""
    is_number = canary[:-1].isdecimal()
    return canary.encode() in content if is_number else has_canary(content, canary)


def _texts(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [text for value in content.values() for text in _texts(value)]
    return [content]


def _resident_number() -> str:
    day = datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=secrets.randbelow(18_000))
    number = f"110101{day:%Y%m%d}{secrets.randbelow(1000):03d}"
    return f"{number}{ric.calc_check_digit(number + '0')}"
