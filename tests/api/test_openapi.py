"""The committed OpenAPI document is the application's own, complete, and its examples are true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import orjson
import pytest

from api import bodies, schemas
from api.answer_examples import ANSWERS
from api.app import create_app
from api.examples import EXAMPLES
from api.routes import staff
from api.routes.commands import ROUTES
from settings import Settings

_COMMITTED = Path(__file__).parents[2] / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_committed_document_is_up_to_date(document: dict[str, Any]) -> None:
    committed = json.loads(_COMMITTED.read_text(encoding="utf-8"))
    assert committed == document, "run `make openapi`"


def test_every_operation_has_a_readable_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(operation_id.replace("_", "").isalpha() and operation_id.islower() for operation_id in ids)


def test_every_operation_says_what_it_takes_and_answers(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        success = next(code for code in ("200", "201") if code in operation["responses"])
        answered, *other_formats = operation["responses"][success]["content"].values()
        assert all(other["schema"] == {"type": "string", "format": "binary"} for other in other_formats), path
        if path.startswith(("/log/", "/metrics", "/v1/evidence")):  # bytes and lines in a form of their own
            assert answered["schema"]["type"] == "string", path
        else:
            assert answered["example"], path
            assert "$ref" in answered["schema"], path
        problem = operation["responses"]["default"]["content"]
        assert problem == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        assert "422" not in operation["responses"], "FastAPI's own shape of an error is never sent"
        named = {parameter["name"] for parameter in operation["parameters"]} if "parameters" in operation else set()
        assert {part[1:-1] for part in path.split("/") if part.startswith("{")} <= named
        if method == "post":
            assert operation["requestBody"]["content"]["application/json"]["example"], path
            assert ("Idempotency-Key" in named) == ("writing" in operation["tags"])
            assert ("If-Match" in named) == path.startswith("/v1/customers/")


def test_every_reference_leads_somewhere_and_nothing_is_left_over(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])
    referred = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert referred == names


def test_the_examples_of_answers_fit_their_models() -> None:
    rooms = [import_module(f"api.schemas.{room.name}") for room in iter_modules(schemas.__path__)]
    models = {name: model for room in rooms for name, model in vars(room).items()}
    for name, example in ANSWERS.items():
        models[name].model_validate_json(orjson.dumps(example))


def test_there_is_an_example_for_every_body_and_for_nothing_else() -> None:
    named = {bodies.command_body(command).__name__ for _, command, _ in ROUTES}
    questions = {"PortfolioQueryBody", "PortfolioDiffBody", "EvidenceBody"}
    named |= {"RecordMember"} | {staff.body_of(command, from_path).__name__ for _, command, from_path in staff.ROUTES}
    lists = {"RegistrationBody", "ChangesBody", "ProposalBody"}
    assert EXAMPLES.keys() == named | questions | lists | {"ProposeRevision", "RevisionAnswer"}
