"""What can be done to events, to their parts, and to the keys that open them."""

from __future__ import annotations

from typing import Final

from tests.damages import Damage
from tests.told import ACME, BETA, place

STREAMS: Final = (
    Damage(
        "an event is gone",
        "DELETE FROM ledger.event WHERE version = 8",
        "versions",
        f"stream {ACME} version 8",
    ),
    Damage(
        "the first event is gone",
        "DELETE FROM ledger.event WHERE stream = %(beta)s AND version = 1",
        "versions",
        f"stream {BETA} version 1",
    ),
    Damage(
        "the last event is gone",
        "DELETE FROM ledger.event WHERE version = 9",
        "log",
        place(ACME, 9),
    ),
    Damage("a whole stream is gone", "DELETE FROM ledger.event WHERE stream = %(beta)s", "log", place(BETA, 3)),
    Damage(
        "an event has another version",
        "UPDATE ledger.event SET version = 12 WHERE version = 9",
        "versions",
        f"stream {ACME} version 9",
    ),
    Damage(
        "an event comes before the first",
        "INSERT INTO ledger.event SELECT stream, 0, type, entry FROM ledger.event WHERE version = 7",
        "versions",
        f"stream {ACME} version 0",
    ),
    Damage(
        "an event belongs to another customer",
        "UPDATE ledger.event SET stream = %(beta)s, version = 7 WHERE version = 9",
        "event",
        f"stream {BETA} version 7",
    ),
    Damage(
        "an event has another type",
        "UPDATE ledger.event SET type = 'customer.archived' WHERE version = 7",
        "event",
        place(ACME, 7),
    ),
    Damage(
        "an entry is no entry",
        "UPDATE ledger.event SET entry = 'gone' WHERE version = 7",
        "event",
        place(ACME, 7),
    ),
    Damage(
        "an entry has another actor",
        "UPDATE ledger.event SET entry = convert_to(replace(convert_from(entry, 'UTF8'), 'u-118', 'u-119'), 'UTF8')"
        " WHERE stream = %(acme)s AND version = 6",
        "event",
        place(ACME, 6),
    ),
    Damage(
        "two entries are exchanged",
        "UPDATE ledger.event SET entry = (SELECT entry FROM ledger.event AS other WHERE other.stream = event.stream"
        " AND other.version = 15 - event.version) WHERE stream = %(acme)s AND version IN (7, 8)",
        "event",
        place(ACME, 8),
    ),
    Damage(
        "an entry has a blank more",
        "UPDATE ledger.event SET entry = entry || ' ' WHERE stream = %(acme)s AND version = 6",
        "log",
        place(ACME, 6),
    ),
)

PARTS: Final = (
    Damage(
        "a part is gone",
        "DELETE FROM ledger.payload WHERE version = 7",
        "payload",
        place(ACME, 7),
    ),
    Damage(
        "the part of a contact person is gone",
        "DELETE FROM ledger.payload WHERE stream = %(acme)s AND part = 1 AND version = 4",
        "payload",
        place(ACME, 4),
    ),
    Damage(
        "a part has a byte changed",
        "UPDATE ledger.payload SET ct = set_byte(ct, 3, get_byte(ct, 3) # 1) WHERE version = 7",
        "event",
        place(ACME, 7),
    ),
    Damage(
        "a part is cut short",
        "UPDATE ledger.payload SET ct = substr(ct, 1, octet_length(ct) - 1) WHERE version = 9",
        "event",
        place(ACME, 9),
    ),
    Damage(
        "two parts are exchanged",
        "UPDATE ledger.payload SET ct = (SELECT ct FROM ledger.payload AS other WHERE other.stream = payload.stream"
        " AND other.version = 15 - payload.version) WHERE stream = %(acme)s AND version IN (7, 8)",
        "event",
        place(ACME, 7),
    ),
    Damage(
        "a part more than the entry names",
        "INSERT INTO ledger.payload VALUES (%(acme)s, 7, 5, 'more')",
        "event",
        place(ACME, 7),
    ),
    Damage(
        "a part without its event",
        "INSERT INTO ledger.payload VALUES (%(beta)s, 77, 0, 'stray')",
        "payload",
        f"stream {BETA} version 77 part 0",
    ),
)

KEYS: Final = (
    Damage("a data key is gone", "DELETE FROM keys.subject_key WHERE subject = %(acme)s", "key", f"subject {ACME}"),
    Damage(
        "a data key has a byte changed",
        "UPDATE keys.subject_key SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1)"
        " WHERE subject = %(beta)s",
        "key",
        f"subject {BETA}",
    ),
    Damage(
        "a customer has another's data key",
        "UPDATE keys.subject_key SET wrapped = (SELECT wrapped FROM keys.subject_key WHERE subject = %(acme)s)"
        " WHERE subject = %(beta)s",
        "key",
        f"subject {BETA}",
    ),
    Damage(
        "a data key says that another key wrapped it",
        "UPDATE keys.subject_key SET kek = 'another' WHERE subject = %(beta)s",
        "key",
        f"subject {BETA}",
    ),
    Damage(
        "a data key is destroyed",
        "UPDATE keys.subject_key SET state = 'destroyed', wrapped = '', erased_by = gen_random_uuid(), "
        "destroyed_at = now() WHERE subject = %(acme)s",
        "key",
        f"subject {ACME}",
    ),
)
