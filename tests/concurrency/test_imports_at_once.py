"""One change log imported by two programs at the same time, while a person edits the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cli.changes import as_file, line
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until

_ENTITIES = 3
_LINES = 600


@pytest.mark.long
def test_each_line_of_a_log_that_two_import_at_once_is_recorded_once(service: Service, tmp_path: Path) -> None:
    scheme = f"T{uuid4().hex[:12].upper()}"
    log = tmp_path / "log.ndjson"
    log.write_bytes(as_file(_line(number) for number in range(_LINES)))
    importing = [_import(service, log, scheme) for _ in "ab"]
    editor = service.as_("u-118", "editor")
    edits = _edit_until_ended(editor, scheme, importing)
    reports = [json.loads(program.communicate()[0]) for program in importing]
    assert [program.returncode for program in importing] == [0, 0]
    assert sum(report["changes"] for report in reports) == _LINES
    assert any(report["replayed"] for report in reports)
    for entity in range(_ENTITIES):
        file = _file(editor, scheme, entity)
        assert file is not None
        recorded = _attributes(file)
        assert recorded["imported"] == list(range(entity, _LINES, _ENTITIES))
        assert recorded["by hand"] == list(range(edits[entity]))
    assert all(edits[entity] for entity in range(_ENTITIES))


def _line(number: int) -> dict[str, Any]:
    return line(number, commit=f"c{number // 9}", person_id=f"E{number % _ENTITIES}", path="imported", new=number)


def _import(service: Service, log: Path, scheme: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "import-changes", str(log), "--id-scheme", scheme, "--source", scheme]
    environment = {**os.environ, "DOSSIER_DATA": str(service.data)}
    return subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, env=environment)


def _edit_until_ended(editor: Api, scheme: str, importing: list[subprocess.Popen[str]]) -> Counter[int]:
    """Edit file after file, as a person does who looks first and looks again when somebody was faster."""
    done: Counter[int] = Counter()
    while any(program.poll() is None for program in importing):
        for entity in range(_ENTITIES):
            if (file := _file(editor, scheme, entity)) is not None:
                body = {"key": "by hand", "value": done[entity]}
                wait_until(lambda file=file, body=body: _is_accepted(file, body))  # type: ignore[misc]
                done[entity] += 1
    return done


def _is_accepted(file: File, body: dict[str, Any]) -> bool:
    answer = file.api.request(
        "POST", f"{file.path}/attributes", json=body, headers={"If-Match": file.etag, "Idempotency-Key": str(uuid4())}
    )
    assert answer.status_code in (200, 412), answer.text
    return answer.status_code == 200


def _file(api: Api, scheme: str, entity: int) -> File | None:
    items = api.get("/v1/customers", identifier=f"{scheme}:E{entity}").json()["items"]
    return api.file(items[0]["customer_id"]) if items else None


def _attributes(file: File) -> dict[str, list[Any]]:
    """All values that the file's attributes were ever given, in the order of recording."""
    values: dict[str, list[Any]] = {"imported": [], "by hand": []}
    token: str | None = None
    while True:
        page = file.read("history", type="customer.attribute-recorded", limit=500, page_token=token)
        for item in page["items"]:
            values[item["data"]["key"]].append(item["data"]["value"])
        token = page["next_page_token"]
        if token is None:
            return values
