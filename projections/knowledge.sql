-- When the values of a slot came to be known.

-- name: knowledge
-- A page of the values of a slot as far as they are known at a position, by the position at which each was known first:
-- the first and the last event that told it, over which valid time it told it then, and the position from which on it
-- is known no more (null while some instant still has it).
WITH held AS MATERIALIZED (
    SELECT told.value, valid, version, lower(positions) AS opened,
           CASE WHEN upper(positions) <= %(position)s THEN upper(positions) END AS closed
    FROM read.facts CROSS JOIN LATERAL (
        SELECT coalesce(facts.value, (
            SELECT read.shared(data, shared_from, shared_length)::jsonb FROM read.events
            WHERE events.customer_id = facts.customer_id AND events.version = facts.version
        ))
    ) AS told (value)
    WHERE uuid_hash(customer_id) = uuid_hash(%(customer_id)s::uuid)
        AND (hashtext(slot) %% 32768)::smallint = (hashtext(%(slot)s) %% 32768)::smallint
        AND customer_id = %(customer_id)s AND slot = %(slot)s AND NOT absent AND lower(positions) <= %(position)s
        AND (%(value)s::text IS NULL OR told.value = %(value)s::text::jsonb)
), told AS (
    SELECT value, version, min(opened) AS opened FROM held GROUP BY value, version
), known AS (
    SELECT value, min(opened) AS first_opened, max(opened) AS last_opened,
           (array_agg(version ORDER BY opened, version))[1] AS first_version,
           (array_agg(version ORDER BY opened DESC, version DESC))[1] AS last_version
    FROM told
    GROUP BY value
), page AS (
    SELECT * FROM known
    WHERE %(after_opened)s::bigint IS NULL OR (first_opened, first_version) > (%(after_opened)s, %(after_version)s)
    ORDER BY first_opened, first_version
    LIMIT %(limit)s
), spans AS (
    SELECT page.*,
           json_agg(json_build_array(lower(valid), upper(valid)) ORDER BY lower(valid))
               FILTER (WHERE opened = first_opened AND version = first_version)::text AS first_valid,
           json_agg(json_build_array(lower(valid), upper(valid)) ORDER BY lower(valid))
               FILTER (WHERE opened = last_opened AND version = last_version)::text AS last_valid,
           CASE WHEN bool_and(closed IS NOT NULL) THEN max(closed) END AS ended
    FROM page
    JOIN held ON held.value = page.value
    GROUP BY page.value, first_opened, last_opened, first_version, last_version
)
SELECT value::text,
       first_version, first_opened, (SELECT known_at FROM ledger.log WHERE idx = first_opened - 1), first_valid,
       last_version, last_opened, (SELECT known_at FROM ledger.log WHERE idx = last_opened - 1), last_valid,
       ended, (SELECT known_at FROM ledger.log WHERE idx = ended - 1),
       (SELECT version FROM read.events WHERE customer_id = %(customer_id)s AND position = ended)
FROM spans
ORDER BY first_opened, first_version;
