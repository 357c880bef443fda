-- The epochs of the log: where one history was left and another one goes on. They stand in a stream of the log's own.

-- name: head
-- How many epochs were begun after the first one, how long the log is, and the clock.
SELECT (SELECT count(*) FROM ledger.event WHERE stream = %(own)s),
       coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       clock_timestamp();

-- name: begin
-- Record the first entry of an epoch, in the queue before everything that waits for its place.
WITH event AS (
    INSERT INTO ledger.event (stream, version, type, entry) VALUES (%(own)s, %(version)s, %(type)s, %(entry)s)
)
INSERT INTO ledger.unsealed (id, stream, version, recorded_at) OVERRIDING SYSTEM VALUE
SELECT coalesce(min(id) - 1, nextval(pg_get_serial_sequence('ledger.unsealed', 'id'))),
       %(own)s, %(version)s, %(recorded_at)s
FROM ledger.unsealed;

-- name: entries
-- The first entries of all epochs after the first one.
SELECT version, type, entry FROM ledger.event WHERE stream = %(own)s ORDER BY version;

-- name: places
-- The same with their places in the log, for verifying.
SELECT version, event.type, entry, idx
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
WHERE stream = %(own)s
ORDER BY version;
