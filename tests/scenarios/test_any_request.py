"""Whatever the OpenAPI document allows to be asked, and what it does not: no answer is a fault or undocumented.

Made by schemathesis from the document itself: each operation alone, with fitting and unfitting requests, and many in a
row that are linked by what was answered before. `make soak` asks far more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from schemathesis import openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.events import ScenarioFinished
from schemathesis.engine.recorder import CheckNode

from tests.checker import check
from tests.scenarios.service import Service
from tests.server import TestServer

_ROLES = {
    "viewer": ("viewer",),
    "administrator": ("administrator",),
}
_REFUSED_BY_RULES = ["2xx", "304", "403", "404", "406", "409", "410", "412", "422"]
"""What fits the document may still break a rule of the domain, or be about what there is not."""

_SEED = 20261130


@dataclass(frozen=True)
class Asked:
    """Interactions by phase; and what was wrong, by operation and check, with a request that shows it."""

    interactions: Counter[str]
    failures: dict[str, str]


def ask(service: Service, *roles: str, examples: int, seconds: int, every_edge: bool) -> Asked:
    """Let the engine ask for a while. `every_edge`: of every part of every request all that could be wrong with it."""
    token = service.signer.token("u-any", roles)
    settings: dict[str, Any] = {
        "seed": _SEED,
        "max-time": seconds,
        "base-url": str(service.http.base_url),
        "headers": {"Authorization": f"Bearer {token}"},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": _REFUSED_BY_RULES},
            "missing_required_header": {"expected-statuses": ["400", "401", "403", "422", "428"]},
        },
        "phases": {"coverage": {"enabled": every_edge}},
        "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
    }
    document = service.http.get("/openapi.json").json()
    schema = openapi.from_dict(document, config=SchemathesisConfig.from_dict(settings))
    found = Asked(Counter(), {})
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.failures[f"error: {getattr(event, 'label', '')}"] = repr(event)[:3000]
        if isinstance(event, ScenarioFinished):
            found.interactions[event.phase.name] += len(event.recorder.interactions)
            for checks in event.recorder.checks.values():
                for check in checks:
                    if (told := _failure(check)) is not None:
                        found.failures.setdefault(f"{event.recorder.label} {check.name}", told)
    return found


def _failure(check: CheckNode) -> str | None:
    if check.failure_info is None:
        return None
    return f"{check.failure_info.failure}\n{check.failure_info.code_sample}"


@pytest.fixture(scope="module")
def asked(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that whatever is asked is asked of; at the end all that it recorded is checked."""
    with server.database() as conninfo:
        with Service.start(tmp_path_factory.mktemp("asked") / "data", conninfo) as service:
            yield service
            check(conninfo, service.kek)
        assert service.complaints() == "", service.log.read_text()


def _assert_sound(found: Asked, note: Callable[[str, object], None]) -> None:
    """`note` keeps what the phases asked among the figures of the run."""
    for phase, number in found.interactions.items():
        note(f"requests, {phase.lower()}", number)
    assert found.failures == {}, "\n\n".join(f"== {name}\n{told}" for name, told in found.failures.items())


@pytest.mark.parametrize("who", _ROLES)
def test_no_answer_is_a_fault_or_undocumented(
    asked: Service, who: str, record_property: Callable[[str, object], None]
) -> None:
    _assert_sound(ask(asked, *_ROLES[who], examples=2, seconds=8, every_edge=False), record_property)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", _ROLES)
def test_of_many_more_none_is_either(asked: Service, who: str, record_property: Callable[[str, object], None]) -> None:
    _assert_sound(ask(asked, *_ROLES[who], examples=50, seconds=400, every_edge=True), record_property)
