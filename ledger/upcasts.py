"""How payloads of older schema versions become today's.

One row per step: (stored name, version) to a pure function from the content of that version to the content of the
next. Rows are added, never changed: events of every version that was ever written stay in the ledger for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Content = dict[str, Any]


def _owner_assigned_names_staff(content: Content) -> Content:
    """`from` and `to` became `from_staff` and `to_staff`."""
    renamed = {"from": "from_staff", "to": "to_staff"}
    return {renamed.get(name, name): value for name, value in content.items()}


UPCASTS: Final[dict[tuple[str, int], Callable[[Content], Content]]] = {
    ("customer.owner-assigned", 1): _owner_assigned_names_staff,
}


def upcast(stored_name: str, stored_version: int, current_version: int, content: Content) -> Content:
    """The content as of `current_version`. Raises LookupError when no chain of steps leads there."""
    if not 1 <= stored_version <= current_version:
        raise LookupError(f"{stored_name} has no version {stored_version} here; the newest is {current_version}")
    for version in range(stored_version, current_version):
        content = UPCASTS[stored_name, version](content)
    return content
