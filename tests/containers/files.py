"""What the files that make the image and the deployment say, read without an engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
COMPOSE_FILE: Final = ROOT / "docker-compose.yml"


class Instruction(NamedTuple):
    """One instruction of the Dockerfile, its lines joined."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The words after the name, without options."""
        return [word for word in self.rest.split() if not word.startswith("--")]


def dockerfile_stages() -> list[list[Instruction]]:
    """The instructions of each build stage, its FROM first."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    stages: list[list[Instruction]] = []
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        if stages:
            stages[-1].append(Instruction(name, rest))
    return stages


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    settings = [word for line in dockerfile_stages()[-1] if line.name == "ENV" for word in line.words]
    return dict(setting.split("=", 1) for setting in settings)


def copied_from_the_project() -> set[str]:
    """What the build takes from the project: files and folders by name."""
    copies = [line for line in dockerfile_stages()[0] if line.name == "COPY"]
    return {source for copy in copies for source in copy.words[:-1]}


def exec_form(line: Instruction) -> list[str]:
    """The command of an instruction. Fails when it is in the shell form, in which a shell gets the signals."""
    words: list[str] = json.loads(line.rest[line.rest.index("[") :])
    return words


def compose() -> dict[str, Any]:
    """The compose file, variables not filled in."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return content
