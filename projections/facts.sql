-- The read model of rectangles: the value of a slot, for which valid instants, as known at which positions.

-- name: load_open
-- The rectangles, as known at a position, of the slots that a batch touches, from the instants it touches on. The fence
-- keeps this a search for each of them: of a young table the planner would read all that is known, for every batch.
SELECT facts.customer_id, facts.slot,
       coalesce(facts.value::text, (SELECT read.shared(data, shared_from, shared_length) FROM read.events
                                    WHERE events.customer_id = facts.customer_id AND events.version = facts.version)),
       facts.absent, lower(facts.valid), upper(facts.valid), facts.fact_from, facts.rank, facts.version, facts.ctid::text
FROM unnest(%(customer_ids)b::uuid[], %(slots)b::text[], %(instants)b::timestamptz[])
    AS touched (customer_id, slot, instant)
CROSS JOIN LATERAL (
    SELECT *, ctid FROM read.facts
    WHERE uuid_hash(facts.customer_id) = uuid_hash(touched.customer_id)
        AND (hashtext(facts.slot) %% 32768)::smallint = (hashtext(touched.slot) %% 32768)::smallint
        AND facts.customer_id = touched.customer_id AND facts.slot = touched.slot
        AND facts.positions @> %(position)s::bigint AND facts.valid && tstzrange(touched.instant, NULL)
    OFFSET 0
) AS facts;

-- name: close
-- End rectangles at a position; the rows were loaded in this transaction, so their places still hold.
UPDATE read.facts
SET positions = int8range(lower(facts.positions), closing.position)
FROM unnest(%(rows)b::text[]::tid[], %(positions)b::bigint[]) AS closing (ctid, position)
WHERE facts.ctid = closing.ctid;

-- name: insert
-- Add rectangles, without those long texts that the row of the very event has.
INSERT INTO read.facts (customer_id, slot, value, absent, valid, positions, fact_from, rank, version)
SELECT customer_id, slot,
       CASE WHEN is_long AND value = (
                SELECT read.shared(data, shared_from, shared_length) FROM read.events
                WHERE events.customer_id = rectangle.customer_id AND events.version = rectangle.version
            ) THEN NULL ELSE value::jsonb END,
       absent, tstzrange(start, until), int8range(opened, closed), fact_from, rank, version
FROM unnest(
    %(customer_ids)b::uuid[], %(slots)b::text[], %(values)b::text[], %(long)b::boolean[], %(absent)b::boolean[],
    %(starts)b::timestamptz[], %(ends)b::timestamptz[], %(opened)b::bigint[], %(closed)b::bigint[],
    %(facts_from)b::timestamptz[], %(ranks)b::bigint[], %(versions)b::bigint[]
) AS rectangle (
    customer_id, slot, value, is_long, absent, start, until, opened, closed, fact_from, rank, version
);

-- name: overlap
-- A slot of which two rectangles have a point in common, if there is any; `table` is the live table or its shadow. Each
-- rectangle of a slot that has several finds itself, so a second one is one too many; the fence keeps it a search.
SELECT one.customer_id, one.slot
FROM (SELECT customer_id, slot FROM {table} GROUP BY customer_id, slot HAVING count(*) > 1) AS several
JOIN {table} AS one USING (customer_id, slot)
CROSS JOIN LATERAL (
    SELECT FROM {table} AS other
    WHERE uuid_hash(other.customer_id) = uuid_hash(one.customer_id)
        AND (hashtext(other.slot) % 32768)::smallint = (hashtext(one.slot) % 32768)::smallint
        AND other.customer_id = one.customer_id AND other.slot = one.slot
        AND other.valid && one.valid AND other.positions && one.positions
    OFFSET 1
) AS another
LIMIT 1;

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.facts WHERE customer_id = %(customer_id)s;

-- name: state_at
-- The facts that hold one customer's slots at a position and a valid instant.
SELECT slot,
       coalesce(value::text, (SELECT read.shared(data, shared_from, shared_length) FROM read.events
                              WHERE events.customer_id = facts.customer_id AND events.version = facts.version)),
       absent, version, fact_from, lower(valid), upper(valid)
FROM read.facts
WHERE uuid_hash(customer_id) = uuid_hash(%(customer_id)s::uuid)
    AND customer_id = %(customer_id)s AND positions @> %(position)s::bigint
    AND valid @> %(valid_at)s::timestamptz;

-- name: states_at
-- The facts that hold some slots of several customers at a position and a valid instant.
SELECT facts.customer_id, facts.slot,
       coalesce(facts.value::text, (SELECT read.shared(data, shared_from, shared_length) FROM read.events
                                    WHERE events.customer_id = facts.customer_id AND events.version = facts.version)),
       facts.absent, facts.version, facts.fact_from, lower(facts.valid), upper(facts.valid)
FROM unnest(%(customer_ids)b::uuid[]) AS wanted (customer_id)
JOIN read.facts USING (customer_id)
WHERE uuid_hash(facts.customer_id) = uuid_hash(wanted.customer_id)
    AND facts.slot = ANY (%(slots)b::text[]) AND facts.positions @> %(position)s::bigint
    AND facts.valid @> %(valid_at)s::timestamptz;
