-- Lists of customers by what their files say at one position and valid instant. First the ids of a page: one statement
-- for each condition that a search can start from, as the planner cannot choose among conditions that may be absent;
-- the other conditions are looked at customer by customer, until the page is full. Then what the page says.

-- name: page_of_all
-- Customers by id, of a certain name if one is given.
SELECT registered.customer_id
FROM read.events AS registered
WHERE registered.version = 1 AND registered.position <= %(position)s
    AND (%(after)s::uuid IS NULL OR registered.customer_id > %(after)s)
    AND (%(name)s::text IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE facts.customer_id = registered.customer_id
            AND facts.slot LIKE '/identity/%%' AND facts.slot LIKE '%%\_name'
            AND strpos(lower(facts.value #>> '{}'), lower(%(name)s)) > 0
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
ORDER BY customer_id
LIMIT %(limit)s;

-- name: page_by_identifier
-- The customers that an identifier belongs to, and that meet the other conditions.
-- Starts from those whom it ever belonged to; the subquery stays a check of each of them, as a join would not.
SELECT DISTINCT identified.customer_id
FROM read.changes AS identified
WHERE identified.slot = %(identifier)s AND identified.slot LIKE '/identifiers/%%'
    AND (
        SELECT true FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(identified.customer_id)
            AND (hashtext(facts.slot) %% 32768)::smallint = (hashtext(identified.slot) %% 32768)::smallint
            AND facts.customer_id = identified.customer_id AND facts.slot = identified.slot
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    )
    AND (%(after)s::uuid IS NULL OR identified.customer_id > %(after)s)
    AND (%(tier)s::jsonb IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(identified.customer_id)
            AND facts.customer_id = identified.customer_id AND facts.value = %(tier)s::jsonb
            AND facts.slot LIKE '/tier/%%' AND (%(tier_slot)s::text IS NULL OR facts.slot = %(tier_slot)s)
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
    AND (%(owner)s::jsonb IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(identified.customer_id)
            AND facts.customer_id = identified.customer_id AND facts.value = %(owner)s::jsonb
            AND facts.slot LIKE '/owner/%%' AND (%(owner_slot)s::text IS NULL OR facts.slot = %(owner_slot)s)
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
    AND (%(name)s::text IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE facts.customer_id = identified.customer_id
            AND facts.slot LIKE '/identity/%%' AND facts.slot LIKE '%%\_name'
            AND strpos(lower(facts.value #>> '{}'), lower(%(name)s)) > 0
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
ORDER BY customer_id
LIMIT %(limit)s;

-- name: page_by_owner
-- The customers that somebody owns, and that meet the other conditions.
SELECT DISTINCT owned.customer_id
FROM read.facts AS owned
WHERE owned.value = %(owner)s::jsonb
    AND owned.slot LIKE '/owner/%%' AND (%(owner_slot)s::text IS NULL OR owned.slot = %(owner_slot)s)
    AND owned.positions @> %(position)s::bigint AND owned.valid @> %(valid_at)s::timestamptz AND NOT owned.absent
    AND (%(after)s::uuid IS NULL OR owned.customer_id > %(after)s)
    AND (%(tier)s::jsonb IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(owned.customer_id)
            AND facts.customer_id = owned.customer_id AND facts.value = %(tier)s::jsonb
            AND facts.slot LIKE '/tier/%%' AND (%(tier_slot)s::text IS NULL OR facts.slot = %(tier_slot)s)
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
    AND (%(name)s::text IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE facts.customer_id = owned.customer_id
            AND facts.slot LIKE '/identity/%%' AND facts.slot LIKE '%%\_name'
            AND strpos(lower(facts.value #>> '{}'), lower(%(name)s)) > 0
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
ORDER BY customer_id
LIMIT %(limit)s;

-- name: page_by_tier
-- The customers of a tier, of a certain name if one is given.
SELECT DISTINCT classified.customer_id
FROM read.facts AS classified
WHERE classified.value = %(tier)s::jsonb
    AND classified.slot LIKE '/tier/%%' AND (%(tier_slot)s::text IS NULL OR classified.slot = %(tier_slot)s)
    AND classified.positions @> %(position)s::bigint AND classified.valid @> %(valid_at)s::timestamptz AND NOT classified.absent
    AND (%(after)s::uuid IS NULL OR classified.customer_id > %(after)s)
    AND (%(name)s::text IS NULL OR EXISTS (
        SELECT FROM read.facts
        WHERE facts.customer_id = classified.customer_id
            AND facts.slot LIKE '/identity/%%' AND facts.slot LIKE '%%\_name'
            AND strpos(lower(facts.value #>> '{}'), lower(%(name)s)) > 0
            AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
    ))
ORDER BY customer_id
LIMIT %(limit)s;

-- name: describe
-- What the list says of the customers of a page.
SELECT registered.customer_id, registered.data::json ->> 'customer_kind', file.type, shown.slots::text
FROM read.events AS registered
LEFT JOIN LATERAL (
    SELECT events.type FROM read.events
    WHERE events.customer_id = registered.customer_id AND events.is_decision AND events.position <= %(position)s
        AND events.type IN ('customer.archived', 'customer.reinstated')
    ORDER BY events.position DESC LIMIT 1
) AS file ON true
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(facts.slot, facts.value) AS slots
    FROM read.facts
    WHERE uuid_hash(facts.customer_id) = uuid_hash(registered.customer_id)
        AND facts.customer_id = registered.customer_id
        AND facts.positions @> %(position)s::bigint AND facts.valid @> %(valid_at)s::timestamptz AND NOT facts.absent
        AND (facts.slot LIKE '/identity/%%' OR facts.slot LIKE '/identifiers/%%'
            OR facts.slot LIKE '/tier/%%' OR facts.slot LIKE '/owner/%%')
) AS shown ON true
WHERE registered.version = 1 AND registered.customer_id = ANY (%(customer_ids)b::uuid[])
ORDER BY registered.customer_id;
