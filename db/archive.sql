-- What of a database goes into an archive, and how a restored table is made ready to be written to.

-- name: tables
-- The tables of a schema with their columns and types, of those that can be written; in the order of their names.
SELECT relname, array_agg(attname ORDER BY attnum), array_agg(format_type(atttypid, atttypmod) ORDER BY attnum)
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p') AND NOT relispartition
    AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
GROUP BY relname
ORDER BY relname COLLATE "C";

-- name: describe
-- When the transaction began, by the server's clock, and the server's version.
SELECT now(), current_setting('server_version');

-- name: migrations
-- The migrations that made the tables, in order.
SELECT name, encode(sha256, 'hex') FROM {recorded} ORDER BY name;

-- name: sequences
-- The columns of a schema that draw numbers by themselves.
SELECT relname, attname
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind = 'r' AND attidentity <> '' AND NOT attisdropped;

-- name: set_sequence
-- Have a column go on after a number.
SELECT setval(pg_get_serial_sequence(%(table)s, %(column)s), %(last)s);
