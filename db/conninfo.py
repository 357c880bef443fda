"""Adds server settings to a conninfo, keyword string or URL, keeping what it brings along."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.errors import MalformedConninfo


def with_settings(
    conninfo: str, settings: Mapping[str, str], *, application_name: str, defaults: Mapping[str, int] | None = None
) -> str:
    """Return the conninfo with the settings made when the connection starts, before any statement.

    Values must be free of blanks. `defaults` are libpq keywords for what the conninfo leaves open. Raises
    MalformedConninfo, which does not repeat the conninfo: it may hold a password.
    """
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise MalformedConninfo from None
    options = [str(given.get("options") or ""), *(f"-c {name}={value}" for name, value in settings.items())]
    # Of two options of one name the server takes the last, which is ours.
    open_keywords = {name: value for name, value in (defaults or {}).items() if name not in given}
    return make_conninfo(
        conninfo, options=" ".join(options).strip(), application_name=application_name, **open_keywords
    )
