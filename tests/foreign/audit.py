"""Verifies a published log with aics-tlog alone (Python 3.12 or newer): `python audit.py FOLDER KEY`.

Run by another interpreter than the project's, so it may not import anything of the project's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    TileMissingError,
    TileVerificationError,
    audit_tiles,
    parse_note,
    parse_vkey,
    verify_checkpoint,
)


def main(folder: str, key: str) -> None:
    verifier = parse_vkey(key)
    note = parse_note((Path(folder) / "checkpoint").read_bytes())
    checkpoint = verify_checkpoint(note, verifier, expected_origin=verifier.name)
    if not checkpoint.ok:
        sys.exit(f"refused: {checkpoint.error}")
    try:
        report = audit_tiles(FileSystemTileReader(folder), checkpoint.size, checkpoint.root)
    except (TileMissingError, TileVerificationError, ValueError) as error:
        sys.exit(f"refused: {error}")
    print(f"accepted: {report.size} entries, {report.tiles} tiles, {report.bundles} bundles")  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
