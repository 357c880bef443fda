"""citus.sql, held against the catalogue: what Citus demands of the tables that it is told to distribute."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import db
from tests.db.test_schema import FACT, STREAM

TEXT = Path(db.__file__).with_name("citus.sql").read_text(encoding="utf-8")
DISTRIBUTED = dict(re.findall(r"create_distributed_table\('([\w.]+)', '(\w+)'", TEXT))
STAYING = dict(re.findall(r"^-- stays ([\w.]+): (\S.*)$", TEXT, re.MULTILINE))
REPLACED = {(table, name): reason for table, name, reason in
            re.findall(r"^-- replaced ([\w.]+) (\w+): (\S.*)$", TEXT, re.MULTILINE)}  # fmt: skip


@pytest.fixture
def catalogue(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database) as connection:
        yield connection


def tables(catalogue: psycopg.Connection) -> set[str]:
    found = catalogue.execute("""
        SELECT format('%s.%s', relnamespace::regnamespace, relname) FROM pg_class
         WHERE relkind IN ('r', 'p') AND NOT relispartition
           AND relnamespace::regnamespace::text IN ('ledger', 'keys', 'read')
    """)
    return {table for (table,) in found}


def keys_without_column(catalogue: psycopg.Connection) -> set[tuple[str, str]]:
    """Unique and exclusion indexes of distributed tables that do not compare the column of distribution by equality."""
    found = catalogue.execute(
        """
        SELECT wanted.name, key.relname
          FROM unnest(%s::text[], %s::text[]) AS wanted (name, distributed_by)
          JOIN pg_index AS index ON index.indrelid = wanted.name::regclass AND (indisunique OR indisexclusion)
          JOIN pg_class AS key ON key.oid = index.indexrelid
          LEFT JOIN pg_constraint AS stated ON stated.conindid = key.oid AND stated.contype = 'x'
         WHERE NOT EXISTS (
             SELECT FROM generate_series(1, index.indnkeyatts) AS place
               JOIN pg_attribute AS held
                 ON held.attrelid = index.indrelid AND held.attnum = index.indkey[place - 1]
              WHERE held.attname = wanted.distributed_by
                AND (stated.oid IS NULL OR
                     (SELECT oprname FROM pg_operator WHERE oid = stated.conexclop[place]) = '=')
         )
        """,
        [list(DISTRIBUTED), list(DISTRIBUTED.values())],
    )
    return {(table, key) for table, key in found}


def triggers_not_for_shards(catalogue: psycopg.Connection) -> set[tuple[str, str]]:
    """Triggers of distributed tables that have a statement's rows in a table, or look up a table by its name."""
    found = catalogue.execute(
        """
        SELECT wanted.name, tgname
          FROM unnest(%s::text[]) AS wanted (name)
          JOIN pg_trigger ON tgrelid = wanted.name::regclass AND NOT tgisinternal
          JOIN pg_proc ON pg_proc.oid = tgfoid
         WHERE tgnewtable IS NOT NULL OR tgoldtable IS NOT NULL OR prosrc ~ 'search_path'
        """,
        [list(DISTRIBUTED)],
    )
    return {(table, name) for table, name in found}


def test_every_table_is_distributed_or_stays(catalogue: psycopg.Connection) -> None:
    assert not DISTRIBUTED.keys() & STAYING.keys()
    assert DISTRIBUTED.keys() | STAYING.keys() == tables(catalogue)


def test_all_of_a_customer_lies_on_one_machine(catalogue: psycopg.Connection) -> None:
    types = catalogue.execute(
        """
        SELECT DISTINCT atttypid::regtype::text
          FROM unnest(%s::text[], %s::text[]) AS wanted (name, distributed_by)
          JOIN pg_attribute ON attrelid = wanted.name::regclass AND attname = wanted.distributed_by AND attnotnull
        """,
        [list(DISTRIBUTED), list(DISTRIBUTED.values())],
    ).fetchall()
    assert types == [("uuid",)]
    assert len(re.findall("colocate_with => 'ledger.event'", TEXT)) == len(DISTRIBUTED) - 1


def test_keys_of_distributed_tables_contain_the_column(catalogue: psycopg.Connection) -> None:
    assert keys_without_column(catalogue) == set()


def test_triggers_of_distributed_tables_are_for_shards_or_replaced(catalogue: psycopg.Connection) -> None:
    """What is found and not replaced needs its lines in citus.sql; what is replaced without need has no reason."""
    assert triggers_not_for_shards(catalogue) == REPLACED.keys()


def test_what_is_replaced_goes_and_a_key_with_the_column_keeps_the_promise(catalogue: psycopg.Connection) -> None:
    dropped = re.findall(r"^DROP TRIGGER (\w+) ON ([\w.]+);$", TEXT, re.MULTILINE)
    assert {(table, name) for name, table in dropped} == REPLACED.keys()
    for statement in re.findall(r"^(?:DROP TRIGGER|ALTER TABLE) [^;]*;$", TEXT, re.MULTILINE):
        catalogue.execute(statement)
    assert triggers_not_for_shards(catalogue) == set()
    assert keys_without_column(catalogue) == set()
    catalogue.execute(FACT, [STREAM, "[2024-01-01Z,)", "[1,5)"])
    with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
        catalogue.execute(FACT, [STREAM, "[2025-01-01Z,)", "[4,)"])
    assert caught.value.diag.constraint_name == "facts_one_winner"


def test_no_foreign_key_leads_from_a_distributed_table_or_to_one(catalogue: psycopg.Connection) -> None:
    found = catalogue.execute("""
        SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'
    """)
    crossing = [(one, other) for one, other in found if one in DISTRIBUTED or other in DISTRIBUTED]
    assert [pair for pair in crossing if not DISTRIBUTED.keys() >= set(pair)] == []


def test_a_key_without_the_column_would_be_found(catalogue: psycopg.Connection) -> None:
    for statement, name in (
        ("CREATE UNIQUE INDEX told ON ledger.event (version)", "told"),
        (
            "ALTER TABLE read.facts ADD CONSTRAINT apart EXCLUDE USING gist (customer_id WITH <>, valid WITH &&)",
            "apart",
        ),
        ("CREATE UNIQUE INDEX hidden ON ledger.event ((stream::text))", "hidden"),
    ):
        catalogue.execute(statement)
        assert name in {key for _, key in keys_without_column(catalogue)}
