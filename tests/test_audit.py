"""The audit of the lock: what was found is red, what could not be looked at is said and is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_PATH = Path(__file__).parents[1] / ".ci" / "audit.py"
_GOOD = {"name": "good", "version": "1", "vulns": []}
_BAD = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
_UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
_WITHDRAWN = {"install": [{"metadata": {"name": "bad", "version": "2"}, "is_yanked": True}]}
_STANDING = {"install": [{"metadata": {"name": "good", "version": "1"}, "is_yanked": False}]}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("advisories", "installation", "code", "said"),
    [
        ([_GOOD], None, 0, "1 pinned versions, looked up in PyPI's advisories"),
        ([_GOOD, _BAD], None, 1, "FOUND bad 2: PYSEC-1 (fixed in 3)"),
        ([_UNKNOWN, _BAD], _STANDING, 1, "could not look up 1 pinned version(s)"),
        ([_UNKNOWN], _STANDING, 0, "looked up as withdrawn or not, nothing more"),
        ([_UNKNOWN], _WITHDRAWN, 1, "FOUND bad 2: yanked"),
        (None, _STANDING, 0, "could not look up any pinned version(s)"),
        (None, None, 0, "NOTHING WAS LOOKED AT"),
    ],
)
def test_only_what_was_found_is_red(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    advisories: list[dict[str, Any]] | None,
    installation: dict[str, Any] | None,
    code: int,
    said: str,
) -> None:
    told = {"pip_audit": None if advisories is None else {"dependencies": advisories}, "pip": installation}
    monkeypatch.setattr(audit, "_told", lambda tool, *_: told[tool])
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_a_tool_that_says_nothing_or_hangs_is_as_if_it_could_not_look(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit._told("there_is_no_such_tool") is None  # noqa: SLF001 - the one place where tools are run
    monkeypatch.setattr(audit, "_SECONDS", 0)
    assert audit._told("http.server") is None  # noqa: SLF001
