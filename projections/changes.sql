-- The read model of changes: per event the slots it moved, from what to what.

-- name: insert
-- Add the changes of a batch.
INSERT INTO read.changes (
    customer_id, version, slot, position, old, new, old_absent, new_absent, kind, old_version
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(versions)b::bigint[], %(slots)b::text[], %(positions)b::bigint[],
    %(olds)b::text[]::jsonb[], %(news)b::text[]::jsonb[], %(old_absent)b::boolean[], %(new_absent)b::boolean[],
    %(kinds)b::text[], %(old_versions)b::bigint[]
);

-- name: blame
-- Per slot the event that holds it at a position and a valid instant, and what held it before that event.
-- What is told of a slot is one subquery, because the planner, who expects far more slots at a point, would else read
-- all events of a long stream.
SELECT facts.slot, facts.value::text, facts.absent, told.*
FROM read.facts
CROSS JOIN LATERAL (
    SELECT read.event_json(
               events.customer_id, events.version, events.position, events.recorded_at, events.effective_from,
               events.effective_to, events.event_id, events.is_decision, events.type, events.envelope, events.data
           ),
           changes.kind, changes.old::text, changes.old_version, previous.event_id, events.event_id
    FROM read.events
    JOIN read.changes USING (customer_id, version)
    LEFT JOIN read.events AS previous
        ON previous.customer_id = events.customer_id AND previous.version = changes.old_version
    WHERE events.customer_id = facts.customer_id AND events.version = facts.version AND changes.slot = facts.slot
    LIMIT 1
) AS told
WHERE uuid_hash_extended(facts.customer_id, 0) = uuid_hash_extended(%(customer_id)s::uuid, 0)
    AND facts.customer_id = %(customer_id)s
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz
ORDER BY facts.slot;

-- name: corrections_between
-- The corrections and retractions that touched slots between two positions.
SELECT slot, version
FROM read.changes
WHERE customer_id = %(customer_id)s AND slot = ANY (%(slots)b::text[]) AND kind = 'CORRECTION'
    AND position > %(after)s AND position <= %(position)s
ORDER BY position;
