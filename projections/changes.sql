-- The read model of changes: per event the slots it moved; from what to what the event's row says.

-- name: insert
-- Add the changes of a batch.
INSERT INTO read.changes (
    customer_id, position, version, old_version, place, kind, slot
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(positions)b::bigint[], %(versions)b::integer[], %(old_versions)b::integer[],
    %(places)b::smallint[], %(kinds)b::text[], %(slots)b::text[]
);

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.changes WHERE customer_id = %(customer_id)s;

-- name: corrections_between
-- The corrections and retractions that touched slots of customers between two positions.
SELECT changes.customer_id, changes.slot, changes.version
FROM unnest(%(customer_ids)b::uuid[], %(slots)b::text[]) AS wanted (customer_id, slot)
JOIN read.changes USING (customer_id, slot)
WHERE changes.kind = 'CORRECTION' AND changes.position > %(after)s AND changes.position <= %(position)s
ORDER BY changes.position;
