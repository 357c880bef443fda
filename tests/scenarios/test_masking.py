"""Nobody is told what is above their ceiling: by no route, on neither axis, in no words, and by no filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from domain.slots import Sensitivity
from tests.scenarios.client import Api
from tests.scenarios.every_answer import answers
from tests.scenarios.guarded import STEPS, Guarded
from tests.scenarios.service import Service

PUBLIC, INTERNAL, CONFIDENTIAL, SENSITIVE = Sensitivity
OWNER = "u-204"
HIDDEN = {level: {"masked": True, "class": level.value} for level in Sensitivity}
_REFUSED = (200, 403, 404)


class Reader(NamedTuple):
    """Somebody, and the highest class that they are shown of a customer of OWNER."""

    api: Api
    ceiling: Sensitivity


@pytest.fixture(scope="module")
def readers(service: Service) -> dict[str, Reader]:
    return {
        "a viewer": Reader(service.as_("u-701", "viewer"), INTERNAL),
        "the owner": Reader(service.as_(OWNER, "viewer"), CONFIDENTIAL),
        "an editor": Reader(service.as_("u-118", "editor"), CONFIDENTIAL),
        "a service": Reader(service.as_("svc-erp", "service", kind="SERVICE"), INTERNAL),
        "an administrator": Reader(service.as_("u-801", "administrator"), INTERNAL),
        "an auditor who asked for less": Reader(
            service.as_("u-901", "auditor", scope=" ".join([*_EVERYTHING_READ, "class:internal"])), INTERNAL
        ),
    }


_EVERYTHING_READ = ("customer:view", "customer:history", "portfolio:view", "audit:view", "log:view", "evidence:export")


@pytest.fixture(scope="module")
def guarded(custodian: Api, wang: Api) -> Guarded:
    return Guarded.opened(custodian, wang, OWNER).with_everything()


def seen(guarded: Guarded, reader: Api, ceiling: Sensitivity) -> Iterator[tuple[str, list[str]]]:
    """Per answer, which canaries above a ceiling it has."""
    for question, content in answers(guarded.file, reader, list(guarded.canaries)[:2], _REFUSED):
        yield question, guarded.seen_in(content, ceiling)


def leaks(guarded: Guarded, reader: Reader) -> list[tuple[str, list[str]]]:
    return [(question, found) for question, found in seen(guarded, reader.api, reader.ceiling) if found]


def test_who_may_see_everything_finds_every_canary(guarded: Guarded, custodian: Api) -> None:
    """So that finding none means something."""
    found = {canary for _, canaries in seen(guarded, custodian, PUBLIC) for canary in canaries}
    assert found == guarded.canaries.keys()
    assert {CONFIDENTIAL, SENSITIVE} == set(guarded.canaries.values())


@pytest.mark.parametrize("who", ["a viewer", "the owner", "an editor", "a service"])
def test_who_may_not_finds_none(guarded: Guarded, readers: dict[str, Reader], who: str) -> None:
    assert leaks(guarded, readers[who]) == []


def test_what_is_below_the_ceiling_is_found(guarded: Guarded, readers: dict[str, Reader]) -> None:
    for who in ("the owner", "an editor"):
        found = guarded.seen_in(readers[who].api.get(guarded.file.path).content, PUBLIC)
        assert {guarded.canaries[canary] for canary in found} == {CONFIDENTIAL}


_DRAWN = settings(
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)


def _drawn(steps: list[tuple[str, str]], custodian: Api, second: Api, readers: list[Reader]) -> None:
    guarded = Guarded.opened(custodian, second, OWNER)
    for name, when in steps:
        guarded.take(name, when)
    for reader in readers:
        assert leaks(guarded, reader) == []


@settings(_DRAWN, max_examples=2)
@given(STEPS)
def test_of_no_history_is_anything_seen(
    custodian: Api, wang: Api, readers: dict[str, Reader], steps: list[tuple[str, str]]
) -> None:
    _drawn(steps, custodian, wang, [readers["a viewer"]])


@pytest.mark.long
@settings(_DRAWN, max_examples=15)
@given(STEPS)
def test_of_no_history_is_anything_seen_by_anybody(
    custodian: Api, wang: Api, readers: dict[str, Reader], steps: list[tuple[str, str]]
) -> None:
    _drawn(steps, custodian, wang, list(readers.values()))
