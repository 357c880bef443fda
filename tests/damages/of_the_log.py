"""What can be done to the queue of the sealer, to the log, and to its checkpoints."""

from __future__ import annotations

from typing import Final

from tests.damages import Damage
from tests.told import ACME, BETA, place

QUEUE: Final = (
    Damage(
        "an event lost its place and does not wait",
        "DELETE FROM ledger.log WHERE version = 9",
        "queue",
        f"stream {ACME} version 9",
    ),
    Damage(
        "a sealed event waits",
        "INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (%(acme)s, 7, now())",
        "queue",
        place(ACME, 7),
    ),
    Damage(
        "an event that is not there waits",
        "INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (gen_random_uuid(), 1, now()),"
        " (%(acme)s, 77, now())",
        "queue",
        f"stream {ACME} version 77",
    ),
    Damage(
        "an event waits twice",
        "WITH place AS (DELETE FROM ledger.log WHERE version = 9 RETURNING stream, version, known_at)"
        " INSERT INTO ledger.unsealed (stream, version, recorded_at)"
        " SELECT stream, version, known_at FROM place, generate_series(1, 2)",
        "queue",
        f"stream {ACME} version 9",
    ),
    Damage(
        "an event waits under another time",
        "WITH place AS (DELETE FROM ledger.log WHERE version = 9 RETURNING stream, version, known_at)"
        " INSERT INTO ledger.unsealed (stream, version, recorded_at)"
        " SELECT stream, version, known_at + interval '1 microsecond' FROM place",
        "queue",
        f"stream {ACME} version 9",
    ),
    Damage(
        "an event waits behind a later one",
        "WITH place AS (DELETE FROM ledger.log WHERE stream = %(acme)s AND version > 7"
        " RETURNING stream, version, known_at)"
        " INSERT INTO ledger.unsealed (stream, version, recorded_at)"
        " SELECT stream, version, known_at FROM place ORDER BY version DESC",
        "queue",
        f"stream {ACME} version 8",
    ),
    Damage(
        "an event that waits was overtaken",
        "WITH place AS (DELETE FROM ledger.log WHERE version = 8 RETURNING stream, version, known_at)"
        " INSERT INTO ledger.unsealed (stream, version, recorded_at) SELECT stream, version, known_at FROM place",
        "order",
        place(ACME, 9),
    ),
)

LOG: Final = (
    Damage("a hash is another", "UPDATE ledger.log SET hash = sha256('') WHERE idx = 7", "log", place(ACME, 8)),
    Damage("a place is gone", "DELETE FROM ledger.log WHERE idx = 7", "log", "log index 7"),
    Damage("a place is far away", "UPDATE ledger.log SET idx = 100 WHERE idx = 13", "log", "log index 13"),
    Damage(
        "a place is another event's",
        "UPDATE ledger.log SET version = 99 WHERE idx = 7",
        "log",
        f"log index 7 (stream {ACME} version 99)",
    ),
    Damage(
        "two events exchanged their places",
        "WITH other AS (DELETE FROM ledger.log WHERE idx IN (6, 7) RETURNING *)"
        " INSERT INTO ledger.log SELECT idx, stream, 15 - version, (SELECT hash FROM other AS twin"
        " WHERE twin.version = 15 - other.version), known_at FROM other",
        "order",
        f"log index 6 (stream {ACME} version 8)",
    ),
    Damage(
        "known a moment later",
        "UPDATE ledger.log SET known_at = known_at + interval '1 microsecond' WHERE idx = 7",
        "known_at",
        place(ACME, 8),
    ),
    Damage(
        "known long before",
        "UPDATE ledger.log SET known_at = known_at - interval '1 day' WHERE idx = 0",
        "known_at",
        place(ACME, 1),
    ),
    Damage("known for ever", "UPDATE ledger.log SET known_at = '-infinity' WHERE idx = 3", "known_at", place(ACME, 4)),
    Damage(
        "an entry that was recorded at another time",
        "UPDATE ledger.event SET entry = convert_to(replace(convert_from(entry, 'UTF8'), '\"recorded_at\":\"20',"
        " '\"recorded_at\":\"30'), 'UTF8') WHERE stream = %(acme)s AND version = 6",
        "log",
        place(ACME, 6),
    ),
    Damage(
        "a tick is gone that an event is known from",
        "DELETE FROM ledger.checkpoint WHERE made_at = (SELECT known_at FROM ledger.log WHERE idx = 8)",
        "known_at",
        place(BETA, 1),
    ),
    Damage(
        "a tick is earlier",
        "UPDATE ledger.checkpoint SET made_at = made_at - interval '1 microsecond' WHERE made_at ="
        " (SELECT known_at FROM ledger.log WHERE idx = 8)",
        "known_at",
        place(BETA, 1),
    ),
)

NODES: Final = (
    Damage("a node too many", "INSERT INTO ledger.node VALUES (1, 0, sha256(''))", "node", "node 0 of level 1"),
)

CHECKPOINTS: Final = (
    Damage(
        "the newest checkpoints are gone",
        "DELETE FROM ledger.checkpoint WHERE size = 15",
        "checkpoint",
        "log index 13",
    ),
    Damage(
        "a checkpoint covers more than the log",
        "UPDATE ledger.checkpoint SET size = 1000 WHERE size = 6",
        "checkpoint",
        "checkpoint of size 1000",
    ),
    Damage(
        "a checkpoint covers less than the one before",
        "UPDATE ledger.checkpoint SET size = 7 WHERE size = 13",
        "checkpoint",
        "checkpoint of size 7",
    ),
    Damage(
        "a checkpoint of new events is later than they",
        "UPDATE ledger.checkpoint SET made_at = made_at + interval '1 microsecond' WHERE size = 6",
        "checkpoint",
        "checkpoint of size 6",
    ),
    Damage(
        "a checkpoint in the midst of others has another size",
        "UPDATE ledger.checkpoint SET size = 7 WHERE size = 6",
        "checkpoint",
        "checkpoint of size 7",
    ),
    Damage(
        "a root is another",
        "UPDATE ledger.checkpoint SET root = sha256('') WHERE size = 6",
        "checkpoint",
        "checkpoint of size 6",
    ),
    Damage(
        "a root is gone",
        "WITH row AS (DELETE FROM ledger.checkpoint WHERE size = 13 RETURNING *)"
        " INSERT INTO ledger.checkpoint SELECT made_at, size, NULL FROM row",
        "checkpoint",
        "checkpoint of size 13",
    ),
    Damage(
        "an entry is another, and its hash with it",
        "WITH event AS (UPDATE ledger.event SET entry = entry || ' '::bytea WHERE stream = %(acme)s AND version = 2"
        " RETURNING *) UPDATE ledger.log SET hash = sha256('\\x00'::bytea || entry) FROM event"
        " WHERE log.stream = event.stream AND log.version = event.version",
        "checkpoint",
        "checkpoint of size",
    ),
    Damage(
        "a checkpoint was never made",
        "UPDATE ledger.checkpoint SET made_at = 'infinity' WHERE size = 13",
        "checkpoint",
        "checkpoint of size 13",
    ),
)
