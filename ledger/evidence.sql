-- What an evidence pack is made of, all as of one moment.

-- name: newest_note
-- The newest checkpoint that was signed: the only place from which the size of the log is taken.
SELECT note FROM ledger.signature ORDER BY size DESC LIMIT 1;

-- name: signed_events
-- A stream's places in the log up to a size, with what stands there: one row per part that is still there, or one.
SELECT log.version, log.idx, event.type, event.entry, payload.part, payload.ct
FROM ledger.log
LEFT JOIN ledger.event USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
WHERE log.stream = %(stream)s AND log.idx < %(size)s
ORDER BY log.version, payload.part;

-- name: last_version
-- The last version of a stream that has its place in the log up to a size; null when it has none.
SELECT max(version) FROM ledger.log WHERE stream = %(stream)s AND idx < %(size)s;

-- name: erasing_entries
-- The entries of a stream because of which something was erased, the newest first, and whether a size covers them.
SELECT event.entry, coalesce(log.idx < %(size)s, false)
FROM ledger.event
LEFT JOIN ledger.log USING (stream, version)
WHERE event.stream = %(stream)s AND event.type = 'customer.personal-data-erased'
ORDER BY event.version DESC;
