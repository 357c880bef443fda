-- The read model of changes: per event the slots it moved; from what to what the event's row says.

-- name: insert
-- Add the changes of a batch.
INSERT INTO read.changes (
    customer_id, version, slot, position, place, old_absent, new_absent, kind, old_version
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(versions)b::bigint[], %(slots)b::text[], %(positions)b::bigint[],
    %(places)b::smallint[], %(old_absent)b::boolean[], %(new_absent)b::boolean[], %(kinds)b::text[],
    %(old_versions)b::bigint[]
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
