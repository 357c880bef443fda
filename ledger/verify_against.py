"""Holds the log against a checkpoint that somebody kept, to tell whether it is still the log that was signed then.

The root at that size comes from the tree, which the rest of a verification holds against the log, and that against
every entry: a checkpoint that fits here, with no other finding, fits the entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from ledger import tree
from ledger.checkpoint import Checkpoint
from ledger.errors import TreeError
from ledger.findings import Finding


def against_findings(connection: Connection[Any], kept: Checkpoint, size: int) -> Iterator[Finding]:
    """What of a log of `size` places is not as the checkpoint says, which its key has signed."""
    place = f"checkpoint of size {kept.size} of {kept.origin}"
    if kept.size > size:
        yield Finding("against", place, f"covers more than the log, which has {size} places")
        return
    try:
        root = tree.ask(connection, tree.root(kept.size))
    except TreeError as error:
        yield Finding("against", place, f"cannot be compared: {error}")
        return
    if root != kept.root:
        yield Finding("against", place, f"the first {kept.size} places of the log are not those that were signed")
