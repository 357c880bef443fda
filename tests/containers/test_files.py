"""Image and deployment without an engine: nothing forgotten, nothing let in, and readable by old and new compose."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest

from settings import Settings
from tests.containers.files import (
    COMPOSE_FILE,
    ROOT,
    compose,
    copied_from_the_project,
    dockerfile_stages,
    exec_form,
    image_environment,
)
from tests.containers.stack import COMPOSE_TOOLS, is_installed

_PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_FILES = {"LICENSE", "README.md", "pyproject.toml", "requirements.txt"}

# What the schemas of docker-compose 1.29 and of the compose specification both know.
_TOP_LEVEL = {"services", "volumes"}
_OF_A_SERVICE = set(
    "build cap_drop command depends_on environment healthcheck image init ports read_only restart security_opt shm_size"
    " stop_grace_period tmpfs volumes".split()
)
_OF_A_HEALTHCHECK = {"test", "interval", "timeout", "retries"}

# --- the image ------------------------------------------------------------------------------------------------------


def test_the_image_gets_every_room_of_the_project() -> None:
    rooms = {package.partition(".")[0] for package in _PROJECT["tool"]["setuptools"]["packages"]}
    modules = {f"{module}.py" for module in _PROJECT["tool"]["setuptools"]["py-modules"]}
    assert copied_from_the_project() == rooms | modules | _FILES


def test_the_build_sees_nothing_but_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    first, *others = [line for line in lines if not line.startswith("#")]
    assert first == "*"
    assert sorted(others) == sorted([*(f"!{name}" for name in copied_from_the_project()), "**/__pycache__"])


def test_what_the_image_is_made_of_is_in_the_lock() -> None:
    needed = [*_PROJECT["project"]["dependencies"], *_PROJECT["build-system"]["requires"]]
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert {re.split(r"[\[<>=;]", requirement)[0] for requirement in needed} <= pinned
    assert len(re.findall(r"==.* \\\n +--hash=sha256:", lock)) == len(pinned)


def test_the_image_is_not_root_and_gets_its_signals_itself() -> None:
    last = {line.name: line for line in dockerfile_stages()[-1]}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"].rest)
    assert exec_form(last["ENTRYPOINT"]) + exec_form(last["CMD"]) == ["dossier", "serve"]
    assert "STOPSIGNAL" not in last


def test_the_health_check_is_a_program_that_the_image_has() -> None:
    (check,) = [line for line in dockerfile_stages()[-1] if line.name == "HEALTHCHECK"]
    program, option, code = exec_form(check)
    assert (program, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")


def test_every_setting_that_is_set_exists() -> None:
    environments = [image_environment(), compose()["services"]["api"]["environment"]]
    named = {name for environment in environments for name in environment if name.startswith("DOSSIER_")}
    assert named <= {f"DOSSIER_{field.upper()}" for field in Settings.model_fields}


# --- the deployment -------------------------------------------------------------------------------------------------


def test_the_compose_file_uses_what_old_and_new_compose_know() -> None:
    content = compose()
    assert content.keys() == _TOP_LEVEL
    for service in content["services"].values():
        assert service.keys() <= _OF_A_SERVICE
        assert service.get("healthcheck", {}).keys() <= _OF_A_HEALTHCHECK
        assert all(isinstance(short_form, str) for short_form in service.get("ports", []) + service["volumes"])
        assert isinstance(service.get("depends_on", []), list)


def test_the_compose_file_needs_no_environment() -> None:
    variables = re.findall(r"\$(.{2,40})", COMPOSE_FILE.read_text(encoding="utf-8"))
    assert variables
    assert [variable for variable in variables if not re.match(r"\{[A-Z_]+:-[^}]+\}", variable)] == []


def test_the_database_is_kept_and_not_published() -> None:
    db = compose()["services"]["db"]
    assert "ports" not in db
    assert db["volumes"] == ["database:/var/lib/postgresql/data"]
    assert db["healthcheck"]["test"][1] == "pg_isready"
    assert not [word for word in db["command"] if re.search(r"fsync|full_page_writes|synchronous_commit", word)]


def test_the_service_keeps_its_keys_apart_from_the_database() -> None:
    services = compose()["services"]
    assert services["api"]["volumes"] == [f"keys:{image_environment()['DOSSIER_DATA']}"]
    assert "keys" not in str(services["db"]["volumes"])


def test_everything_comes_back_by_itself_with_one_password() -> None:
    db, api = compose()["services"]["db"], compose()["services"]["api"]
    assert {db["restart"], api["restart"]} == {"unless-stopped"}
    assert db["environment"]["POSTGRES_PASSWORD"] == api["environment"]["PGPASSWORD"]
    assert api["ports"] == ["${DOSSIER_PUBLISH:-127.0.0.1:8000}:" + image_environment()["DOSSIER_PORT"]]


@pytest.mark.parametrize("tool", COMPOSE_TOOLS, ids=" ".join)
def test_compose_accepts_the_file(tool: list[str]) -> None:
    if not is_installed(tool):
        pytest.skip(f"{' '.join(tool)} is not installed")
    command = [*tool, "--file", str(COMPOSE_FILE), "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
