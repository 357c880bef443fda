"""What every refusal has in common."""

from __future__ import annotations

from typing import Any

import httpx

from tests.scenarios.client import File

ATTRIBUTE: dict[str, Any] = {"key": "k", "value": 1}
"""A body that is accepted unless something else is wrong."""


def assert_refused(
    file: File, answer: httpx.Response, slug: str, pointer: str | None = None, rule: str | None = None
) -> None:
    """The problem names slug, rule and place, and the file is as the fixture `untouched` made it."""
    problem = answer.json()
    assert problem["type"] == f"urn:dossier:problem:{slug}", problem
    assert problem.get("invariant") == rule, problem
    if pointer is not None:
        assert pointer in [field_error["pointer"] for field_error in problem["errors"]], problem
    assert file.version == 5
