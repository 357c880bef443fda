-- name: take_turn
-- Let one scrubbing at a time into this database, for as long as the session lasts.
SELECT pg_try_advisory_lock(hashtextextended('dossier scrub', 0));

-- name: tables
-- The tables of these schemas and of these names, and the catalogues that keep samples of columns' values, biggest last.
SELECT relnamespace::regnamespace::text, relname
FROM pg_class
WHERE relkind = 'r'
  AND relpersistence <> 't'
  AND (relnamespace::regnamespace::text = ANY(%(schemas)s)
       OR format('%%s.%%s', relnamespace::regnamespace, relname) = ANY(%(tables)s)
       OR pg_class.oid IN ('pg_catalog.pg_statistic'::regclass, 'pg_catalog.pg_statistic_ext_data'::regclass))
-- The catalogues come after what they are about: their samples are drawn anew in between.
ORDER BY relnamespace = 'pg_catalog'::regnamespace, pg_total_relation_size(pg_class.oid), 1;

-- name: forget_samples
-- Delete the samples of a table's values and of what its indexes compute. ANALYZE leaves old ones where nothing is left
-- to draw new ones from: of an empty table, of an index that no row is in any more.
DELETE FROM pg_catalog.pg_statistic
WHERE starelid = %(table)s::regclass
   OR starelid IN (SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = %(table)s::regclass);

-- name: forget_samples_together
-- The same of values of several columns looked at together.
DELETE FROM pg_catalog.pg_statistic_ext_data
WHERE stxoid IN (SELECT oid FROM pg_catalog.pg_statistic_ext WHERE stxrelid = %(table)s::regclass);

-- name: now_as_transaction
-- Draw a transaction id: what was deleted before has a smaller one.
SELECT pg_current_xact_id()::text::bigint;

-- name: who_sees_before
-- Who may still see what was deleted before a transaction: sessions of this database, prepared transactions, replicas.
-- Row versions that somebody may see survive a rewrite.
WITH horizon AS (
    SELECT %(xid)s::bigint AS xid, %(xid)s::bigint & ~4294967295::bigint AS epoch
), seeing AS (
    SELECT format('session %%s (%%s) since %%s', pid, application_name, to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS')) AS who,
           backend_xmin::text::bigint AS xmin
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
    UNION ALL
    SELECT format('session %%s (%%s) since %%s', pid, application_name, to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS')),
           backend_xid::text::bigint
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
    UNION ALL
    SELECT format('prepared transaction %%s', gid), transaction::text::bigint
    FROM pg_prepared_xacts
    WHERE database = current_database()
    UNION ALL
    SELECT format('replication slot %%s', slot_name), held::text::bigint
    FROM pg_replication_slots, unnest(ARRAY[xmin, catalog_xmin]) AS held
    WHERE held IS NOT NULL
    UNION ALL
    SELECT format('replica %%s', application_name), backend_xmin::text::bigint
    FROM pg_stat_replication
    WHERE backend_xmin IS NOT NULL
)
-- Ids of 32 bits, set into the epoch of the horizon or, if that would be in the future, into the one before.
SELECT DISTINCT who
FROM seeing, horizon
WHERE CASE WHEN epoch + xmin > xid + 2147483648 THEN epoch + xmin - 4294967296 ELSE epoch + xmin END <= xid
ORDER BY who;

-- name: elsewhere
-- Where else copies of what this server wrote are.
SELECT 'archived write-ahead log', 'it is wherever archive_command puts it'
WHERE current_setting('archive_mode') <> 'off'
UNION ALL
SELECT concat('replica ', application_name), 'it has files of its own'
FROM pg_stat_replication;

-- name: keeps_log
-- What keeps the server from dropping segments of its write-ahead log: by name, and by what.
SELECT 'wal_keep_size', concat(current_setting('wal_keep_size'), ' of old segments are kept for replicas')
WHERE current_setting('wal_keep_size') <> '0'
UNION ALL
SELECT concat('replication slot ', slot_name), 'segments are kept until it has read them'
FROM pg_replication_slots
WHERE restart_lsn IS NOT NULL;

-- name: may_all
-- Tell whether this login may do what dropping segments and samples takes.
SELECT rolsuper FROM pg_roles WHERE rolname = session_user;

-- name: recycles
-- Tell whether old segments are used again, with what stands in them; also where that was only stopped by a scrubbing
-- that did not live to its end.
SELECT setting = 'on' OR coalesce(sourcefile, '') LIKE '%postgresql.auto.conf'
FROM pg_settings
WHERE name = 'wal_recycle';

-- name: stop_recycling
-- Have old segments removed instead, from the next reload on.
ALTER SYSTEM SET wal_recycle = off;

-- name: recycle_again
-- Take that back.
ALTER SYSTEM RESET wal_recycle;

-- name: reload
-- Have all processes of the server read their settings.
SELECT pg_reload_conf();

-- name: segments
-- The segments of the write-ahead log by name, and the one that is being written.
SELECT name, pg_walfile_name(pg_current_wal_insert_lsn())
FROM pg_ls_waldir()
WHERE name ~ '^[0-9A-F]{24}$'
ORDER BY name;

-- name: begin_segment
-- Fill up the segment at hand with zeros, and go on in the next one.
SELECT pg_switch_wal();

-- name: write_something
-- Write a record to the log, without which no new segment would be begun.
SELECT pg_logical_emit_message(false, 'dossier', '');

-- name: checkpoint
-- Write everything to the tables' files, after which older segments of the log are not needed any more.
CHECKPOINT;
