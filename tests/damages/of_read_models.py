"""What can be done to the read models."""

from __future__ import annotations

from typing import Final

from tests.damages import Damage
from tests.ledger.writing import USCC
from tests.told import ACME, BETA

OF_READ_MODELS: Final = (
    Damage(
        "a rectangle has another value",
        "UPDATE read.facts SET value = '5' WHERE value = '2'",
        "read.facts",
        f"customer {ACME} /attributes/n",
    ),
    Damage(
        "a rectangle ends too soon",
        "UPDATE read.facts SET valid = tstzrange(lower(valid), lower(valid) + interval '1 microsecond')"
        " WHERE value = '2'",
        "read.facts",
        f"customer {ACME} /attributes/n",
    ),
    Damage(
        "a rectangle is known too soon",
        "UPDATE read.facts SET positions = int8range(lower(positions) - 1, upper(positions)) WHERE value = '3'",
        "read.facts",
        f"customer {BETA} /attributes/n",
    ),
    Damage(
        "a rectangle is another event's",
        "UPDATE read.facts SET version = 7 WHERE value = '2'",
        "read.facts",
        f"customer {ACME} /attributes/n",
    ),
    Damage(
        "a rectangle is gone",
        "DELETE FROM read.facts WHERE slot = '/identity/legal_name' AND customer_id = %(beta)s",
        "read.facts",
        f"customer {BETA} /identity/legal_name",
    ),
    Damage(
        "a rectangle of an identifier is gone",
        "DELETE FROM read.facts WHERE slot LIKE '/identifiers/%%'",
        "read.facts",
        f"customer {ACME} /identifiers/{USCC[0]}/…",
    ),
    Damage(
        "a rectangle too many",
        "INSERT INTO read.facts SELECT customer_id, '/attributes/m', value, absent, valid, positions, fact_from, rank,"
        " version FROM read.facts WHERE value = '2'",
        "read.facts",
        f"customer {ACME} /attributes/m",
    ),
    Damage(
        "a change is gone",
        "DELETE FROM read.changes WHERE slot = '/primary_contact' AND customer_id = %(acme)s",
        "read.changes",
        f"customer {ACME} 4 /primary_contact",
    ),
    Damage(
        "a change has another old value",
        """UPDATE read.events SET changes = replace(changes, '"old":', '"old":1') WHERE customer_id = %(acme)s
           AND version = 8""",
        "read.events",
        f"customer {ACME} 8",
    ),
    Damage(
        "a change has another kind",
        "UPDATE read.changes SET kind = 'LATE' WHERE customer_id = %(acme)s AND version = 8",
        "read.changes",
        f"customer {ACME} 8 /attributes/n",
    ),
    Damage(
        "an event is shown as another actor's",
        """UPDATE read.events SET envelope = replace(envelope, '"actor":{"id":"', '"actor":{"id":"x')
           WHERE version = 8""",
        "read.events",
        f"customer {ACME} 8",
    ),
    Damage(
        "an event is shown at another position",
        "UPDATE read.events SET position = 99 WHERE version = 9",
        "read.events",
        f"customer {ACME} 9",
    ),
    Damage(
        "the events of a customer are not shown",
        "DELETE FROM read.events WHERE customer_id = %(beta)s",
        "read.events",
        f"customer {BETA} 6",
    ),
    Damage("an identifier is free", "DELETE FROM read.identifier", "read.identifier", f"customer {ACME} {USCC[0]}:…"),
    Damage(
        "an identifier is another customer's",
        "UPDATE read.identifier SET customer_id = %(beta)s",
        "read.identifier",
        f"customer {BETA} {USCC[0]}:…",
    ),
    Damage(
        "a profile is of another version",
        "UPDATE read.profile SET version = version + 1 WHERE customer_id = %(beta)s",
        "read.profile",
        f"customer {BETA}",
    ),
    Damage(
        "a profile has another boundary",
        "UPDATE read.profile SET next_boundary = now() WHERE customer_id = %(beta)s",
        "read.profile",
        f"customer {BETA}",
    ),
    Damage(
        "a profile says something else",
        "UPDATE read.profile SET state = convert_to(replace(convert_from(state, 'UTF8'), 'Acme', 'Acne'), 'UTF8')"
        " WHERE customer_id = %(acme)s",
        "read.profile",
        f"customer {ACME}",
    ),
    Damage(
        "a profile is gone",
        "DELETE FROM read.profile WHERE customer_id = %(acme)s",
        "read.profile",
        f"customer {ACME}",
    ),
    Damage(
        "a profile of nobody",
        "INSERT INTO read.profile SELECT '00000000-0000-7000-8000-00000000000c', version, profile_version, boundaries,"
        " as_of, next_boundary, fold_version, state FROM read.profile WHERE customer_id = %(acme)s",
        "read.profile",
        "customer 00000000-0000-7000-8000-00000000000c",
    ),
)
