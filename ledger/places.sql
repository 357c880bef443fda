-- How the scrubber reads the places of the log with the entries that they hash. All plans are generic (places.py).

-- name: places
-- Read the next places with their entries, each sought by its key.
SELECT log.idx, log.hash, event.entry
FROM ledger.log
LEFT JOIN LATERAL (
    SELECT entry FROM ledger.event WHERE (event.stream, event.version) = (log.stream, log.version) OFFSET 0
) AS event ON true
WHERE log.idx >= %(begin)s
ORDER BY log.idx
LIMIT %(most)s;

-- name: blocks
-- Tell in which blocks of their table the entries of some places lie; nothing when no key sees to it that there is one.
SELECT log.idx, (event.place::text::point)[0]::bigint
FROM ledger.log
JOIN LATERAL (
    SELECT ctid AS place FROM ledger.event WHERE (event.stream, event.version) = (log.stream, log.version) OFFSET 0
) AS event ON true
WHERE log.idx = ANY(%(indexes)s::bigint[])
  AND EXISTS (SELECT FROM pg_index WHERE indrelid = 'ledger.event'::regclass AND indisprimary AND indisvalid);

-- name: near_places
-- Read the next places, in any order, with their entries, sought by key only outside a stretch of blocks.
-- With another limit than a number the planner would expect a tenth of the log; without OFFSET it would seek them all.
-- Two entries of one key, in a broken index, would be none: they come as one that has no place's hash.
SELECT log.idx, log.hash, coalesce(near.entry, (
    SELECT string_agg(event.entry, '\x00'::bytea)
    FROM ledger.event
    WHERE (event.stream, event.version) = (log.stream, log.version)
))
FROM (SELECT idx, hash, stream, version FROM ledger.log WHERE idx >= %(begin)s ORDER BY idx LIMIT 512) AS log
LEFT JOIN (
    SELECT stream, version, entry FROM ledger.event WHERE ctid >= %(first)s::tid AND ctid < %(behind)s::tid OFFSET 0
) AS near USING (stream, version);
