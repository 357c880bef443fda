-- name: leaves
-- Some places of the log in their order, with the entries that they are of.
SELECT log.idx, log.hash, event.entry
FROM ledger.log
LEFT JOIN ledger.event USING (stream, version)
WHERE log.idx >= %(begin)s AND log.idx < %(end)s
ORDER BY log.idx;
