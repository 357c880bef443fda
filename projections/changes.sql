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

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.changes WHERE customer_id = %(customer_id)s;

-- name: blame
-- Per slot the event that holds it at a position and a valid instant, and what held it before that event; without
-- position and instant, at the latest that the read models know and now. First, on every row, what that is: the end of
-- the log, how far the read models are, the clock, from when on the read models' position is known.
WITH stand AS MATERIALIZED (
    SELECT sealed, reached, now, (SELECT known_at FROM ledger.log WHERE idx = reached - 1) AS reached_at,
           coalesce(%(position)s::bigint, reached) AS position, coalesce(%(valid_at)s::timestamptz, now) AS valid_at
    FROM (
        SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
               coalesce((SELECT min(position) FROM read.tracking), 0),
               clock_timestamp()
    ) AS stand (sealed, reached, now)
)
SELECT stand.sealed, stand.reached, stand.now, stand.reached_at,
       held.slot, held.value::text, held.absent, setter.body, moved.kind, moved.old::text, moved.old_version,
       (SELECT event_id FROM read.events WHERE customer_id = %(customer_id)s AND version = moved.old_version),
       setter.event_id
FROM stand
CROSS JOIN LATERAL (
    SELECT slot, value, absent, version
    FROM read.facts
    WHERE uuid_hash_extended(customer_id, 2) = uuid_hash_extended(%(customer_id)s::uuid, 2)
        AND customer_id = %(customer_id)s AND positions @> stand.position AND valid @> stand.valid_at
    OFFSET 0
) AS held
CROSS JOIN LATERAL (
    SELECT event_id,
           read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to, event_id,
                           is_decision, type, envelope, data) AS body
    FROM read.events
    WHERE customer_id = %(customer_id)s AND version = held.version
    LIMIT 1
) AS setter
CROSS JOIN LATERAL (
    SELECT kind, old, old_version FROM read.changes
    WHERE customer_id = %(customer_id)s AND version = held.version AND slot = held.slot
    LIMIT 1
) AS moved
ORDER BY held.slot;

-- name: corrections_between
-- The corrections and retractions that touched slots of customers between two positions.
SELECT changes.customer_id, changes.slot, changes.version
FROM unnest(%(customer_ids)b::uuid[], %(slots)b::text[]) AS wanted (customer_id, slot)
JOIN read.changes USING (customer_id, slot)
WHERE changes.kind = 'CORRECTION' AND changes.position > %(after)s AND changes.position <= %(position)s
ORDER BY changes.position;
