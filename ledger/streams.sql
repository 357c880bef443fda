-- Whole streams with their places in the log, for whoever holds something against the evidence or computes it anew.

-- name: every_stream
-- All events in the order of stream and version, one row per part that is still there, or one without part.
SELECT event.stream, event.version, event.type, event.entry, log.idx + 1, payload.part, payload.ct
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
ORDER BY event.stream, event.version, payload.part;

-- name: some_streams
-- The same for some streams.
SELECT event.stream, event.version, event.type, event.entry, log.idx + 1, payload.part, payload.ct
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
WHERE event.stream = ANY (%(streams)b::uuid[])
ORDER BY event.stream, event.version, payload.part;
