-- What verifying reads, besides whole streams. Times that Python cannot hold come as null: no event was recorded then.

-- name: waiting
-- What stands in line for the sealer, customer by customer in the order of the queue.
SELECT stream, version,
       CASE WHEN recorded_at BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' THEN recorded_at END
FROM ledger.unsealed
WHERE stream <> %(own)b
ORDER BY stream, id;

-- name: remembered
-- The requests that took effect under an idempotency key, stream by stream.
SELECT stream, first_version, last_version, key, actor, octet_length(request_mac), status, profile_version
FROM ledger.idempotency
ORDER BY stream, first_version, key;

-- name: stray_parts
-- Encrypted parts whose event is not there.
SELECT payload.stream, payload.version, payload.part
FROM ledger.payload
LEFT JOIN ledger.event USING (stream, version)
WHERE event.stream IS NULL
ORDER BY payload.stream, payload.version, payload.part;

-- name: log
-- The log in its order, with the entries that it hashes.
SELECT log.idx, log.stream, log.version, log.hash,
       CASE WHEN log.known_at BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' THEN log.known_at END,
       event.type, event.entry
FROM ledger.log
LEFT JOIN ledger.event USING (stream, version)
ORDER BY log.idx;

-- name: checkpoints
-- The sizes of the log over time.
SELECT size, CASE WHEN made_at BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' THEN made_at END
FROM ledger.checkpoint
ORDER BY made_at;

-- name: notes
-- The notes that were given out, and what the sealer first wrote down as the root of that size.
SELECT signature.size, signature.note, checkpoint.root
FROM ledger.signature
LEFT JOIN (
    SELECT DISTINCT ON (size) size, root FROM ledger.checkpoint WHERE root IS NOT NULL ORDER BY size, made_at
) AS checkpoint USING (size)
ORDER BY signature.size;

-- name: has_root
-- Tell whether a root was ever written down.
SELECT EXISTS (SELECT FROM ledger.checkpoint WHERE root IS NOT NULL);

-- name: some_nodes
-- Read a stretch of a level of the log's tree.
SELECT idx, hash FROM ledger.node WHERE level = %(level)s AND idx >= %(begin)s AND idx < %(end)s;

-- name: stray_nodes
-- Find nodes that the tree of a log of this size has not.
SELECT level, idx
FROM ledger.node
WHERE level < 1 OR level > 7 OR idx < 0 OR idx >= %(size)s::bigint >> (8 * level)
ORDER BY level, idx;

-- name: some_roots
-- Read some checkpoints, with the roots of the log's tree, in the order in which they were made.
SELECT size, root, made_at::text
FROM ledger.checkpoint
WHERE made_at > %(after)s::timestamptz
ORDER BY made_at
LIMIT %(most)s;

-- name: extent
-- How much there is to verify: customers, all events, and the log up to its end.
SELECT count(DISTINCT stream) FILTER (WHERE type NOT LIKE ALL (%(others)s::text[])), count(*), (SELECT coalesce(max(idx) + 1, 0) FROM ledger.log)
FROM ledger.event
WHERE stream <> %(own)s;

-- name: some_keys
-- A few wrapped data keys, to tell a wrong key encryption key from a damaged data key.
SELECT subject, wrapped, kek FROM keys.subject_key WHERE state <> 'destroyed' ORDER BY subject LIMIT 20;

-- name: fix_moment
-- Read nothing, and by that fix the moment as of which the transaction reads everything else.
SELECT 1;

-- name: now
-- The instant of the transaction.
SELECT now();
