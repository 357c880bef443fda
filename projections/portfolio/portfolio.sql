-- Questions about all customers. The statements are made of these: relations that candidates come from, looks at one
-- candidate, and what is wanted of them. Slots and values are put in as parameters, never as text. `family` is what a
-- slot begins with, as a constant that leads to an index of those slots.

-- name: by_value
-- Who has this value in a slot that customers are classified by.
SELECT facts.customer_id, facts.value
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.value = {value}::jsonb
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent;

-- name: by_values
-- Who has one of many values there.
SELECT facts.customer_id, facts.value
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.value = ANY ({values}::jsonb[])
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent;

-- name: first
-- The first of those that one value gives.
SELECT * FROM ({source}) AS found
WHERE {after}::uuid IS NULL OR found.customer_id > {after}::uuid
ORDER BY found.customer_id
LIMIT {limit};

-- name: members
-- Pages of the ids of those who have one value in a slot that customers are classified by. What shows at a point is
-- hidden from the planner, who does not know the points when it plans: it would think that few rectangles hold there, and
-- read all of a value in order to sort them.
SELECT asked.place, page.ids
FROM unnest(
    (SELECT %(slots)b::text[]), (SELECT %(values)b::jsonb[]), (SELECT %(positions)b::bigint[]),
    (SELECT %(valid_at)b::timestamptz[]), (SELECT %(limits)b::bigint[]), (SELECT %(after)b::uuid[])
) WITH ORDINALITY AS asked (slot, value, position, valid_at, most, after, place)
CROSS JOIN LATERAL (
    SELECT array_agg(customer_id::text)
    FROM (
        SELECT facts.customer_id
        FROM read.facts
        WHERE facts.slot = asked.slot AND facts.slot LIKE {family} AND facts.value = asked.value
            AND facts.customer_id > asked.after
            AND CASE WHEN facts.positions @> asked.position THEN facts.valid @> asked.valid_at AND NOT facts.absent
                     ELSE false END
        ORDER BY facts.customer_id
        LIMIT asked.most
    ) AS member
) AS page (ids);

-- name: by_region
-- Whose address is in a region.
SELECT facts.customer_id, facts.value
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE '/addresses/%%' AND facts.value ->> 'region' = {value}
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent;

-- name: by_slot
-- Who has any value in such a slot. Counts want no more than the code, which an index has.
SELECT facts.customer_id, facts.value, facts.code
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.known_from <= %(position)s::bigint AND facts.known_until > %(position)s::bigint
    AND facts.valid_from <= %(valid_at)s::timestamptz AND facts.valid_until > %(valid_at)s::timestamptz
    AND NOT facts.absent;

-- name: everyone
-- Who was known and had begun: some fact was true by then, or there is none at all. An index leads along what began
-- first; positions are compared in a way that no other serves. Subqueries that give a value stay a look at each customer.
SELECT registered.customer_id
FROM read.events AS registered
WHERE registered.version = 1 AND registered.position <= %(position)s
    AND coalesce((
        SELECT true FROM read.facts
        WHERE facts.customer_id = registered.customer_id AND lower(facts.valid) <= %(valid_at)s::timestamptz
            AND lower(facts.positions) <= %(position)s AND (upper(facts.positions) <= %(position)s) IS NOT TRUE
        LIMIT 1
    ), (
        SELECT true FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(registered.customer_id)
            AND facts.customer_id = registered.customer_id AND facts.positions @> %(position)s::bigint
        LIMIT 1
    ) IS NULL);

-- name: held
-- What a slot of one candidate holds, no row if nothing; and what its own row says, which no long text equals.
SELECT coalesce(facts.value, (
           SELECT read.shared(data, shared_from, shared_length)::jsonb FROM read.events
           WHERE events.customer_id = facts.customer_id AND events.version = facts.version
       )) AS value, facts.value AS own
FROM read.facts
WHERE uuid_hash(facts.customer_id) = uuid_hash({customer})
    AND (hashtext(facts.slot) %% 32768)::smallint = (hashtext({slot}) %% 32768)::smallint
    AND facts.customer_id = {customer} AND facts.slot = {slot}
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent;

-- name: look
-- Whether a slot of one candidate meets a condition, null if not: looked at one by one, so that a page ends early.
SELECT true FROM ({held}) AS held WHERE {predicate} LIMIT 1;

-- name: look_at_all
-- The same where all candidates are wanted: the planner may look at all slots at once.
SELECT FROM ({held}) AS held WHERE {predicate};

-- name: customer_kind
-- As what one candidate was registered.
SELECT (registered.data::json -> 'customer_kind')::jsonb AS value
FROM read.events AS registered
WHERE registered.version = 1 AND registered.customer_id = {customer};

-- name: file_state
-- Whether one candidate's file was archived.
SELECT coalesce((
    SELECT CASE events.type WHEN 'customer.archived' THEN '"ARCHIVED"'::jsonb END
    FROM read.events
    WHERE events.customer_id = {customer} AND events.is_decision AND events.position <= %(position)s
        AND events.type IN ('customer.archived', 'customer.reinstated')
    ORDER BY events.position DESC LIMIT 1
), '"LIVE"') AS value;

-- name: shown
-- What several slots of one candidate hold, as one object.
SELECT jsonb_object_agg(facts.slot, coalesce(facts.value, (
           SELECT read.shared(data, shared_from, shared_length)::jsonb FROM read.events
           WHERE events.customer_id = facts.customer_id AND events.version = facts.version
       ))) AS slots
FROM read.facts
WHERE uuid_hash(facts.customer_id) = uuid_hash({customer})
    AND facts.customer_id = {customer} AND facts.slot = ANY ({slots}::text[])
    AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent;

-- name: listing
-- Candidates in their order, and what is wanted of each.
SELECT page.*, {wanted}
FROM (
    SELECT {selected}
    FROM {candidates}
    WHERE {conditions}
    ORDER BY {order}
    LIMIT {limit}
) AS page
ORDER BY {page_order};

-- name: grouping
-- Candidates by what they have in common.
SELECT {selected}
FROM {candidates}
WHERE {conditions}
GROUP BY {keys}
LIMIT {limit};
