"""What a service says on standard error."""

from __future__ import annotations

import json

from tests.scenarios.service import Service


def assert_only_json(service: Service) -> None:
    """It logs one JSON object a line, however often workers meet, and complains of nothing.

    What the command line itself tells whoever started it begins with its name.
    """
    for line in service.log.read_text(encoding="utf-8").splitlines():
        assert line.startswith("dossier: ") or isinstance(json.loads(line), dict), line
    assert service.complaints() == "", service.log.read_text()
