-- The audit trail of all customers, searched. Every statement looks at the next candidates in the order of the log, a
-- bounded number of them, along the index that leads to the fewest; what else is asked for is looked up for those alone.
-- Each row is an event that fits, with how many candidates there were and where the last of them stands. What is looked
-- up has a LIMIT of its own: otherwise the planner may prefer to read a whole table once.

-- name: slots_below
-- The slots that a path stands for, itself and what begins with it, one step along the index for each, up to a number.
WITH RECURSIVE below (slot, number) AS (
    (
        SELECT slot COLLATE "C", 1
        FROM read.changes
        WHERE slot COLLATE "C" >= %(path)s::text || '/' AND slot COLLATE "C" < %(path)s || '0'
        ORDER BY slot COLLATE "C"
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT slot COLLATE "C"
        FROM read.changes
        WHERE slot COLLATE "C" > below.slot AND slot COLLATE "C" < %(path)s || '0'
        ORDER BY slot COLLATE "C"
        LIMIT 1
    ), number + 1
    FROM below
    WHERE slot IS NOT NULL AND number < %(most)s
)
SELECT slot FROM below WHERE slot IS NOT NULL
UNION ALL
(SELECT slot FROM read.changes WHERE slot COLLATE "C" = %(path)s LIMIT 1);

-- name: by_slots
-- Among the events that moved one of some slots.
WITH candidate AS MATERIALIZED (
    SELECT DISTINCT ON (moved.position) moved.customer_id, moved.version, moved.position
    FROM unnest(%(slots)b::text[]) AS wanted (name)
    CROSS JOIN LATERAL (
        SELECT customer_id, version, position
        FROM read.changes
        WHERE slot COLLATE "C" = wanted.name AND position > %(after)s AND position <= %(up_to)s
            AND position >> 10 >= %(after)s >> 10 AND position >> 10 <= %(up_to)s >> 10  -- what the index knows of them
        ORDER BY position >> 10, position
        LIMIT %(most)s
    ) AS moved
    ORDER BY moved.position
    LIMIT %(most)s
), looked_at AS (
    SELECT count(*) AS number, max(position) AS last FROM candidate
)
SELECT candidate.customer_id, candidate.version, candidate.position, looked_at.number, looked_at.last
FROM looked_at
LEFT JOIN LATERAL (
    SELECT customer_id, version, position
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT type, actor, recorded_at, effective_from, effective_to,
               read.changes_json(changes, data, shared_from, shared_length) AS changes
        FROM read.events
        WHERE events.customer_id = candidate.customer_id AND events.version = candidate.version
        LIMIT 1
    ) AS event
    WHERE (%(type)s::text IS NULL OR type = %(type)s)
        AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
        AND (%(actor)s::text IS NULL OR actor = %(actor)s)
        AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
        AND (%(overlaps_from)s::timestamptz IS NULL
            OR effective_from < %(overlaps_to)s AND coalesce(effective_to > %(overlaps_from)s, true))
        AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
        AND (%(path)s::text IS NULL AND %(old)s::text IS NULL AND %(new)s::text IS NULL OR coalesce((
            SELECT true FROM json_array_elements(event.changes::json) AS change
            WHERE (%(path)s::text IS NULL OR change ->> 'path' = %(path)s
                    OR starts_with(change ->> 'path', %(path)s || '/'))
                AND (%(old)s::text IS NULL OR (change -> 'old')::jsonb = %(old)s::text::jsonb)
                AND (%(new)s::text IS NULL OR (change -> 'new')::jsonb = %(new)s::text::jsonb)
            LIMIT 1
        ), false))
    ORDER BY position
    LIMIT %(limit)s
) AS candidate ON true
ORDER BY candidate.position;

-- name: by_customer
-- Among the events of one customer.
WITH candidate AS MATERIALIZED (
    SELECT customer_id, version, position
    FROM read.events
    WHERE customer_id = %(customer_id)s AND position > %(after)s AND position <= %(up_to)s
    ORDER BY position
    LIMIT %(most)s
), looked_at AS (
    SELECT count(*) AS number, max(position) AS last FROM candidate
)
SELECT candidate.customer_id, candidate.version, candidate.position, looked_at.number, looked_at.last
FROM looked_at
LEFT JOIN LATERAL (
    SELECT customer_id, version, position
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT type, actor, recorded_at, effective_from, effective_to,
               read.changes_json(changes, data, shared_from, shared_length) AS changes
        FROM read.events
        WHERE events.customer_id = candidate.customer_id AND events.version = candidate.version
        LIMIT 1
    ) AS event
    WHERE (%(type)s::text IS NULL OR type = %(type)s)
        AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
        AND (%(actor)s::text IS NULL OR actor = %(actor)s)
        AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
        AND (%(overlaps_from)s::timestamptz IS NULL
            OR effective_from < %(overlaps_to)s AND coalesce(effective_to > %(overlaps_from)s, true))
        AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
        AND (%(path)s::text IS NULL AND %(old)s::text IS NULL AND %(new)s::text IS NULL OR coalesce((
            SELECT true FROM json_array_elements(event.changes::json) AS change
            WHERE (%(path)s::text IS NULL OR change ->> 'path' = %(path)s
                    OR starts_with(change ->> 'path', %(path)s || '/'))
                AND (%(old)s::text IS NULL OR (change -> 'old')::jsonb = %(old)s::text::jsonb)
                AND (%(new)s::text IS NULL OR (change -> 'new')::jsonb = %(new)s::text::jsonb)
            LIMIT 1
        ), false))
    ORDER BY position
    LIMIT %(limit)s
) AS candidate ON true
ORDER BY candidate.position;

-- name: by_actor
-- Among the events that somebody recorded.
WITH candidate AS MATERIALIZED (
    SELECT customer_id, version, position
    FROM read.events
    WHERE actor = %(actor)s AND position > %(after)s AND position <= %(up_to)s
    ORDER BY position
    LIMIT %(most)s
), looked_at AS (
    SELECT count(*) AS number, max(position) AS last FROM candidate
)
SELECT candidate.customer_id, candidate.version, candidate.position, looked_at.number, looked_at.last
FROM looked_at
LEFT JOIN LATERAL (
    SELECT customer_id, version, position
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT type, actor, recorded_at, effective_from, effective_to,
               read.changes_json(changes, data, shared_from, shared_length) AS changes
        FROM read.events
        WHERE events.customer_id = candidate.customer_id AND events.version = candidate.version
        LIMIT 1
    ) AS event
    WHERE (%(type)s::text IS NULL OR type = %(type)s)
        AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
        AND (%(actor)s::text IS NULL OR actor = %(actor)s)
        AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
        AND (%(overlaps_from)s::timestamptz IS NULL
            OR effective_from < %(overlaps_to)s AND coalesce(effective_to > %(overlaps_from)s, true))
        AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
        AND (%(path)s::text IS NULL AND %(old)s::text IS NULL AND %(new)s::text IS NULL OR coalesce((
            SELECT true FROM json_array_elements(event.changes::json) AS change
            WHERE (%(path)s::text IS NULL OR change ->> 'path' = %(path)s
                    OR starts_with(change ->> 'path', %(path)s || '/'))
                AND (%(old)s::text IS NULL OR (change -> 'old')::jsonb = %(old)s::text::jsonb)
                AND (%(new)s::text IS NULL OR (change -> 'new')::jsonb = %(new)s::text::jsonb)
            LIMIT 1
        ), false))
    ORDER BY position
    LIMIT %(limit)s
) AS candidate ON true
ORDER BY candidate.position;

-- name: by_position
-- Among all events.
WITH candidate AS MATERIALIZED (
    SELECT customer_id, version, position
    FROM read.events
    WHERE position > %(after)s AND position <= %(up_to)s
    ORDER BY position
    LIMIT %(most)s
), looked_at AS (
    SELECT count(*) AS number, max(position) AS last FROM candidate
)
SELECT candidate.customer_id, candidate.version, candidate.position, looked_at.number, looked_at.last
FROM looked_at
LEFT JOIN LATERAL (
    SELECT customer_id, version, position
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT type, actor, recorded_at, effective_from, effective_to,
               read.changes_json(changes, data, shared_from, shared_length) AS changes
        FROM read.events
        WHERE events.customer_id = candidate.customer_id AND events.version = candidate.version
        LIMIT 1
    ) AS event
    WHERE (%(type)s::text IS NULL OR type = %(type)s)
        AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
        AND (%(actor)s::text IS NULL OR actor = %(actor)s)
        AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
        AND (%(overlaps_from)s::timestamptz IS NULL
            OR effective_from < %(overlaps_to)s AND coalesce(effective_to > %(overlaps_from)s, true))
        AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
        AND (%(path)s::text IS NULL AND %(old)s::text IS NULL AND %(new)s::text IS NULL OR coalesce((
            SELECT true FROM json_array_elements(event.changes::json) AS change
            WHERE (%(path)s::text IS NULL OR change ->> 'path' = %(path)s
                    OR starts_with(change ->> 'path', %(path)s || '/'))
                AND (%(old)s::text IS NULL OR (change -> 'old')::jsonb = %(old)s::text::jsonb)
                AND (%(new)s::text IS NULL OR (change -> 'new')::jsonb = %(new)s::text::jsonb)
            LIMIT 1
        ), false))
    ORDER BY position
    LIMIT %(limit)s
) AS candidate ON true
ORDER BY candidate.position;
