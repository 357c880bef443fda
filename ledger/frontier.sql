-- The right edge of the log's tree: read, completed and grown. Level 0 is ledger.log, the levels above are ledger.node;
-- a shift by 8 leads from a level to the next.

-- name: frontier
-- Read, level by level, the hashes that no node of the next level stands over yet, and the last checkpoint.
WITH head AS (
    SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) AS size
), latest AS (
    SELECT size, root FROM ledger.checkpoint ORDER BY made_at DESC LIMIT 1
)
SELECT head.size, latest.size, latest.root,
       level,
       CASE level
           WHEN 0 THEN (SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM ledger.log
                        WHERE idx >= (head.size >> 8) << 8)
           ELSE (SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM ledger.node
                 WHERE node.level = levels.level AND idx < head.size >> (8 * levels.level)
                     AND idx >= (head.size >> least(8 * levels.level + 8, 63)) << 8)
       END AS hashes,
       EXISTS (SELECT FROM ledger.node WHERE node.level = levels.level AND idx >= head.size >> (8 * levels.level))
           AS has_more
FROM head
CROSS JOIN generate_series(7, 0, -1) AS levels (level)
LEFT JOIN latest ON true
ORDER BY level DESC;

-- name: lacking
-- Tell the lowest level that lacks nodes at its end, where they begin, and where they ought to end.
SELECT level, present, due
FROM (
    SELECT level,
           coalesce((SELECT max(idx) + 1 FROM ledger.node WHERE node.level = levels.level), 0) AS present,
           coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) >> (8 * level) AS due
    FROM generate_series(1, 7) AS levels (level)
) AS levels
WHERE present < due
ORDER BY level
LIMIT 1;

-- name: leaves
-- Read some hashes of the log in its order, as one value.
SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM ledger.log WHERE idx >= %(begin)s AND idx < %(end)s;

-- name: nodes
-- Read some hashes of a level of nodes in their order, as one value.
SELECT string_agg(hash, ''::bytea ORDER BY idx)
FROM ledger.node
WHERE level = %(level)s AND idx >= %(begin)s AND idx < %(end)s;

-- name: add_nodes
-- Add the nodes that stand over complete subtrees now.
INSERT INTO ledger.node (level, idx, hash)
SELECT level, idx, hash
FROM unnest(%(levels)b::smallint[], %(indexes)b::bigint[], %(hashes)b::bytea[]) AS node (level, idx, hash)
ORDER BY level, idx;
