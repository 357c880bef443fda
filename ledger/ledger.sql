-- Appending and reading back. Within a table rows are written in the order of their key, so that two writers cannot
-- deadlock.

-- name: append_events
-- Append entries with their encrypted parts, and hand them to the sealer in the order given. A version that is taken
-- breaks the primary key of ledger.event, which is the whole concurrency control.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(streams)b::uuid[], %(versions)b::bigint[], %(types)b::text[], %(entries)b::bytea[],
                %(recorded_at)b::text[])
        AS given (stream, version, type, entry, recorded_at)
), event AS (
    INSERT INTO ledger.event (stream, version, type, entry)
    SELECT stream, version, type, entry FROM given ORDER BY stream, version
    RETURNING version
), payload AS (
    INSERT INTO ledger.payload (stream, version, part, ct)
    SELECT stream, version, part, ct
    FROM unnest(%(part_streams)b::uuid[], %(part_versions)b::bigint[], %(parts)b::smallint[], %(ciphertexts)b::bytea[])
        AS given (stream, version, part, ct)
)
INSERT INTO ledger.unsealed (stream, version, recorded_at)
SELECT stream, version, coalesce(recorded_at::timestamptz, now())
FROM given
-- No id of the queue is drawn before the events are written: the floor counts on it. Ids are drawn row by row, so a
-- stream's stay in order.
WHERE (SELECT count(*) FROM event) > 0;

-- name: select_events
-- Read the events of a stream between two versions, one row per part that is still there, or one without part.
SELECT stream, version, type, entry, part, ct
FROM (
    SELECT stream, version, type, entry
    FROM ledger.event
    WHERE stream = %(stream)s AND version > %(after)s AND version <= %(up_to)s
    ORDER BY version
    LIMIT %(limit)s
) AS event
LEFT JOIN ledger.payload USING (stream, version)
ORDER BY version, part;

-- name: select_last_events
-- Read the same from the newest backwards.
SELECT stream, version, type, entry, part, ct
FROM (
    SELECT stream, version, type, entry
    FROM ledger.event
    WHERE stream = %(stream)s AND version > %(after)s AND version <= %(up_to)s
    ORDER BY version DESC
    LIMIT %(limit)s
) AS event
LEFT JOIN ledger.payload USING (stream, version)
ORDER BY version DESC, part;

-- name: select_erasures
-- Read the events that have erased something of these streams. An index holds nothing but such events.
SELECT stream, version, type, entry
FROM ledger.event
WHERE type = 'customer.personal-data-erased' AND stream = ANY(%(streams)s::uuid[])
ORDER BY stream, version;

-- name: select_notifications
-- Read sealed events in the order of the log, of all types or of some.
SELECT stream, version, type, entry, part, ct, position
FROM (
    SELECT log.idx + 1 AS position, stream, version, event.type, event.entry
    FROM ledger.log
    JOIN ledger.event USING (stream, version)
    WHERE log.idx >= %(first)s AND log.idx <= %(last)s
        AND (%(types)s::text[] IS NULL OR event.type = ANY(%(types)s::text[]))
    ORDER BY log.idx
    LIMIT %(limit)s
) AS sealed
LEFT JOIN ledger.payload USING (stream, version)
ORDER BY position, part;

-- name: select_head
-- Read the position of the last sealed event, null when there is none.
SELECT max(idx) + 1 FROM ledger.log;

-- name: select_positions
-- Read the positions of events just sealed, in the order given.
SELECT log.idx + 1
FROM unnest(%(streams)b::uuid[], %(versions)b::bigint[]) WITH ORDINALITY AS appended (stream, version, number)
JOIN ledger.log USING (stream, version)
ORDER BY number;

-- name: move_tracking
-- Move a projection's position forward; no row comes back when it stood there or further already.
INSERT INTO read.tracking (projection, position)
VALUES (%(projection)s, %(position)s)
ON CONFLICT (projection) DO UPDATE SET position = excluded.position
    WHERE tracking.position < excluded.position
RETURNING position;

-- name: select_tracking
-- Read a projection's position.
SELECT position FROM read.tracking WHERE projection = %(projection)s;
