"""Current profiles as bytes, each rendered once for as long as its row stays what it was.

What must stay true: an answer is always made of the row that was just read; what is remembered is only how that very
row, byte for byte, reads as JSON through that very mask, and only up to the next instant at which the same row says
something else.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from api.encoding import to_json
from api.masking import seen_profile
from api.profile_document import current_basis, highest_shown, of_current_file, rendered
from domain.masking import Mask
from domain.slots import Sensitivity
from projections.profile import CurrentRow

_MOST_REMEMBERED: Final = 4096
"""Of a few kilobytes each."""


_Key = tuple[UUID, Mask | None]


class _Remembered(NamedTuple):
    row: CurrentRow
    until: datetime | None
    etag: str
    highest: Sensitivity
    before_basis: bytes
    after_basis: bytes


class CurrentProfiles:
    """One per process; used by one thread."""

    def __init__(self, most: int = _MOST_REMEMBERED) -> None:
        self._most = most
        self._remembered: OrderedDict[_Key, _Remembered] = OrderedDict()
        self._used: set[_Key] = set()

    def __len__(self) -> int:
        return len(self._remembered)

    def etag(self, customer_id: UUID, row: CurrentRow, now: datetime, mask: Mask | None = None) -> str:
        """What names the profile of a row at an instant. Raises FoldOutdated."""
        return self._of(customer_id, row, now, mask).etag

    def highest(self, customer_id: UUID, row: CurrentRow, now: datetime, mask: Mask | None = None) -> Sensitivity:
        """The highest class of what the profile of a row shows. Raises FoldOutdated."""
        return self._of(customer_id, row, now, mask).highest

    def body(self, customer_id: UUID, row: CurrentRow, now: datetime, mask: Mask | None = None) -> bytes:
        """The profile of a row at an instant, as JSON. Raises FoldOutdated."""
        found = self._of(customer_id, row, now, mask)
        basis = to_json(current_basis(row.version, now))
        return b"".join((found.before_basis, basis, found.after_basis))

    def forget_unused(self) -> None:
        """Let go of what nobody asked for since the last call: its row may say less by now."""
        for key in self._remembered.keys() - self._used:
            del self._remembered[key]
        self._used.clear()

    def _of(self, customer_id: UUID, row: CurrentRow, now: datetime, mask: Mask | None) -> _Remembered:
        key = customer_id, mask
        found = self._remembered.get(key)
        if found is None or found.row != row or (found.until is not None and now >= found.until):
            found = self._remembered[key] = _render(customer_id, row, now, mask)
            if len(self._remembered) > self._most:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(key)
        self._used.add(key)
        return found


def _render(customer_id: UUID, row: CurrentRow, now: datetime, mask: Mask | None) -> _Remembered:
    file = row.file(customer_id)
    file.advance(now)
    profile, tag = seen_profile(of_current_file(file, now), mask)
    members, highest = rendered(profile), highest_shown(profile)
    names = list(members)
    place = names.index("basis")
    before = to_json({name: members[name] for name in names[:place]})
    after = to_json({name: members[name] for name in names[place + 1 :]})
    until = [instant for instant in (file.next_boundary(), _begins(file.effective_since, now)) if instant is not None]
    return _Remembered(
        row, min(until, default=None), f'"{file.revision}{tag}"', highest, before[:-1] + b',"basis":', b"," + after[1:]
    )


def _begins(effective_since: datetime | None, now: datetime) -> datetime | None:
    """When a file that is not effective yet comes to be so."""
    return effective_since if effective_since is not None and effective_since > now else None
