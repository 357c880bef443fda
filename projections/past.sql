-- One customer's file as known at a position and as valid at an instant.

-- name: version_at
-- The last version of a customer's stream at a position; no row if there was none yet.
SELECT version FROM read.events
WHERE customer_id = %(customer_id)s AND position <= %(position)s
ORDER BY position DESC LIMIT 1;

-- name: files_at
-- Whole files, one a row. First its place among those asked for, then what its moment means: the position, whether
-- anything later is sealed, how far the read models are, the clock. Then the last version (null: not known then),
-- decisions (but for verifications, which may be many and leave a file as it was), the slots that have a value, in their
-- order, and these values' JSON, one a line, whether any fact had begun, and the first of what comes to hold slots later,
-- soonest first, at most so many of either kind. Between valid_at and known_at that can be nearly everything: an index
-- leads along it in its order, and positions are compared in a way that no other index serves. Later than both comes only
-- what an event said of its future, which few do. A value that is null is the long text that its event's row shares. The
-- arrays come from subqueries because the planner, who looks at how long arrays are, would plan anew every time.
-- The position is `low` where there is no `high`. Else it is the last known by known_at, counted among the places of the
-- log that it is believed to lie between, both inclusive. As known_at never goes back, that holds if the first is known
-- (or the log begins there) and not all are; where it does not hold, there is no row.
WITH point AS MATERIALIZED (
    SELECT place, customer, uuid_hash(customer) AS hash, known_at, valid_at, most,
           greatest(known_at, valid_at) AS beyond,
           CASE WHEN high IS NULL THEN low
                ELSE (
                    SELECT CASE WHEN (number > 0 OR low = 0) AND number <= high - low THEN low + number END
                    FROM (
                        SELECT count(*) FROM ledger.log
                        WHERE idx BETWEEN low AND high AND log.known_at <= asked.known_at
                    ) AS known (number)
                )
           END AS up_to
    FROM unnest(
        (SELECT %(customer_ids)b::uuid[]), (SELECT %(known_at)b::timestamptz[]), (SELECT %(valid_at)b::timestamptz[]),
        (SELECT %(most)b::bigint[]), (SELECT %(low)b::bigint[]), (SELECT %(high)b::bigint[])
    ) WITH ORDINALITY AS asked (customer, known_at, valid_at, most, low, high, place)
)
SELECT place, up_to,
       coalesce(greatest((SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                         (SELECT max(made_at) FROM ledger.checkpoint)) > known_at, false),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       clock_timestamp(),
       (
           SELECT version FROM read.events
           WHERE customer_id = customer AND position <= up_to
           ORDER BY position DESC LIMIT 1
       ),
       (
           -- what requests say of themselves is shown, of all others only what they did, or what has become of them
           SELECT json_agg(
                      CASE
                          WHEN data::json ->> 'erased' = 'true' THEN json_build_object('type', type, 'data', data::json)
                          WHEN type = ANY ('{customer.tier-reassignment-requested,customer.change-proposed,'
                                           'customer.erasure-requested,customer.erasure-approved,'
                                           'customer.personal-data-erased}') THEN
                              read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,
                                              event_id, is_decision, type, envelope, data)::json
                          ELSE json_build_object('type', type,
                                                 'data', json_build_object('customer_kind', data::json -> 'customer_kind',
                                                                           'request_id', data::json -> 'request_id',
                                                                           'proposal_id', data::json -> 'proposal_id'))
                      END
                      ORDER BY position
                  )::text
           FROM read.events
           WHERE customer_id = customer AND is_decision AND position <= up_to
               AND type <> 'customer.field-verified'
       ),
       slots, lines,
       number > 0 OR EXISTS (
           SELECT FROM read.facts
           WHERE uuid_hash(customer_id) = hash
               AND customer_id = customer AND positions @> up_to
               AND valid && tstzrange(NULL, valid_at, '[]')
       ),
       (
           SELECT convert_to(string_agg(
                      concat(
                          '{"path":', to_json(slot),
                          CASE WHEN absent THEN ',"absent":true'
                               ELSE ',"value":' || coalesce(value::text, (
                                        SELECT read.shared(data, shared_from, shared_length) FROM read.events
                                        WHERE customer_id = customer AND events.version = later.version
                                    )) END,
                          to_char(start AT TIME ZONE 'UTC', '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                          coalesce(to_char(until AT TIME ZONE 'UTC',
                                           '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_to":null'),
                          ',"version":', version, '}'
                      ), E'\n' ORDER BY start, slot
                  ), 'UTF8')
           FROM (
               (
                   SELECT slot, value, absent, version, lower(valid) AS start, upper(valid) AS until
                   FROM read.facts
                   WHERE customer_id = customer
                       AND lower(valid) > valid_at AND lower(valid) <= known_at
                       AND lower(positions) <= up_to AND (upper(positions) <= up_to) IS NOT TRUE
                   ORDER BY start
                   FETCH FIRST (most) ROWS WITH TIES
               )
               UNION ALL
               (
                   SELECT slot, value, absent, version, lower(valid), upper(valid)
                   FROM read.facts
                   WHERE uuid_hash(customer_id) = hash
                       AND customer_id = customer AND positions @> up_to
                       AND valid && tstzrange(beyond, NULL)
                       AND lower(valid) > beyond
                       AND EXISTS (
                           SELECT FROM read.events
                           WHERE customer_id = customer AND position <= up_to
                               AND (effective_from > recorded_at OR effective_to > recorded_at)
                               AND (effective_from > known_at OR effective_to > known_at)
                       )
                   ORDER BY lower(valid)
                   FETCH FIRST (most) ROWS WITH TIES
               )
           ) AS later
       )
FROM point, LATERAL (
    SELECT (json_agg(slot) FILTER (WHERE NOT absent))::text,
           convert_to(string_agg(coalesce(value::text, (
               SELECT read.shared(data, shared_from, shared_length) FROM read.events
               WHERE customer_id = customer AND events.version = holder.version
           ), ''), E'\n') FILTER (WHERE NOT absent), 'UTF8'), count(*)
    FROM (
        SELECT slot, value, absent, version
        FROM read.facts
        WHERE uuid_hash(customer_id) = hash
            AND customer_id = customer AND positions @> up_to AND valid @> valid_at
        ORDER BY slot
    ) AS holder
) AS held (slots, lines, number)
WHERE up_to IS NOT NULL;

-- name: landmarks
-- From when on the events at some places of the log are known; the places are looked up one by one, however many.
SELECT log.known_at
FROM generate_series(%(first)s::bigint, %(last)s::bigint, %(step)s::bigint) WITH ORDINALITY AS place (idx, number)
CROSS JOIN LATERAL (SELECT known_at FROM ledger.log WHERE log.idx = place.idx OFFSET 0) AS log
ORDER BY place.number;
