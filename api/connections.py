"""How many connections to the database one API process may open; who starts several adds them up."""

from __future__ import annotations

from typing import Final

WRITERS: Final = 4
"""The writer needs one, and one more for each history that it reads and each key that it makes meanwhile."""

READERS: Final = 8

WHOLE_TABLES: Final = 3
"""So many of the readers may be lent to answers of any length, which take as long as their callers do."""

STRANGERS: Final = 2
"""So many of the readers may be lent at once to whoever reads the signed log, who may be anybody."""

KEY_READERS: Final = 2
"""To the keys' own database, where they have one."""

PACKS: Final = 1
"""So many evidence packs are made at once, each through a connection of its own."""

PER_WORKER: Final = WRITERS + READERS + PACKS + 1
"""The one more is what /readyz asks through."""
