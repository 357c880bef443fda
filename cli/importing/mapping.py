"""Which paths of a change log also mean one of our slots, and which changes of ours follow from one of theirs.

A map is a TOML file with one table:

    [paths]
    "name.official_full" = "/identity/legal_name"
    "id.lei"             = "/identifiers/LEI"
    "account.manager"    = "/owner/ACCOUNT_MANAGER"
    "segment.region"     = "/tags/REGION"

What must stay true: every path is kept as an attribute under its own name as well, so a map loses nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cli.errors import UsageError
from cli.importing.change_log import Change, Operation

ServiceChange = dict[str, Any]
"""One entry of the list that POST /v1/customers/{id}/changes takes."""

_Translator = Callable[[str, Change], Iterator[ServiceChange]]

_TARGET: Final = re.compile(r"/(identity|identifiers|owner|tags)/([^/]+)")
_NAME: Final = re.compile(r"(legal|trading|short|transliterated)_name")
_SCHEME: Final = re.compile(r"[A-Z][A-Z0-9_]{1,31}")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


class UntranslatableValue(Exception):
    """The value cannot fill the mapped slot; `str(error)` says why. It is kept as an attribute only."""


class PathMap:
    """From a path to the slot that it fills besides its attribute. Raises UsageError for a target we do not have."""

    def __init__(self, paths: dict[str, str]) -> None:
        self._translators = {path: _translator_of(target) for path, target in paths.items()}

    def translate(self, change: Change) -> Iterator[ServiceChange]:
        """Yield what a change means to the mapped slot: nothing, one change, or the old value's end and the new one.

        Raises UntranslatableValue.
        """
        if (found := self._translators.get(change.path)) is not None:
            translator, name = found
            yield from translator(name, change)


def read_map(file: Path) -> dict[str, str]:
    """Read the table of a map file. Raises UsageError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the map cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from error
    paths = content.pop("paths", {})
    if content:
        raise UsageError(f"{file}: there is no setting {next(iter(content))!r}; a map has one table, [paths]")
    if not isinstance(paths, dict) or not all(isinstance(target, str) for target in paths.values()):
        raise UsageError(f'{file}: [paths] says what each path is, such as "name.full" = "/identity/legal_name"')
    return paths


def attribute_change(change: Change) -> ServiceChange:
    """Return what every change means to us: the attribute of that name gets a value or goes away."""
    if change.op is Operation.REMOVE:
        return {"type": "customer.attribute-removed", "key": change.path}
    return {"type": "customer.attribute-recorded", "key": change.path, "value": change.new}


def _translator_of(target: str) -> tuple[_Translator, str]:
    match = _TARGET.fullmatch(target)
    room, name = match.groups() if match else ("", "")
    match room:
        case "identity" if found := _NAME.fullmatch(name):
            return _name, found[1].upper()
        case "identifiers" if _SCHEME.fullmatch(name):
            return _identifier, name
        case "owner" if _CODE.fullmatch(name):
            return _owner, name
        case "tags" if _CODE.fullmatch(name):
            return _tag, name
    raise UsageError(
        f"a path cannot be mapped to {target!r}; targets are /identity/legal_name (trading_, short_, "
        "transliterated_), /identifiers/<SCHEME>, /owner/<ROLE> and /tags/<GROUP>"
    )


def _name(name_kind: str, change: Change) -> Iterator[ServiceChange]:
    # A name is never taken away, only replaced: a customer without one could not be shown.
    if change.op is not Operation.REMOVE:
        yield {"type": "customer.legal-name-changed", "name": _text(change.new), "name_kind": name_kind}


def _identifier(scheme: str, change: Change) -> Iterator[ServiceChange]:
    if change.op is not Operation.ADD:
        yield {"type": "customer.identifier-revoked", "scheme": scheme, "value": _text(change.old)}
    if change.op is not Operation.REMOVE:
        yield {"type": "customer.identifier-recorded", "scheme": scheme, "value": _text(change.new)}


def _owner(role: str, change: Change) -> Iterator[ServiceChange]:
    # Somebody answers for a customer until somebody else does.
    if change.op is not Operation.REMOVE:
        yield {"type": "customer.owner-assigned", "role": role, "to_staff": _text(change.new)}


def _tag(group: str, change: Change) -> Iterator[ServiceChange]:
    if change.op is not Operation.ADD:
        yield {"type": "customer.tag-removed", "group": group, "code": _text(change.old)}
    if change.op is not Operation.REMOVE:
        yield {"type": "customer.tag-applied", "group": group, "code": _text(change.new)}


def _text(value: object) -> str:
    """Return a value that can stand as text: text itself, or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UntranslatableValue(f"{_shortened(value)} is no text, so it was kept as an attribute only")
    return str(value)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004
