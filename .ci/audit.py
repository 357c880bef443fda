"""Are the locked dependencies known to be bad? Red (1) when one is found; never for want of a network.

    advisories   pip-audit asks PyPI for the known vulnerabilities of every pinned version
    withdrawn    where it could not look at all of them, the package index says which pinned versions were yanked

The second is far less: maintainers withdraw what is broken or malicious, and leave most of what is vulnerable. So what
could not be looked at is always said. Run by .ci/run and by `make audit`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

LOCK: Final = Path(__file__).parents[1] / "requirements.txt"
_SECONDS: Final = 300
_ANSWER_SECONDS: Final = "10"


def vulnerable(report: dict[str, Any]) -> list[str]:
    """What pip-audit found."""
    return [
        f"{found['name']} {found['version']}: {flaw['id']} (fixed in {', '.join(flaw['fix_versions']) or 'no version'})"
        for found in report["dependencies"]
        for flaw in found.get("vulns", ())
    ]


def not_looked_at(report: dict[str, Any]) -> list[str]:
    """What pip-audit got no answer about."""
    return [found["name"] for found in report["dependencies"] if "skip_reason" in found]


def withdrawn(report: dict[str, Any]) -> list[str]:
    """What an installation of the lock would take although it was yanked."""
    taken = [item for item in report["install"] if item.get("is_yanked")]
    return [f"{item['metadata']['name']} {item['metadata']['version']}: yanked by its maintainers" for item in taken]


def _told(*command: str) -> dict[str, Any] | None:
    """The JSON that one of our tools says; None when it says none, or not in time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        try:
            subprocess.run(  # noqa: S603 - our own tools
                [sys.executable, "-m", *command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
            report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
    return report


def _advisories() -> dict[str, Any] | None:
    how = ("--vulnerability-service", "pypi", "--disable-pip", "--no-deps", "--timeout", _ANSWER_SECONDS)
    return _told(
        "pip_audit", "--format", "json", "--progress-spinner", "off", *how, "--requirement", str(LOCK), "--output"
    )


def _installation() -> dict[str, Any] | None:
    how = ("--dry-run", "--ignore-installed", "--no-deps", "--require-hashes")
    return _told("pip", "install", "--quiet", *how, "--requirement", str(LOCK), "--report")


def main() -> int:
    advisories = _advisories()
    found = [] if advisories is None else vulnerable(advisories)
    missed = None if advisories is None else not_looked_at(advisories)
    if missed == []:
        _say(f"audit: {len((advisories or {})['dependencies'])} pinned versions, looked up in PyPI's advisories")
    else:
        number = "any" if missed is None else len(missed)
        _say(f"audit: could not look up {number} pinned version(s) in PyPI's advisories")
        installation = _installation()
        if installation is None:
            _say("audit: could not ask the package index for withdrawn versions either; NOTHING WAS LOOKED AT")
        else:
            found += withdrawn(installation)
            _say(f"audit: {len(installation['install'])} pinned versions, looked up as withdrawn or not, nothing more")
    for line in found:
        _say(f"audit: FOUND {line}")
    return 1 if found else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
