"""What every answer tells a browser, the refusals of the connection itself included: put on by the server.

Nothing here is a page: no answer may be taken for one, run a script, be framed, or tell others where it was. Who comes
to serve pages says for them what they may do, in the place of `Content-Security-Policy` here. What an answer says of
caches is its own: `no-store` with a problem, `private, no-cache` with content, and what the log's files allow.
"""

from __future__ import annotations

from typing import Final

_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_BEHIND_TLS: Final = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def security_headers(*, is_behind_tls: bool) -> list[tuple[str, str]]:
    """With TLS in front, browsers are to come by nothing else; without it they could not come back."""
    return [*_ALWAYS, _BEHIND_TLS] if is_behind_tls else [*_ALWAYS]
