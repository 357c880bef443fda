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
-- Tell in which blocks of their table the entries of some places lie.
SELECT log.idx, (event.place::text::point)[0]::bigint
FROM ledger.log
JOIN LATERAL (
    SELECT ctid AS place FROM ledger.event WHERE (event.stream, event.version) = (log.stream, log.version) OFFSET 0
) AS event ON true
WHERE log.idx = ANY(%(indexes)s::bigint[]);

-- name: near_places
-- Read the next places, in any order, with those of their entries that lie in a stretch of blocks.
-- With another limit than a number the planner would expect a tenth of the log; without OFFSET it would seek by key.
SELECT log.idx, log.hash, event.entry
FROM (SELECT idx, hash, stream, version FROM ledger.log WHERE idx >= %(begin)s ORDER BY idx LIMIT 512) AS log
LEFT JOIN (
    SELECT stream, version, entry FROM ledger.event WHERE ctid >= %(first)s::tid AND ctid < %(behind)s::tid OFFSET 0
) AS event USING (stream, version);

-- name: entries
-- Read the entries of some places, each sought by its key.
SELECT log.idx, event.entry
FROM ledger.log
JOIN LATERAL (
    SELECT entry FROM ledger.event WHERE (event.stream, event.version) = (log.stream, log.version) OFFSET 0
) AS event ON true
WHERE log.idx = ANY(%(indexes)s::bigint[]);
