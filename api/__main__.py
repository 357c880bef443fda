"""Print the OpenAPI document: `python -m api > openapi.json`."""

from __future__ import annotations

import json
import sys

from api.app import create_app
from settings import Settings

json.dump(create_app(Settings()).openapi(), sys.stdout, ensure_ascii=False, indent=1)
sys.stdout.write("\n")
