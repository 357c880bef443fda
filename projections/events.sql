-- The read model of decrypted events, for histories.

-- name: insert
-- Add the events of a batch.
INSERT INTO read.events (
    customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision, type, actor,
    envelope, data
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(versions)b::bigint[], %(positions)b::bigint[], %(recorded_at)b::timestamptz[],
    %(effective_from)b::timestamptz[], %(effective_to)b::timestamptz[], %(event_ids)b::uuid[], %(decisions)b::boolean[],
    %(types)b::text[], %(actors)b::text[], %(envelopes)b::text[]::jsonb[], %(data)b::text[]::json[]
);

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.events WHERE customer_id = %(customer_id)s;

-- name: first_known
-- When a customer was first recorded, whatever the position.
SELECT position, recorded_at FROM read.events WHERE customer_id = %(customer_id)s ORDER BY version LIMIT 1;

-- name: by_versions
-- Some events of several customers.
SELECT customer_id, version, read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,
                                             event_id, is_decision, type, envelope, data)
FROM unnest(%(customer_ids)b::uuid[], %(versions)b::bigint[]) AS wanted (customer_id, version)
JOIN read.events USING (customer_id, version);

-- name: items
-- Some events of any customers, in the order given, each with the slots it moved.
SELECT read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision,
                       type, envelope, data),
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = events.customer_id AND changes.version = events.version)::text
FROM unnest(%(customer_ids)b::uuid[], %(versions)b::bigint[]) WITH ORDINALITY AS wanted (customer_id, version, place)
JOIN read.events USING (customer_id, version)
ORDER BY place;

-- name: history_ascending
-- A page of a customer's events, oldest first, each with the slots it moved.
SELECT page.position,
       read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from, page.effective_to,
                       page.event_id, page.is_decision, page.type, page.envelope, page.data),
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version)::text
FROM read.events AS page
WHERE customer_id = %(customer_id)s AND position <= %(position)s
    AND position > %(after)s AND position >= %(from_position)s
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
    AND (%(path)s::text IS NULL OR EXISTS (
        SELECT FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version
            AND (slot = %(path)s OR starts_with(slot, %(path)s || '/'))
    ))
ORDER BY position
LIMIT %(limit)s;

-- name: history_descending
-- The same, newest first.
SELECT page.position,
       read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from, page.effective_to,
                       page.event_id, page.is_decision, page.type, page.envelope, page.data),
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version)::text
FROM read.events AS page
WHERE customer_id = %(customer_id)s AND position <= %(position)s
    AND (%(after)s = 0 OR position < %(after)s) AND position >= %(from_position)s
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
    AND (%(path)s::text IS NULL OR EXISTS (
        SELECT FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version
            AND (slot = %(path)s OR starts_with(slot, %(path)s || '/'))
    ))
ORDER BY position DESC
LIMIT %(limit)s;

-- name: whole_pages
-- Pages of all of customers' events, as they are sent: of each its place among those asked for, the position up to which it
-- is (where none is given, the one that all read models have passed), how many events, the last one's position, and the
-- text of all items. For a position that the read models have not passed there are none. `direction` is 1 for oldest
-- first, -1 for newest first. Arrays come from subqueries for the planner's sake, as in past.sql.
-- An item says what read.event_json says of the event, in a third of the time: its envelope is put down as it is, with a
-- mark behind the brace that ends it, which is to be taken away together with it. What moved slots is read in one
-- stretch, since the events of a page follow each other without a gap.
SELECT asked.place, stand.position, page.number, page.last, page.items
FROM unnest(
    (SELECT %(customer_ids)b::uuid[]), (SELECT %(positions)b::bigint[]), (SELECT %(directions)b::smallint[]),
    (SELECT %(after)b::bigint[]), (SELECT %(limits)b::bigint[])
) WITH ORDINALITY AS asked (customer_id, position, direction, after, most, place)
CROSS JOIN (SELECT coalesce(min(position), 0) FROM read.tracking) AS tracking (reached)
CROSS JOIN LATERAL (SELECT coalesce(asked.position, tracking.reached)) AS stand (position)
CROSS JOIN LATERAL (
    SELECT count(*), max(item.position * asked.direction) * asked.direction,
           convert_to(string_agg(item.text, ',' ORDER BY item.position * asked.direction), 'UTF8')
    FROM (
        WITH page AS MATERIALIZED (
            (
                SELECT *, to_char(recorded_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') AS recorded
                FROM read.events
                WHERE asked.direction > 0 AND customer_id = asked.customer_id
                    AND position > asked.after AND position <= stand.position AND stand.position <= tracking.reached
                ORDER BY position
                LIMIT asked.most
            )
            UNION ALL
            (
                SELECT *, to_char(recorded_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') AS recorded
                FROM read.events
                WHERE asked.direction < 0 AND customer_id = asked.customer_id
                    AND position < asked.after AND position <= stand.position AND stand.position <= tracking.reached
                ORDER BY position DESC
                LIMIT asked.most
            )
        ), moved AS (
            SELECT version,
                   string_agg(concat('{"path":', to_json(slot), ',"kind":"', kind, '"', ',"old":' || old::text,
                                     ',"new":' || new::text, '}'), ',' ORDER BY slot) AS text
            FROM read.changes
            WHERE customer_id = asked.customer_id
                AND version BETWEEN (SELECT min(version) FROM page) AND (SELECT max(version) FROM page)
            GROUP BY version
        )
        SELECT page.position,
               concat(
                   page.envelope, CASE WHEN page.envelope = '{}' THEN E'\x01' ELSE E'\x01,' END,
                   '"customer_id":"', page.customer_id, '","version":', page.version, ',"position":', page.position,
                   ',"event_id":"', page.event_id, '","type":"', page.type,
                   CASE WHEN page.is_decision THEN '","decision":true' ELSE '","decision":false' END,
                   CASE WHEN page.envelope ? 'observed_at' THEN '' ELSE ',"observed_at":null' END,
                   CASE WHEN page.envelope ? 'source' THEN '' ELSE ',"source":null' END,
                   CASE WHEN page.envelope ? 'reason' THEN '' ELSE ',"reason":null' END,
                   CASE WHEN page.envelope ? 'evidence' THEN '' ELSE ',"evidence":[]' END,
                   CASE WHEN page.envelope ? 'request_id' THEN '' ELSE ',"request_id":null' END,
                   CASE WHEN page.envelope ? 'idempotency_key' THEN '' ELSE ',"idempotency_key":null' END,
                   CASE WHEN page.envelope ? 'initial_load' THEN '' ELSE ',"initial_load":false' END,
                   -- seldom stated
                   CASE WHEN page.envelope ?| '{certainty,probability,correlation_id,causation_id,corrects,retracts}'
                   THEN concat(
                       CASE WHEN page.envelope ? 'certainty' THEN '' ELSE ',"certainty":"FACT"' END,
                       CASE WHEN page.envelope ? 'probability' THEN '' ELSE ',"probability":null' END,
                       CASE WHEN page.envelope ? 'correlation_id' THEN '' ELSE ',"correlation_id":null' END,
                       CASE WHEN page.envelope ? 'causation_id' THEN '' ELSE ',"causation_id":null' END,
                       CASE WHEN page.envelope ? 'corrects' THEN '' ELSE ',"corrects":null' END,
                       CASE WHEN page.envelope ? 'retracts' THEN '' ELSE ',"retracts":null' END
                   )
                   ELSE ',"certainty":"FACT","probability":null,"correlation_id":null,"causation_id":null'
                        ',"corrects":null,"retracts":null' END,
                   ',"recorded_at":', page.recorded,
                   CASE WHEN page.effective_from = page.recorded_at THEN ',"effective_from":' || page.recorded
                        ELSE coalesce(to_char(page.effective_from AT TIME ZONE 'UTC',
                                              '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                                      ',"effective_from":null') END,
                   coalesce(to_char(page.effective_to AT TIME ZONE 'UTC',
                                    '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_to":null'),
                   ',"data":', page.data, ',"changes":[', moved.text, ']}'
               ) AS text
        FROM page LEFT JOIN moved ON moved.version = page.version
    ) AS item
) AS page (number, last, items);
