-- The marker of a database that is being restored: the schema `restoring`, there from before the first table until all is
-- in its place.

-- name: take_turn
-- Become the one restore of this database, for as long as this connection lives.
SELECT pg_try_advisory_lock(hashtextextended('dossier restore', 0));

-- name: is_marked
-- Whether a restore has begun here and not ended.
SELECT to_regnamespace('restoring') IS NOT NULL;

-- name: found
-- What is in the database that no new one has: schemas, then tables and the like; what extensions brought is no content.
SELECT format('schema %I', nspname)
FROM pg_namespace
WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT LIKE 'pg\_%'
UNION ALL
SELECT format('%I.%I', nspname, relname)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE pg_depend.classid = 'pg_class'::regclass AND pg_depend.objid = pg_class.oid AND pg_depend.deptype = 'e'
    )
ORDER BY 1
LIMIT 3;

-- name: clear
-- Remove what a restore that was interrupted has left: nothing of it was ever served.
DROP SCHEMA IF EXISTS ledger, keys, read, shadow, restoring CASCADE;

-- name: mark
-- Say that the database is not whole.
CREATE SCHEMA restoring;

-- name: unmark
-- Say that it is.
DROP SCHEMA restoring;
