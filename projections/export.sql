-- What an export of the rectangles reads, in one transaction that sees one moment.

-- name: extent
-- The position that the rectangles are as of, and since when it is known (null at 0).
SELECT position, (SELECT known_at FROM ledger.log WHERE idx = position - 1)
FROM (SELECT coalesce((SELECT position FROM read.tracking WHERE projection = 'facts'), 0)) AS reached (position);

-- name: rows
-- How many rows there are to export.
SELECT (SELECT count(*) FROM read.facts)
       + coalesce((SELECT position FROM read.tracking WHERE projection = 'facts'), 0);

-- name: facts
-- The rectangles by group of slots (the first segment), in an order that is always the same; instants in microseconds.
COPY (
    SELECT split_part(slot, '/', 2),
           customer_id,
           slot,
           coalesce(value::text, (SELECT read.shared(data, shared_from, shared_length) FROM read.events
                                  WHERE events.customer_id = facts.customer_id AND events.version = facts.version)),
           absent,
           (extract(epoch FROM lower(valid)) * 1000000)::bigint,
           (extract(epoch FROM upper(valid)) * 1000000)::bigint,
           lower(positions),
           upper(positions),
           (extract(epoch FROM fact_from) * 1000000)::bigint,
           rank,
           version
    FROM read.facts
    ORDER BY split_part(slot, '/', 2) COLLATE "C", slot COLLATE "C", customer_id, lower(valid), lower(positions)
) TO STDOUT (FORMAT csv);

-- name: log
-- Which event each position is, and from when on it is known: up to the position of the rectangles, 0 standing for all.
COPY (
    SELECT '', idx + 1, (extract(epoch FROM known_at) * 1000000)::bigint, stream, version
    FROM ledger.log
    WHERE idx < (SELECT position FROM read.tracking WHERE projection = 'facts')
    ORDER BY idx
) TO STDOUT (FORMAT csv);
