-- Which erasures a scrubbing covers, and that it was done.

-- name: covered
-- The erasures that are carried out and passed by every read model, so that nothing of them is written any more.
SELECT erasure.stream, erasure.version
FROM ledger.erasure
JOIN ledger.log USING (stream, version)
WHERE erasure.scrubbed_since IS NULL
  AND log.idx < (SELECT coalesce(min(position), 0) FROM read.tracking)
ORDER BY erasure.stream, erasure.version;

-- name: uncovered
-- How many erasures are not that far.
SELECT count(*)
FROM ledger.event
LEFT JOIN ledger.erasure USING (stream, version)
LEFT JOIN ledger.log USING (stream, version)
WHERE event.type = 'customer.personal-data-erased'
  AND (erasure.stream IS NULL OR log.idx IS NULL
       OR log.idx >= (SELECT coalesce(min(position), 0) FROM read.tracking));

-- name: mark
-- Write down since when what these erasures deleted is in no file of the cluster any more.
UPDATE ledger.erasure SET scrubbed_since = now()
FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS covered (stream, version)
WHERE (erasure.stream, erasure.version) = (covered.stream, covered.version) AND scrubbed_since IS NULL;
