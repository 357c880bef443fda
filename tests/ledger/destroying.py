"""A data key that another process has destroyed."""

from __future__ import annotations

from uuid import UUID

import psycopg


def destroy(conninfo: str, subject: UUID) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE keys.subject_key SET state = 'destroyed', wrapped = '', erased_by = gen_random_uuid(),"
            " destroyed_at = now() WHERE subject = %s",
            [subject],
        )
