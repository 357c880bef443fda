-- What is given out of the log: nothing that the newest note does not cover.

-- name: newest_note
-- The note of the greatest size.
SELECT size, note FROM ledger.signature ORDER BY size DESC LIMIT 1;

-- name: note_of
-- The note of a size.
SELECT size, note FROM ledger.signature WHERE size = %(size)s;

-- name: entries
-- The entries at some places of the log, in their order; null where an event is not there.
SELECT event.entry
FROM ledger.log
LEFT JOIN ledger.event USING (stream, version)
WHERE log.idx >= %(begin)s AND log.idx < %(end)s
ORDER BY log.idx;
