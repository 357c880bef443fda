-- A shadow of the tables that follow the log: built beside the live ones, in a schema of its own, and put in their place.

-- name: found_schema
-- Whether the schema that stands where the shadow is to be made was made by a rebuild: no row if there is none.
SELECT coalesce(obj_description(oid, 'pg_namespace'), '') LIKE '%`dossier rebuild`%'
FROM pg_namespace WHERE nspname = 'shadow';

-- name: drop_schema
-- Remove what a rebuild left, whatever became of it.
DROP SCHEMA IF EXISTS shadow CASCADE;

-- name: create_schema
-- Make room for the shadow.
CREATE SCHEMA shadow;

-- name: mark_schema
-- Say whose it is, so that the next rebuild may remove it.
COMMENT ON SCHEMA shadow IS 'Read models that `dossier rebuild` is building; the next rebuild removes what is left.';

-- name: admit_follower
-- Let the projector keep the shadow up with the log.
GRANT USAGE ON SCHEMA shadow TO dossier_projector;

-- name: create_tracking
-- Where the shadow stands.
CREATE TABLE shadow.tracking (LIKE read.tracking INCLUDING ALL);

-- name: admit_tracking
-- Let the projector move it.
GRANT SELECT, INSERT, UPDATE ON shadow.tracking TO dossier_projector;

-- name: track
-- Begin where the tables were computed to.
INSERT INTO shadow.tracking (projection, position) SELECT * FROM unnest(%(names)b::text[], %(positions)b::bigint[]);

-- name: create_tables
-- The statements that make tables like the live ones, without indexes and what belongs to them.
SELECT format('CREATE TABLE shadow.%%I (LIKE read.%%1$I INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS)', name)
FROM unnest(%(names)b::text[]) AS name;

-- name: copy
-- Fill a table that this very transaction made: its rows need never be frozen, nor looked up for visibility.
COPY {shadow} ({columns}) FROM STDIN (FREEZE);

-- name: analyze
-- Let plans be good from the first moment on.
ANALYZE {shadow};

-- name: keep_out
-- The statements that take back what default privileges gave away: the shadow is open to whom the live table is.
SELECT format('REVOKE ALL ON shadow.%%I FROM %%s', relname,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl)
WHERE relnamespace = 'shadow'::regnamespace AND relname = ANY (%(names)b::text[]) AND grantee <> relowner;

-- name: definitions
-- Everything that makes the live tables what they are: their columns, and the statements that give it all to the shadow.
WITH live AS (
    SELECT * FROM pg_class WHERE relnamespace = 'read'::regnamespace AND relname = ANY (%(names)b::text[])
), definition (step, relname, number, text) AS (
    SELECT 0, relname, attnum, concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attstorage,
                                         attcompression, attcollation, pg_get_expr(adbin, adrelid))
    FROM live
    JOIN pg_attribute ON attrelid = live.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
    UNION ALL
    SELECT 0, relname, 0, format('%%s %%s', conname, pg_get_constraintdef(pg_constraint.oid))
    FROM live JOIN pg_constraint ON conrelid = live.oid AND contype NOT IN ('p', 'u', 'x')
    UNION ALL
    SELECT 1, relname, 0, format('ALTER TABLE shadow.%%I SET (%%s)', relname, options)
    FROM live CROSS JOIN LATERAL (
        SELECT string_agg(option, ', ') AS options
        FROM (
            SELECT unnest(live.reloptions)
            UNION ALL
            SELECT 'toast.' || unnest(toast.reloptions) FROM pg_class AS toast WHERE toast.oid = live.reltoastrelid
        ) AS named (option)
    ) AS own
    WHERE options IS NOT NULL
    UNION ALL
    SELECT 1, relname, attnum, format('ALTER TABLE shadow.%%I ALTER %%I SET STATISTICS %%s', relname, attname, attstattarget)
    FROM live JOIN pg_attribute ON attrelid = live.oid AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
    UNION ALL
    SELECT 2, relname, 0, format('ALTER TABLE shadow.%%I ADD CONSTRAINT %%I %%s', relname, conname,
                                 pg_get_constraintdef(pg_constraint.oid))
    FROM live JOIN pg_constraint ON conrelid = live.oid AND contype IN ('p', 'u', 'x')
    UNION ALL
    SELECT 3, relname, 0, regexp_replace(pg_get_indexdef(indexrelid), ' ON read\.', ' ON shadow.')
    FROM live JOIN pg_index ON indrelid = live.oid
    WHERE indisvalid AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 3, relname, 0, replace(pg_get_statisticsobjdef(pg_statistic_ext.oid), ' read.', ' shadow.')
    FROM live JOIN pg_statistic_ext ON stxrelid = live.oid
    UNION ALL
    SELECT 3, relname, 0, regexp_replace(pg_get_triggerdef(pg_trigger.oid), ' ON read\.', ' ON shadow.')
    FROM live JOIN pg_trigger ON tgrelid = live.oid AND NOT tgisinternal
    UNION ALL
    SELECT 4, relname, 0, format('ALTER TABLE shadow.%%I %%s TRIGGER %%I', relname,
                                 CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'DISABLE' END,
                                 tgname)
    FROM live JOIN pg_trigger ON tgrelid = live.oid AND NOT tgisinternal AND tgenabled <> 'O'
    UNION ALL
    SELECT 4, relname, 0, format('COMMENT ON TRIGGER %%I ON shadow.%%I IS %%L', tgname, relname, description)
    FROM live
    JOIN pg_trigger ON tgrelid = live.oid AND NOT tgisinternal
    JOIN pg_description ON objoid = pg_trigger.oid AND classoid = 'pg_trigger'::regclass
    UNION ALL
    SELECT 4, relname, 0, format('COMMENT ON TABLE shadow.%%I IS %%L', relname, obj_description(oid, 'pg_class'))
    FROM live WHERE obj_description(oid, 'pg_class') IS NOT NULL
    UNION ALL
    SELECT 4, relname, 0, format('COMMENT ON CONSTRAINT %%I ON shadow.%%I IS %%L', conname, relname, description)
    FROM live
    JOIN pg_constraint ON conrelid = live.oid AND contype IN ('p', 'u', 'x')
    JOIN pg_description ON objoid = pg_constraint.oid AND classoid = 'pg_constraint'::regclass
    UNION ALL
    SELECT 4, live.relname, 0, format('COMMENT ON INDEX shadow.%%I IS %%L', index.relname, description)
    FROM live
    JOIN pg_index ON indrelid = live.oid
    JOIN pg_class AS index ON index.oid = indexrelid
    JOIN pg_description ON objoid = indexrelid AND classoid = 'pg_class'::regclass AND objsubid = 0
    UNION ALL
    SELECT 5, relname, number, format('GRANT %%s ON shadow.%%I TO %%s%%s', privilege_type, relname,
                                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                                      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM live
    CROSS JOIN aclexplode(relacl) WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, number)
    WHERE grantee <> relowner
    UNION ALL
    SELECT 5, relname, number, format('GRANT %%s (%%I) ON shadow.%%I TO %%s%%s', privilege_type, attname, relname,
                                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                                      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM live
    JOIN pg_attribute ON attrelid = live.oid
    CROSS JOIN aclexplode(attacl) WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, number)
    UNION ALL
    SELECT 6, relname, 0, format('ALTER TABLE shadow.%%I OWNER TO %%I', relname, pg_get_userbyid(relowner))
    FROM live
)
SELECT step, text FROM definition ORDER BY step, relname, number, text;

-- name: shadow_positions
-- How far the shadow is.
SELECT projection, position FROM shadow.tracking;

-- name: send_vacuum_away
-- Keep maintenance off the tables; neither readers nor the runner wait for this.
LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE;

-- name: hold_runner
-- Stop the runner where it has committed and has touched nothing since, until the transaction ends.
SELECT projection, position FROM read.tracking ORDER BY projection FOR UPDATE;

-- name: wait_at_most
-- Give up waiting for a lock after so long.
SELECT set_config('lock_timeout', %(lock_timeout)s, true);

-- name: lock_readers_out
-- Wait until nobody reads the live tables, and let nobody begin.
LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE;

-- name: drop_live
-- Make room for the shadow.
DROP TABLE {live};

-- name: move_in
-- Put a table of the shadow, with all that belongs to it, in the place of the live one.
ALTER TABLE {shadow} SET SCHEMA read;

-- name: move_statistics_in
-- The statements that let what the planner wants to know of several columns follow the tables.
SELECT format('ALTER STATISTICS shadow.%I SET SCHEMA read', stxname)
FROM pg_statistic_ext WHERE stxnamespace = 'shadow'::regnamespace;

-- name: who_reads
-- The processes that hold live tables, other than this one.
SELECT DISTINCT pid FROM pg_locks
WHERE relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'read'::regnamespace AND relname = ANY (%(names)b::text[]))
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND granted AND pid <> pg_backend_pid()
ORDER BY pid;
