-- name: take_migration_lock
-- Let one migrator at a time into this database, until its transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('dossier schema migration', 0));

-- name: describe_server
-- Tell what a server must have before our schema fits: version, encoding, the contrib extension,
-- whether it is migrated, and whether a restore of it has not ended.
SELECT current_setting('server_version_num')::integer,
       current_setting('server_version'),
       current_setting('server_encoding'),
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist')
           OR EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist'),
       to_regclass(%(recorded)s) IS NOT NULL,
       to_regnamespace('restoring') IS NOT NULL;

-- name: read_applied
-- Read the names and digests of the applied migrations.
SELECT name, sha256 FROM {recorded} ORDER BY name;

-- name: record_applied
-- Record a migration, in the transaction that applied it.
INSERT INTO {recorded} (name, sha256) VALUES (%(name)s, %(sha256)s);

-- name: holds_ledger
-- Tell whether this is the database of a ledger, which has the schema `keys` already.
SELECT to_regclass('ledger.event') IS NOT NULL;
