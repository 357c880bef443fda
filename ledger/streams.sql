-- Whole streams with their places in the log, for whoever holds something against the evidence or computes it anew.

-- name: prefer_merging
-- All three tables have an index in the order of the streams: read side by side they cost half of what it costs to look
-- up log and payload for each event, as is planned for a cursor of which a tenth is expected to be read.
SET LOCAL enable_nestloop = off;

-- name: plan_freely
-- For everything else.
SET LOCAL enable_nestloop TO DEFAULT;

-- name: every_stream
-- All events but the log's own in the order of stream and version, one row per part that is still there, or one without
-- part; without those whose stored names fit one of the patterns of `others`.
SELECT event.stream, event.version, event.type, event.entry, log.idx + 1, payload.part, payload.ct
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
WHERE event.stream <> %(own)b AND event.type NOT LIKE ALL (%(others)b::text[])
ORDER BY event.stream, event.version, payload.part;

-- name: some_streams
-- The same for some streams.
SELECT event.stream, event.version, event.type, event.entry, log.idx + 1, payload.part, payload.ct
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
WHERE event.stream = ANY (%(streams)b::uuid[]) AND event.type NOT LIKE ALL (%(others)b::text[])
ORDER BY event.stream, event.version, payload.part;
