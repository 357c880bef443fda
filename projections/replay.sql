-- A customer's stream as the log has it, for a replay.

-- name: steps
-- The next events of a stream after a version, one row per part that is still there: what the log says of the event's
-- place and hash, and, unless the event is gone, what it is.
SELECT sealed.version, sealed.idx + 1, sealed.hash, event.type, event.entry, payload.part, payload.ct
FROM (
    SELECT stream, version, idx, hash FROM ledger.log
    WHERE stream = %(customer_id)s AND version > %(after)s AND version <= %(up_to)s
    ORDER BY version
    LIMIT %(limit)s
) AS sealed
LEFT JOIN ledger.event USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
ORDER BY sealed.version, payload.part;

-- name: erasures
-- The events that have erased something of the stream by now, sealed or not.
SELECT version, type, entry
FROM ledger.event
WHERE type = 'customer.personal-data-erased' AND stream = %(customer_id)s
ORDER BY version;
