-- Spreads one database over several machines with Citus: run it once, on the coordinator, as the owner of the tables,
-- with no service at work: `psql --set ON_ERROR_STOP=1 --file db/citus.sql`. docs/scaling.md says what it is for and
-- what it does not do yet. It works on an empty database and on a filled one, whose rows are moved.
--
-- tests/db/test_citus.py holds this file against the catalogue of a migrated database: each table of ledger, keys and
-- read is distributed below or named on a line that begins with "-- stays"; every primary key, unique key, unique index
-- and exclusion constraint of a distributed table contains the column that it is distributed by, those that are made
-- here too; each trigger on one is such that Citus can make it on the shards, or is replaced here, with the reason on a line
-- that begins with "-- replaced"; and no foreign key leads from one kind of table to the other.

BEGIN;

CREATE EXTENSION IF NOT EXISTS citus;

-- What stays on the coordinator, and why.
--
-- stays ledger.log: one total order of all events; its primary key fences a second sealer
-- stays ledger.node: belongs to the log
-- stays ledger.checkpoint: belongs to the log
-- stays ledger.signature: belongs to the log
-- stays ledger.unsealed: the sealer's queue, a few rows that come and go
-- stays ledger.idempotency: a key is unique among all customers, whose stream it does not name
-- stays ledger.schema_migration: says what this database is
-- stays keys.subject_key: a database of its own in production
-- stays keys.kek: belongs to it
-- stays ledger.erasure: what the eraser has carried out, a few rows
-- stays read.identifier: an identifier is unique among all customers
-- stays read.tracking: one row for each projection
-- stays read.tally: counts over all customers
-- stays read.access: views of all customers, of which many tell of several

-- Triggers that something else takes the place of, and why.
--
-- replaced read.facts facts_one_winner: is told of all rows of a statement in a table, as no trigger on a distributed one is
-- replaced read.facts facts_one_winner_still: locks and looks at the table by its name, which is another one on each shard
DROP TRIGGER facts_one_winner ON read.facts;
DROP TRIGGER facts_one_winner_still ON read.facts;
-- Equal hashes come first: they send an insert down one branch of the tree, where uuid and text alone make it try many.
ALTER TABLE read.facts ADD CONSTRAINT facts_one_winner EXCLUDE USING gist (
    uuid_hash_extended(customer_id, 0) WITH =,
    hashtextextended(slot, uuid_hash_extended(customer_id, 1)) WITH =,
    valid WITH &&,
    positions WITH &&,
    slot WITH =,
    customer_id WITH =
);

-- The triggers that refuse changes of evidence write nothing, and none but require_erasure reads: that one looks for the
-- erasure in the same stream, which lies on the same machine. So none of the reasons applies for which Citus calls
-- triggers on distributed tables unsafe; it makes them on every shard. Erasing was not tried there.
SET LOCAL citus.enable_unsafe_triggers = on;

-- All of one customer lies on one machine: the tables are distributed alike by its id.
SELECT create_distributed_table('ledger.event', 'stream');
SELECT create_distributed_table('ledger.payload', 'stream', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.profile', 'customer_id', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.facts', 'customer_id', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.events', 'customer_id', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.changes', 'customer_id', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.approvals', 'customer_id', colocate_with => 'ledger.event');
SELECT create_distributed_table('read.seen', 'customer_id', colocate_with => 'ledger.event');

COMMIT;
