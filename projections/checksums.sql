-- Digests of a table that follows the log; `table` is the live table or its shadow.

-- name: digests
-- Per stream how many rows there are, and a number that differs where the rows of two tables do, whatever their order.
-- JSON stands in `columns` as text: its own hash does not see where a nested list or object ends.
-- The digest is taken below a fence, so that no more than it is sorted or hashed to form the groups.
SELECT stream_id, count(*), sum(digest)::text
FROM (SELECT {stream_id} AS stream_id, hash_record_extended(ROW({columns}), 0) AS digest FROM {table} OFFSET 0) AS digested
GROUP BY stream_id
ORDER BY stream_id;

-- name: checksum
-- The same of the whole table.
SELECT count(*), coalesce(sum(hash_record_extended(ROW({columns}), 0)), 0)::text FROM {table};
