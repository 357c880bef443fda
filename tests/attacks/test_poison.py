"""Entries that are none, put in by whoever may append: sealed as they are, and named by verification.

Sealer, signer, scrubber and packs go on; the read models stop at the first one and say at which, for what comes after
it cannot be told without it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.notes import new_note
from ledger.verify_published import published_checkpoint, published_findings
from projections.errors import EventUnreadable
from projections.runner import Runner
from tests.attacks.world import EARLY, SIZE, World
from tests.ledger.sealing import append
from tests.ledger.signing import KEY
from tests.ledger.writing import KEK, attribute, write_path
from tests.told import ACME, BETA

STRANGER: Final = UUID("00000000-0000-7000-8000-0000000000ff")
POISON: Final = (
    *(b"", b"\x00", b"\xff" * 65_535, b"\x93DSR\x01", b"\x93DSR\x01\xff\xff\xff\xff"),
    *(b"null", b"[1]", b"{}", b"NaN", b"1e999999", b"[" * 60_000, b'{"a":' * 10_000, b'"\\ud800"', b"\xef\xbb\xbf{}"),
    *(
        b'{"parts":[{"subject":1}]}',
        b'{"stream":"' + b"9" * 60_000 + b'"}',
        b"\n\n\xe2\x80\x94 dossier.test/log AAAA\n",
    ),
    b'{"erases":"00000000-0000-7000-8000-00000000000a","type":"customer.personal-data-erased"}',
    bytes(new_note("dossier.test/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", KEY)),
)


def test_poisoned_entries_stop_nobody_and_are_each_named(founded: World, world: World, tmp_path: Path) -> None:
    with psycopg.connect(make_conninfo(world.database, options="-c role=dossier_app")) as taken:
        for version, entry in enumerate(POISON, start=1):
            append(taken, STRANGER, version, entry=entry)
        append(taken, BETA, 7, entry=b"in somebody's file")
    with world.signing() as signing:
        signing.seal()
        assert signing.sign().size == SIZE + len(POISON) + 1
        with write_path(world.database) as path:
            path.accept(attribute(ACME, "after", 1))
        signing.seal()
        assert signing.sign().size == SIZE + len(POISON) + 2
    named = [f"log index {SIZE + number} (stream {STRANGER} version {number + 1})" for number in range(len(POISON))]
    assert world.verifier() == {"event": [f"log index {SIZE + len(POISON)} (stream {BETA} version 7)", *named]}
    assert (world.scrubber(), world.signer()) == (None, None)
    assert world.auditor(founded.kept(EARLY)) is None
    assert world.pack(founded.kept(EARLY)) == {}
    assert world.publisher(tmp_path) is None
    assert list(published_findings(tmp_path, published_checkpoint(tmp_path, [KEY.verifier]))) == []
    stops = pytest.raises(EventUnreadable, match=f"the event at position {SIZE + 1} cannot be read")
    with (
        sync_pool(world.database, "dossier_projector", min_size=1, max_size=2, autocommit=True) as pool,
        closing(Runner(world.database, pool, KeyStore(pool, KEK))) as runner,
        stops,
    ):
        runner.catch_up()
