-- One customer's file as known at a position and as valid at an instant.

-- name: version_at
-- The last version of a customer's stream at a position; no row if there was none yet.
SELECT version FROM read.events
WHERE customer_id = %(customer_id)s AND position <= %(position)s
ORDER BY position DESC LIMIT 1;

-- name: files_at
-- Whole files, one a row. First its place among those asked for, then what its moment means: the position (where none is
-- given, the last known by known_at), whether anything later is sealed, how far the read models are, the clock. Then the
-- last version (null: not known then), decisions (but for verifications, which may be many and leave a file as it was),
-- the slots that have a value, in their order, and these values' JSON, one a line, whether any fact had begun, and the
-- first of what comes to hold slots later, soonest first. Between valid_at and known_at that can be nearly everything:
-- an index leads along it in its order, and positions are compared in a way that no other index serves. Later than both
-- comes only what an event said of its future, which few do. The arrays come from subqueries because the planner, who
-- looks at how long arrays are, would plan anew every time. Positions are searched for as in basis.sql, all at once,
-- each between the low and the high it is believed to lie between (a belief that does not hold is not followed), and
-- counted along the last 64 events.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT *
    FROM unnest(
        (SELECT %(customer_ids)b::uuid[]), (SELECT %(positions)b::bigint[]), (SELECT %(known_at)b::timestamptz[]),
        (SELECT %(valid_at)b::timestamptz[]), (SELECT %(most_later)b::bigint[]), (SELECT %(low)b::bigint[]),
        (SELECT %(high)b::bigint[])
    ) WITH ORDINALITY AS one (customer_id, given, known_at, valid_at, most_later, low, high, place)
), search (place, known_at, low, high) AS (
    SELECT place, known_at,
           CASE WHEN (SELECT log.known_at <= asked.known_at FROM ledger.log WHERE idx = asked.low - 1) THEN low
                ELSE 0::bigint END,
           CASE WHEN (SELECT log.known_at > asked.known_at FROM ledger.log WHERE idx = asked.high) THEN high
                ELSE coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) END
    FROM asked WHERE given IS NULL
    UNION ALL
    SELECT place, known_at,
           CASE WHEN is_known THEN middle + 1 ELSE low END,
           CASE WHEN is_known THEN high ELSE middle END
    FROM (
        SELECT place, search.known_at, low, high, middle,
               coalesce((SELECT log.known_at <= search.known_at FROM ledger.log WHERE idx = middle), false) AS is_known
        FROM search, LATERAL (SELECT (low + high) / 2) AS half (middle)
        WHERE high - low > 64
    ) AS step
), moment AS MATERIALIZED (
    SELECT asked.place, asked.customer_id, asked.known_at, asked.valid_at, asked.most_later,
           coalesce(asked.given, search.low + (
               SELECT count(*) FROM ledger.log
               WHERE idx >= search.low AND idx < search.high AND log.known_at <= search.known_at
           )) AS position
    FROM asked LEFT JOIN search ON search.place = asked.place AND search.high - search.low <= 64
)
SELECT moment.place,
       moment.position,
       coalesce(greatest((SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                         (SELECT max(made_at) FROM ledger.checkpoint)) > moment.known_at, false),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       clock_timestamp(),
       (
           SELECT version FROM read.events
           WHERE customer_id = moment.customer_id AND position <= moment.position
           ORDER BY position DESC LIMIT 1
       ),
       (
           -- what requests say of themselves is shown, of all others only what they did, or what has become of them
           SELECT json_agg(
                      CASE CASE WHEN data::json ->> 'erased' = 'true' THEN 'erased'
                                WHEN type IN ('customer.tier-reassignment-requested', 'customer.change-proposed',
                                              'customer.erasure-requested', 'customer.erasure-approved',
                                              'customer.personal-data-erased') THEN 'told'
                                ELSE type END
                          WHEN 'erased' THEN json_build_object('type', type, 'data', data::json)
                          WHEN 'told' THEN
                              read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,
                                              event_id, is_decision, type, envelope, data)::json
                          WHEN 'customer.registered' THEN
                              json_build_object('type', type,
                                                'data', json_build_object('customer_kind', data::json -> 'customer_kind'))
                          WHEN 'customer.archived' THEN json_build_object('type', type)
                          ELSE json_build_object('type', type,
                                                 'data', json_build_object('request_id', data::json -> 'request_id',
                                                                           'proposal_id', data::json -> 'proposal_id'))
                      END
                      ORDER BY position
                  )::text
           FROM read.events
           WHERE customer_id = moment.customer_id AND is_decision AND position <= moment.position
               AND type <> 'customer.field-verified'
       ),
       held.slots, held.lines,
       number > 0 OR EXISTS (
           SELECT FROM read.facts
           WHERE uuid_hash_extended(customer_id, 2) = uuid_hash_extended(moment.customer_id, 2)
               AND customer_id = moment.customer_id AND positions @> moment.position
               AND valid && tstzrange(NULL, moment.valid_at, '[]')
       ),
       (
           SELECT array_agg(
                      convert_to(concat(
                          '{"path":', to_json(slot), CASE WHEN absent THEN ',"absent":true' ELSE ',"value":' || value::text END,
                          to_char(start AT TIME ZONE 'UTC', '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                          coalesce(to_char(until AT TIME ZONE 'UTC',
                                           '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_to":null'),
                          ',"version":', version, '}'
                      ), 'UTF8') ORDER BY start, slot
                  )
           FROM (
               (
                   SELECT slot, value, absent, version, lower(valid) AS start, upper(valid) AS until
                   FROM read.facts
                   WHERE customer_id = moment.customer_id
                       AND lower(valid) > moment.valid_at AND lower(valid) <= moment.known_at
                       AND lower(positions) <= moment.position AND (upper(positions) <= moment.position) IS NOT TRUE
                   ORDER BY lower(valid)
                   FETCH FIRST (moment.most_later) ROWS WITH TIES
               )
               UNION ALL
               SELECT slot, value, absent, version, lower(valid), upper(valid)
               FROM read.facts
               WHERE uuid_hash_extended(customer_id, 2) = uuid_hash_extended(moment.customer_id, 2)
                   AND customer_id = moment.customer_id AND positions @> moment.position
                   AND valid && tstzrange(greatest(moment.valid_at, moment.known_at), NULL)
                   AND lower(valid) > greatest(moment.valid_at, moment.known_at)
                   AND EXISTS (
                       SELECT FROM read.events
                       WHERE customer_id = moment.customer_id AND position <= moment.position
                           AND (effective_from > recorded_at OR effective_to > recorded_at)
                           AND (effective_from > moment.known_at OR effective_to > moment.known_at)
                   )
               ORDER BY start, slot
               LIMIT moment.most_later
           ) AS later
       )
FROM moment
CROSS JOIN LATERAL (
    SELECT (json_agg(slot) FILTER (WHERE NOT absent))::text,
           convert_to(string_agg(value::text, E'\n') FILTER (WHERE NOT absent), 'UTF8'), count(*)
    FROM (
        SELECT slot, value, absent
        FROM read.facts
        WHERE uuid_hash_extended(customer_id, 2) = uuid_hash_extended(moment.customer_id, 2)
            AND customer_id = moment.customer_id AND positions @> moment.position AND valid @> moment.valid_at
        ORDER BY slot
    ) AS holder
) AS held (slots, lines, number);

-- name: landmarks
-- From when on the events at some places of the log are known; the places are looked up one by one, however many.
SELECT log.known_at
FROM generate_series(%(first)s::bigint, %(last)s::bigint, %(step)s::bigint) WITH ORDINALITY AS place (idx, number)
CROSS JOIN LATERAL (SELECT known_at FROM ledger.log WHERE log.idx = place.idx OFFSET 0) AS log
ORDER BY place.number;
